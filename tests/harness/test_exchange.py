"""What goes out computes the same in transformers' own classes, and what comes in computes the same here."""

import copy
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from tokenizers import Tokenizer as Engine
from torch import Tensor

from analysis.compare import compare_runs
from analysis.selection import usable
from analysis.table import load
from harness import record, weights
from harness.exchange import CLASSES, class_of
from harness.exchange.export import export, write_folder
from harness.exchange.imported import Told, bring_in
from harness.models import build
from harness.models.family import LanguageModel
from harness.record import Point, Run
from harness.refusal import Refusal
from harness.spec import Spec, make_spec
from harness.tokenizers import build_tokenizer, file_name
from harness.train import Trunk
from sweeps.__main__ import main
from tests.harness.test_models import FAMILY
from tests.harness.test_tokenizers import TEXTS, TRAINING, random_texts

os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers is imported: nothing is ever fetched
transformers = pytest.importorskip("transformers")
transformers.utils.logging.disable_progress_bar()

SHAPE = {"depth": 2, "width": 24, "heads": 3, "context": 16}
TRAINED = {"unique_tokens": 1_024, "tokens": 1_024, "batch_tokens": 128, "warmup_tokens": 0, "eval_tokens": 1_024}
CLOSE = 1e-5

PARAMETRISATIONS: dict[str, dict[str, Any]] = {
    "standard": {},
    "wider": {"parametrisation": "mup", "base_width": 12},
    "deeper": {"parametrisation": "completep", "base_width": 12, "base_depth": 1},
}

# What no class of transformers computes: the member, how it is parametrised (None: however), and why.
REFUSED = {
    ("gpt3", None): "no banded attention",
    ("chinchilla", None): "Transformer-XL's relative positions",
    ("wide heads", None): "heads of width / heads = 8, not head_width=10",
    ("gpt1", "wider"): "could carry 0.5, by which parametrisation=mup multiplies logits",
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def spec_of(**fields: Any) -> Spec:
    return make_spec({**SHAPE, **TRAINED, **fields})


def shake(model: torch.nn.Module, seed: int = 1) -> None:
    """So that no parameter is zero or one, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator))


def shaken(spec: Spec) -> LanguageModel:
    model = build(spec)
    model.initialise(torch.Generator().manual_seed(0))
    shake(model)
    return model


def finished(root: Path, spec: Spec, model: LanguageModel) -> Run:
    """The run as training leaves it."""
    folder = record.run_folder(root, spec.run_id)
    record.ask_for(root, spec)
    path = weights.weights_file(folder, spec)
    path.parent.mkdir(parents=True)
    weights.save(path, model)
    done = {"seconds": 1.0, "data_hash": "planted"}
    record.finish(folder, [Point(8, 1_024, "decayed", 0.01, 3.0, 1.0, {})], done)
    return record.read_run(folder)


def batch(vocab_size: int, context: int = 16) -> Tensor:
    return torch.randint(vocab_size, (3, context), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def apart(model: LanguageModel, other: torch.nn.Module, vocab_size: int) -> float:
    """The largest difference between the logits of ours and of a second model, ours or transformers'."""
    tokens_bt = batch(vocab_size)
    theirs = other(tokens_bt) if isinstance(other, LanguageModel) else other.eval()(input_ids=tokens_bt).logits
    assert theirs.std() > 0.1
    return (model(tokens_bt) - theirs).abs().max().item()


def elsewhere(folder: Path) -> torch.nn.Module:
    """As anybody loads the folder."""
    model, told = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    return model


# Out


# CompleteP's depth rules are not for GPT-1.
@pytest.mark.parametrize(
    ("member", "how"), [(m, how) for m in FAMILY for how in PARAMETRISATIONS if (m, how) != ("gpt1", "deeper")]
)
def test_logits_are_the_published_class_s(member: str, how: str, tmp_path: Path, cache: Path) -> None:
    spec = spec_of(**{**FAMILY[member], **PARAMETRISATIONS[how]})
    model = shaken(spec)
    run = finished(tmp_path / "results", spec, model)
    why = REFUSED.get((member, None)) or REFUSED.get((member, how))
    if why:
        with pytest.raises(Refusal, match=why):
            export(run, tmp_path / "out", cache)
        assert not (tmp_path / "out").exists()
        return
    published = export(run, tmp_path / "out", cache)
    other = elsewhere(tmp_path / "out")
    assert type(other).__name__ == published.architecture
    assert apart(model, other, spec.vocab_size) < CLOSE
    back = bring_in(tmp_path / "out", tmp_path / "there", cache)
    assert (back.spec, back.points[-1].phase) == (spec, "decayed")
    assert apart(model, weights.load_model(back), spec.vocab_size) < CLOSE


def test_every_class_is_some_member_s() -> None:
    expressible = [spec_of(**fields) for member, fields in FAMILY.items() if (member, None) not in REFUSED]
    assert {class_of(spec).model_type for spec in expressible} == set(CLASSES)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 100.0])
def test_an_embedding_of_any_scale_is_normalised_and_back(scale: float, tmp_path: Path, cache: Path) -> None:
    spec = spec_of(variant="modern", activation="swiglu")
    model = shaken(spec)
    with torch.no_grad():
        model.embedding.mul_(scale)
        model.embedding[5] = 0
    export(finished(tmp_path, spec, model), tmp_path / "out", cache)
    assert apart(model, elsewhere(tmp_path / "out"), spec.vocab_size) < CLOSE
    back = bring_in(tmp_path / "out", tmp_path / "there", cache)
    assert apart(model, weights.load_model(back), spec.vocab_size) < CLOSE


def test_gpt3_without_bands_is_gpt2(tmp_path: Path, cache: Path) -> None:
    spec = spec_of(variant="gpt3", window=16)
    model = shaken(spec)
    assert export(finished(tmp_path, spec, model), tmp_path / "out", cache).architecture == "GPT2LMHeadModel"
    assert apart(model, elsewhere(tmp_path / "out"), spec.vocab_size) < CLOSE


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"variant": "gpt1", "mlp_width": 40}, "MLP of 4 width = 96, not mlp_width=40"),
        ({"variant": "modern", "norm": "rms"}, "no gains; use norm=plain_rms"),
        (
            {"variant": "modern", "activation": "swiglu", "qk_norm": "none", "heads": 5, "head_width": 8},
            "not divisible",
        ),
    ],
)
def test_a_shape_that_no_class_has_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(Refusal, match=why):
        class_of(spec_of(**fields))


def test_nothing_is_overwritten_and_nothing_half_is_left(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, out = spec_of(variant="gpt2"), tmp_path / "out"
    run = finished(tmp_path / "results", spec, shaken(spec))
    out.mkdir()
    export(run, out, cache)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert set(before) == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    with pytest.raises(Refusal, match="exists already"):
        export(run, out, cache)
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        export(run, tmp_path / "other", cache)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "results"]


# Tokenizers


@pytest.mark.parametrize(("name", "vocab_size"), [("bytes", 256), ("bpe", 300)])
def test_auto_tokenizer_gives_our_ids(name: str, vocab_size: int, tmp_path: Path) -> None:
    spec = spec_of(variant="gpt2", tokenizer=name, vocab_size=vocab_size)
    own = build_tokenizer(name, TRAINING, vocab_size)
    for published in CLASSES.values():  # each has a tokenizer of its own that could come in between
        out = tmp_path / published.model_type
        write_folder(out, class_of(spec), spec, shaken(spec), own, "decayed")
        (out / "config.json").write_text(json.dumps({"model_type": published.model_type}))
        other = transformers.AutoTokenizer.from_pretrained(out)
        assert (other.eos_token_id, other.model_max_length) == (own.end_of_text, 16)
        for text in (*TEXTS, *random_texts(20), "nul\0 is dropped"):
            if "<|endoftext|>" in text:
                continue  # to us it is ordinary text
            assert other(text)["input_ids"] == own.encode(text).tolist()
            assert other.decode(other(text)["input_ids"], skip_special_tokens=True) == text.replace("\0", "") or (
                name == "bpe" and "\0" in text
            )


# In


def other_tokenizer(folder: Path) -> Engine:
    """Somebody else's byte pairs, with added tokens and documents that begin with a special one."""
    own = build_tokenizer("bpe", TRAINING, 280)
    engine = Engine.from_str(own.definition)
    engine.add_tokens(["    ", "ran sel"])
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=engine, eos_token="<|endoftext|>", pad_token="<|pad|>"
    )
    wrapped.save_pretrained(folder)
    return engine


LLAMA = {
    "vocab_size": 300, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3,
    "max_position_embeddings": 32,
}  # fmt: skip
NEOX = {**LLAMA, "intermediate_size": 96}
GPT2 = {"vocab_size": 300, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 32}
ENDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}

FOREIGN: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", GPT2 | {"layer_norm_epsilon": 1e-3}),
    "gpt2 with a narrow mlp": ("GPT2", GPT2 | {"n_inner": 40, "activation_function": "gelu_pytorch_tanh"}),
    "openai-gpt": ("OpenAIGPT", GPT2),
    "gpt_neox": ("GPTNeoX", NEOX | {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}),
    "gpt_neox, tied": ("GPTNeoX", NEOX | {"tie_word_embeddings": True}),
    "llama": ("Llama", LLAMA | {"rms_norm_eps": 1e-3}),
    "llama, tied, shared keys": ("Llama", LLAMA | {"tie_word_embeddings": True, "num_key_value_heads": 1}),
    "llama, wide heads, turned fast": (
        "Llama",
        LLAMA | {"head_dim": 10, "rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
    ),
    "qwen3": ("Qwen3", LLAMA | {"head_dim": 10, "num_key_value_heads": 1}),
    "qwen3, tied": ("Qwen3", LLAMA | {"head_dim": 8, "num_key_value_heads": 3, "tie_word_embeddings": True}),
    "nanochat": ("NanoChat", LLAMA | {"final_logit_softcapping": None, "num_key_value_heads": 1}),
    "arcee": ("Arcee", LLAMA | {"num_key_value_heads": 1}),
}


def foreign(name: str, seed: int = 1) -> torch.nn.Module:
    """A model that transformers made, none of whose parameters is zero or one."""
    family, fields = FOREIGN[name]
    config = getattr(transformers, f"{family}Config")(**copy.deepcopy(fields), **ENDS)
    head = "LMHeadModel" if family in ("GPT2", "OpenAIGPT") else "ForCausalLM"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, family + head)(config)
    shake(model, seed)
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Saves a foreign model with its tokenizer, and changes what it is told to change in config.json."""

    def save(name: str, **changes: Any) -> Path:
        folder = tmp_path / "foreign"
        foreign(name).save_pretrained(folder)
        other_tokenizer(folder)
        config = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return save


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_from_elsewhere_computes_the_same_here(
    name: str, saved: Callable[..., Path], tmp_path: Path, cache: Path, corpus: Path
) -> None:
    run = bring_in(saved(name), tmp_path / "results", cache, [f"lm_{corpus}"])
    model = weights.load_model(run)
    assert apart(model, foreign(name), 300) < CLOSE
    (last,) = run.points
    assert last.phase == "imported"
    assert 0 < last.scores[f"lm_{corpus}/bpb"] < 20
    assert last.scores[f"lm_{corpus}/nll_stderr"] > 0
    assert run.spec.tokenizer == file_name(tmp_path / "foreign/tokenizer.json", 300, cache)
    out = export(run, tmp_path / "out", cache)
    assert out.architecture == type(foreign(name)).__name__
    assert apart(model, elsewhere(tmp_path / "out"), 300) < CLOSE
    back = bring_in(tmp_path / "out", tmp_path / "there", cache)
    assert (back.spec, back.points[-1].phase) == (run.spec, "imported")


def test_other_files_of_the_same_weights_are_the_same_run(
    saved: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    """Shards, pickles, older names, half precision; two checkpoints of one shape are two runs."""
    folder, model = saved("gpt2"), foreign("gpt2")
    whole = bring_in(folder, tmp_path / "results", cache)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").is_file()
    assert bring_in(folder, tmp_path / "results", cache).run_id == whole.run_id
    for path in folder.glob("model*"):
        path.unlink()
    state = {name.removeprefix("transformer."): tensor for name, tensor in model.state_dict().items()}
    del state["lm_head.weight"]
    state |= {"h.0.attn.bias": torch.ones(1, 1, 32, 32, dtype=torch.uint8), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    for new in (True, False):
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=new)
        assert bring_in(folder, tmp_path / "results", cache).run_id == whole.run_id
    torch.save({name: tensor.half() for name, tensor in state.items()}, folder / "pytorch_model.bin")
    half = bring_in(folder, tmp_path / "results", cache)
    assert half.run_id != whole.run_id
    assert half.spec.model_copy(update={"seed": whole.spec.seed}) == whole.spec
    assert apart(weights.load_model(half), model.half().float(), 300) < CLOSE
    assert [rung["run_id"] for rung in record.read_sweep(tmp_path / "results/imported")["rungs"]] == [
        whole.run_id,
        half.run_id,
    ]


def test_what_its_user_knows_goes_into_the_run(saved: Callable[..., Path], tmp_path: Path, cache: Path) -> None:
    folder = saved("gpt2")
    run = bring_in(folder, tmp_path, cache, told=Told(corpus="pile", tokens=1_000_000, context=8))
    assert (run.spec.corpus, run.spec.tokens, run.spec.context) == ("pile", 1_000_000, 8)
    assert run.points[-1].phase == "decayed"
    whole = foreign("gpt2").eval()
    tokens_bt = batch(300, context=8)
    with torch.no_grad():
        theirs = whole(input_ids=tokens_bt).logits
        assert (weights.load_model(run)(tokens_bt) - theirs).abs().max() < CLOSE
    turned = foreign("llama")
    turned.save_pretrained(folder)
    run = bring_in(folder, tmp_path, cache, told=Told(context=8))
    with torch.no_grad():
        theirs = turned.eval()(input_ids=tokens_bt).logits
        assert (weights.load_model(run)(tokens_bt) - theirs).abs().max() < CLOSE
    assert (run.spec.context, run.spec.tokens) == (8, 8)
    assert bring_in(folder, tmp_path, cache, told=Told(tokens=1_000_001)).spec.tokens == 1_000_000 // 32 * 32
    for context, least in ((None, 32), (8, 8)):
        with pytest.raises(Refusal, match=f"tokens={least - 1} is less than one window of context={least}"):
            bring_in(folder, tmp_path, cache, told=Told(tokens=least - 1, context=context))
    with pytest.raises(Refusal, match="context=33: the model was trained in 32"):
        bring_in(folder, tmp_path, cache, told=Told(context=33))


def test_a_tokenizer_is_known_by_its_content(
    saved: Callable[..., Path], tmp_path: Path, cache: Path, corpus: Path
) -> None:
    folder = saved("gpt2")
    run = bring_in(folder, tmp_path / "results", cache)
    ids = weights.tokenizer_of(run, cache).encode("ran sel    ba").tolist()
    moved = folder.rename(tmp_path / "moved")
    assert bring_in(moved, tmp_path / "results", cache).run_id == run.run_id
    shutil.rmtree(moved)

    there = tmp_path / "another machine's"
    assert weights.tokenizer_of(run, there / "own copy").encode("ran sel    ba").tolist() == ids
    export(run, tmp_path / "out", cache)
    assert str(tmp_path) not in (tmp_path / "out/config.json").read_text()
    back = bring_in(tmp_path / "out", there / "results", there / "cache", [f"lm_{corpus}"])
    assert back.spec == run.spec
    assert back.points[-1].scores
    assert weights.tokenizer_of(back, there / "cache").encode("ran sel    ba").tolist() == ids

    weights.kept_copy(run.folder, run.spec).unlink()
    with pytest.raises(Refusal, match=r"is not in the cache .*: import the run's folder again"):
        weights.tokenizer_of(run, there / "nothing")


def test_another_tokenizer_makes_another_run(saved: Callable[..., Path], tmp_path: Path, cache: Path) -> None:
    folder = saved("gpt2")
    run = bring_in(folder, tmp_path / "results", cache)
    export(run, tmp_path / "out", cache)
    for place in (folder, tmp_path / "out"):
        stored = json.loads((place / "tokenizer.json").read_text())
        stored["normalizer"] = {"type": "NFC"}
        (place / "tokenizer.json").write_text(json.dumps(stored))
    other = bring_in(folder, tmp_path / "results", cache)
    assert (other.run_id != run.run_id, other.spec.seed) == (True, run.spec.seed)
    refused(
        tmp_path / "out", tmp_path / "other", cache, f"tokenizer.json is not the run's, tokenizer={run.spec.tokenizer}"
    )
    (tmp_path / "out/tokenizer.json").unlink()
    refused(tmp_path / "out", tmp_path / "other", cache, "holds no tokenizer.json")
    again = bring_in(folder, tmp_path / "results", cache, told=Told(tokenizer=run.spec.tokenizer))
    assert again.run_id == run.run_id


def test_what_nobody_knows_of_its_training_is_not_said(
    saved: Callable[..., Path], tmp_path: Path, cache: Path, corpus: Path
) -> None:
    run = bring_in(saved("gpt2"), tmp_path, cache, [f"lm_{corpus}"])
    spec = spec_of(variant="gpt2", learning_rate=0.02)
    ours = finished(tmp_path / "ours", spec, shaken(spec))
    differs = compare_runs([run, ours]).differs
    assert (differs["learning_rate"], differs["tokens"]) == (("unknown", 0.02), ("unknown", spec.tokens))
    known = bring_in(tmp_path / "foreign", tmp_path, cache, told=Told(tokens=1_024))
    assert compare_runs([known, ours]).differs.keys() & {"tokens", "learning_rate"} == {"learning_rate"}
    assert "learning_rate" not in compare_runs([run, known]).differs
    assert load(tmp_path / "imported")[["learning_rate", "seconds"]].isna().all(axis=None)


def test_lost_weights_come_back_with_their_folder(saved: Callable[..., Path], tmp_path: Path, cache: Path) -> None:
    run = bring_in(saved("gpt2"), tmp_path, cache)
    weights.weights_file(run.folder, run.spec).unlink()
    with pytest.raises(Refusal, match=r"is not there: .*; import its folder again"):
        weights.load_model(run)
    bring_in(tmp_path / "foreign", tmp_path, cache)
    assert weights.load_model(run).context == 32


def test_a_second_import_adds_scores(saved: Callable[..., Path], tmp_path: Path, cache: Path, corpus: Path) -> None:
    folder = saved("llama")
    first = bring_in(folder, tmp_path, cache, [f"lm_{corpus}"])
    second = bring_in(folder, tmp_path, cache)
    assert second.run_id == first.run_id
    assert second.points == first.points
    assert second.points[-1].scores


def test_gpt1_s_own_tokenizer_comes_in_but_counts_no_bytes(
    saved: Callable[..., Path], tmp_path: Path, cache: Path, corpus: Path
) -> None:
    folder = saved("openai-gpt")
    stored = json.loads((folder / "tokenizer.json").read_text())
    stored["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    bring_in(folder, tmp_path, cache)
    with pytest.raises(Refusal, match="it changes the text, so that the bytes of a text cannot be counted"):
        bring_in(folder, tmp_path, cache, [f"lm_{corpus}"])


# What is strange, edited or damaged

EDITED = [
    ("llama", {"model_type": "bert"}, "no model_type that can be imported is called 'bert'"),
    ("llama", {"model_type": "lama"}, "did you mean 'llama'"),
    ("llama", {"model_type": None}, "called 'None'"),
    ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "rope_type='linear'"),
    ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_type='dynamic'"),
    ("llama", {"rope_parameters": [1]}, "rope_parameters=\\[1\\]"),
    ("llama", {"attention_bias": True}, "its products have no biases"),
    ("llama", {"hidden_act": "gelu"}, "hidden_act='gelu'"),
    ("llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
    ("llama", {"num_attention_heads": 6}, "q_proj.weight is 24 x 24, and by its config.json it is 48 x 24"),
    ("llama", {"num_attention_heads": 0}, "heads=0"),
    ("llama", {"layer_types": 3}, "layer_types=3"),
    ("llama", {"max_position_embeddings": 1}, "context=1: .*; its config.json says so"),
    ("llama", {"num_hidden_layers": 3}, "lacks model.layers.2"),
    ("llama", {"num_hidden_layers": 1}, "holds model.layers.1"),
    ("llama", {"hidden_size": "wide"}, "hidden_size='wide'"),
    ("llama", {"hidden_size": None}, "hidden_size=None"),
    ("llama", {"num_hidden_layers": -1}, "depth=-1"),
    ("llama", {"vocab_size": 299}, "300 x 24"),
    ("llama", {"is_causal": False}, "it sees no future"),
    ("llama", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
    ("qwen3", {"use_sliding_window": True}, "use_sliding_window=True"),
    ("nanochat", {"final_logit_softcapping": 15.0}, "its logits are not capped"),
    ("gpt2", {"activation_function": "relu"}, "activation_function='relu'"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "all layers scale alike"),
    ("gpt2", {"tie_word_embeddings": False}, "its head is its embedding"),
    ("gpt2", {"layer_norm_epsilon": "small"}, "layer_norm_epsilon='small'"),
    ("gpt_neox", {"use_parallel_residual": False}, "read the same stream"),
    ("gpt_neox", {"hidden_act": "gelu_fast"}, "the exact GELU"),
    ("gpt_neox", {"rope_parameters": {"partial_rotary_factor": 1.0}}, "it turns 0.25 of each head"),
]


@pytest.mark.parametrize(("name", "changes", "said"), EDITED, ids=lambda value: str(value)[:60])
def test_what_makes_another_model_is_refused(
    name: str, changes: dict[str, Any], said: str, saved: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    refused(saved(name, **changes), tmp_path / "results", cache, said)


def refused(folder: Path, results: Path, cache: Path, said: str, told: Told | None = None) -> None:
    with pytest.raises(Refusal, match=said) as refusal:
        bring_in(folder, results, cache, told=told)
    assert "\n" not in str(refusal.value)
    assert "--set" not in str(refusal.value), "import has no --set"
    assert not results.exists()


def test_what_the_class_takes_unasked_is_taken(saved: Callable[..., Path], tmp_path: Path, cache: Path) -> None:
    folder = saved("nanochat")
    config = json.loads((folder / "config.json").read_text())
    del config["final_logit_softcapping"]
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, tmp_path / "results", cache, "final_logit_softcapping=15.0")


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content)


def _torn(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1_000])


def _tensors(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        state = safetensors.torch.load_file(folder / "model.safetensors")
        change(state)
        safetensors.torch.save_file(state, folder / "model.safetensors")

    return damage


def _index(weight_map: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return damage


class Harmful:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("harm-was-done",)


def _pickled(content: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        with (folder / "pytorch_model.bin").open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                torch.save(content, file)

    return damage


NORM = "model.norm.weight"
DAMAGE = {
    "no config": (_without("config.json"), "holds no config.json"),
    "torn config": (_text("config.json", '{"model_type": "lla'), "config.json is not JSON"),
    "no object": (_text("config.json", "[1]"), "should hold an object"),
    "no weights": (_without("model.safetensors"), "holds neither model.safetensors nor pytorch_model.bin"),
    "no tokenizer": (_without("tokenizer.json"), "holds no tokenizer.json.*--tokenizer"),
    "torn weights": (_torn, "model.safetensors does not read"),
    "empty weights": (_text("model.safetensors", ""), "model.safetensors does not read"),
    "another shape": (_tensors(lambda s: s.update({NORM: torch.ones(25)})), "model.norm.weight is 25, and .* 24"),
    "one lacks": (_tensors(lambda s: s.pop(NORM)), "lacks model.norm.weight"),
    "a bias": (_tensors(lambda s: s.update({"model.norm.bias": torch.ones(24)})), "holds model.norm.bias"),
    "no numbers": (_tensors(lambda s: s[NORM].fill_(float("nan"))), "no finite numbers"),
    "whole numbers": (_tensors(lambda s: s.update({NORM: torch.ones(24, dtype=torch.int8)})), "torch.int8"),
    "no shards": (_index({NORM: "model-1.safetensors"}), "lacks model-1.safetensors"),
    "shards elsewhere": (_index({NORM: "../model.safetensors"}), "does not name files beside it"),
    "no map": (_index(3), "index.json does not read"),
    "a pickle that acts": (_pickled(Harmful()), "holds more than tensors by name"),
    "a pickle of more": (_pickled({"model": {"a": torch.ones(1)}}), "holds more than tensors by name"),
    "no pickle": (_pickled(b"PK\x03\x04 torn"), "torn"),
    "an empty pickle": (_pickled(b""), "torn"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_answered_in_one_line(name: str, saved: Callable[..., Path], tmp_path: Path, cache: Path) -> None:
    damage, said = DAMAGE[name]
    folder = saved("llama")
    damage(folder)
    refused(folder, tmp_path / "results", cache, said)
    assert not Path("harm-was-done").exists()


def test_a_folder_that_is_none_is_refused(tmp_path: Path, cache: Path) -> None:
    for place in (tmp_path / "nowhere", Path("EleutherAI/pythia-70m")):
        refused(place, tmp_path / "results", cache, "nothing is downloaded here")


def test_tied_weights_that_differ_are_refused(saved: Callable[..., Path], tmp_path: Path, cache: Path) -> None:
    folder = saved("llama, tied, shared keys")
    _tensors(lambda s: s.update({"lm_head.weight": torch.ones(300, 24)}))(folder)
    refused(folder, tmp_path / "results", cache, "lm_head.weight differs from model.embed_tokens.weight")


# What came from here


@pytest.fixture
def own(tmp_path: Path, cache: Path) -> Iterator[Path]:
    spec = spec_of(variant="modern", activation="swiglu")
    folder = tmp_path / "own"
    export(finished(tmp_path / "here", spec, shaken(spec)), folder, cache)
    return folder


def test_a_model_that_was_trained_on_is_not_the_run(own: Path, tmp_path: Path, cache: Path) -> None:
    model = elsewhere(own)
    model.save_pretrained(own)  # keeps our key
    assert bring_in(own, tmp_path / "results", cache).spec == spec_of(variant="modern", activation="swiglu")
    shake(model)
    model.save_pretrained(own)
    refused(own, tmp_path / "other", cache, "its weights are not those that the run .* left")
    config = json.loads((own / "config.json").read_text())
    del config["scalelaw"]
    (own / "config.json").write_text(json.dumps(config))
    run = bring_in(own, tmp_path / "other", cache, told=Told(tokenizer="bytes"))
    assert (run.spec.norm, run.points[-1].phase) == ("rms", "imported")
    assert apart(weights.load_model(run), model, 256) < CLOSE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scalelaw": 3}, "holds no run"),
        ({"scalelaw": {"spec": {"depth": 2}, "phase": "new"}}, "holds no run"),
        ({"scalelaw": {"spec": {"depth": 2}, "phase": "decayed"}}, "width"),
        ({"num_hidden_layers": 3}, "depth=3 is not of the run"),
        ({"rope_parameters": {"rope_theta": 5.0}}, "rotary_base=5.0 is not of the run"),
        ({"hidden_act": "relu"}, "hidden_act='relu'"),
    ],
    ids=str,
)
def test_an_edited_export_is_refused(
    own: Path, changes: dict[str, Any], said: str, tmp_path: Path, cache: Path
) -> None:
    config = json.loads((own / "config.json").read_text()) | changes
    (own / "config.json").write_text(json.dumps(config))
    refused(own, tmp_path / "results", cache, said)


def test_an_export_says_itself_what_it_is(own: Path, tmp_path: Path, cache: Path) -> None:
    refused(own, tmp_path / "results", cache, "says itself which run it is", Told(tokens=5))


def test_only_its_own_weights_stand_under_a_run(own: Path, tmp_path: Path, cache: Path) -> None:
    spec = spec_of(variant="modern", activation="swiglu")
    other = shaken(spec)
    shake(other, seed=9)
    export(finished(tmp_path / "elsewhere", spec, other), tmp_path / "second", cache)
    run = bring_in(own, tmp_path / "results", cache)
    with pytest.raises(Refusal, match="holds other weights of the same run"):
        bring_in(tmp_path / "second", tmp_path / "results", cache)
    assert apart(weights.load_model(run), shaken(spec), 256) < CLOSE


# The command


def test_out_and_in_by_the_command(scalelaw: Any, tiny: Any, tmp_path: Path, cache: Path, corpus: Path) -> None:
    spec, root = tiny(tokens=6_400), tmp_path / "results/planted"
    record.ask_for(root, spec)
    Trunk(root, [spec], {"tasks": [], "data": {}}, cache, threading.Event()).train()
    (trained,) = record.read_runs(root)
    out = scalelaw("export", spec.run_id[:6], "--out", tmp_path / "out", "--json")
    assert json.loads(out.stdout)["architecture"] == "NanoChatForCausalLM", out.stderr
    back = scalelaw("import", tmp_path / "out", "--tasks", f"lm_{corpus}", "--json")
    answer = json.loads(back.stdout)
    assert (answer["run_id"], answer["phase"], answer["tokens"]) == (spec.run_id, "decayed", 6_400)
    assert answer["scores"] == pytest.approx(trained.points[-1].scores, rel=1e-6)


def test_what_came_in_is_read_by_the_other_commands(
    saved: Callable[..., Path], tmp_path: Path, cache: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, places = saved("gpt2"), ["--results", str(tmp_path / "results"), "--cache", str(cache)]

    def said(*words: object, code: int = 0) -> str:
        assert main([*map(str, words), *places]) == code
        streams = capsys.readouterr()
        return streams.err if code else streams.out

    assert "no law is fitted" in said("import", folder)
    scored = said("import", folder, "--tokens", "1000001", "--tasks", f"lm_{corpus}")
    assert "/bpb" in scored
    assert "whole windows of context=32: 1,000,001 became 1,000,000" in scored
    status = json.loads(said("status", "imported", "--json"))["imported"]
    assert (len(status["done"]), status["failed"]) == (2, {})
    compared = said("compare", *(run.run_id for run in record.read_runs(tmp_path / "results/imported")))
    assert "not measured" in compared
    assert "bpb" in compared
    table = load(tmp_path / "results/imported")
    assert sorted(table["phase"]) == ["decayed", "imported"]
    assert table[["loss", "train_loss", "seconds", "mfu"]].isna().all(axis=None)
    _, excluded = usable(table, ("tokens",))
    assert excluded == {"phase is not decayed": 1}
    assert "usable rows" in said("fit", "imported", "--bootstrap", 0, code=2)


def test_a_tied_head_that_is_counted_is_said(
    saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, is_copied in (("llama, tied, shared keys", True), ("llama", False), ("gpt2", False)):
        assert main(["import", str(saved(name)), "--results", str(tmp_path / name), "--cache", str(tmp_path)]) == 0
        assert ("its head is tied there: 7,200 parameters fewer" in capsys.readouterr().out) == is_copied


def test_a_place_that_cannot_be_is_called_as_its_user_called_it(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, words = spec_of(variant="gpt2"), ["--results", str(tmp_path), "--cache", str(cache)]
    finished(tmp_path / "own", spec, shaken(spec))
    (tmp_path / "file").touch()
    for out in (tmp_path / "file/out", Path("/proc/out")):
        assert main(["export", str(tmp_path / "own/runs" / spec.run_id), "--out", str(out), *words]) == 2
        assert capsys.readouterr().err.startswith(f"scalelaw: {out}: ")


MISTAKES = [
    (["import", "nowhere"], "nowhere holds no config.json"),
    (["import", "FOLDER", "--tasks", "lm_kvj"], "'kvj' is no corpus"),
    (["import", "FOLDER", "--tasks", "perplexity"], "no task is called 'perplexity'"),
    (["import", "FOLDER", "--tasks", "coordinates"], "how a run was trained"),
    (["import", "FOLDER", "--tasks", "induction"], "bring the folder in with --corpus"),
    (["import", "FOLDER", "--tokens", "many"], "'many' is not a number of tokens"),
    (["import", "FOLDER", "--tokenizer", "gpt3"], "no tokenizer is called 'gpt3'"),
    (["import", "FOLDER", "--tokenizer", "bytes"], "vocab_size=300 does not fit tokenizer=bytes"),
    (["import", "FOLDER", "--tokenizer", "no/tokenizer.json"], "no tokenizer is called 'no/tokenizer.json', nor is it"),
    (["import", "FOLDER", "--tokens", "31"], "tokens=31 is less than one window of context=32"),
    (["import", "FOLDER", "--tokenizer", "sha256:0123456789abcdef"], "is not in the cache"),
    (["import", "FOLDER", "--context", "64"], "use 2 to 32"),
    (["export", "0123456789ab"], "no single run or sweep"),
]


@pytest.mark.parametrize(
    ("words", "said"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_gets_one_line(
    words: list[str],
    said: str,
    saved: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(saved("gpt2")) if word == "FOLDER" else word for word in words]
    assert main([*words, "--results", str(tmp_path / "results")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "results").exists()
