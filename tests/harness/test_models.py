"""Each variant computes what its published class computes, sees no future, starts as declared, and trains."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.models import VARIANTS, build
from harness.anatomy import shape_of
from harness.models.attention import causal_attention
from harness.models.family import LanguageModel
from harness.models.kernels import KERNELS
from harness.models.layers import normalise, rotary_tables, rotate, squared_relu
from harness.refusal import Refusal

TINY = {"depth": 2, "width": 24, "heads": 3, "context": 16, "vocab_size": 29, "precision": "fp32", "kernel": "eager"}
TINY |= {"parametrisation": "standard"}

# Every variant, and those that it becomes by its choices.
FAMILY: dict[str, dict[str, Any]] = {variant: {"variant": variant} for variant in VARIANTS} | {
    "neox": {"variant": "neox", "head_width": 8},
    "no qk-norm": {"variant": "modern", "qk_norm": "none"},
    "shared keys": {"variant": "modern", "kv_heads": 1},
    "swiglu": {"variant": "modern", "activation": "swiglu", "qk_norm": "none"},
    "llama": {"variant": "modern", "activation": "swiglu", "norm": "rms", "qk_norm": "none", "kv_heads": 1},
    "qwen3": {"variant": "modern", "activation": "swiglu", "norm": "rms", "kv_heads": 1, "head_width": 10},
    "wide heads": {"variant": "gpt2", "head_width": 10, "mlp_width": 40},
}
every_variant = pytest.mark.parametrize("variant", FAMILY)


def spec(variant: str, **changes: object) -> Any:
    fields = {**TINY, **FAMILY.get(variant, {"variant": variant}), **changes}
    return shape_of({"base_width": fields["width"], "base_depth": fields["depth"], **fields})


def initialised(variant: str, seed: int = 0, **changes: object) -> LanguageModel:
    model = build(spec(variant, **changes))
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def shaken(variant: str, **changes: object) -> LanguageModel:
    """A model none of whose parameters is zero or one, as after training."""
    model, generator = initialised(variant, **changes), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator))
    return model


def batch(model: LanguageModel, windows: int = 3, seed: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(TINY["vocab_size"], (2, windows, TINY["context"]), generator=generator))


# Exactness


def as_gpt2(model: LanguageModel) -> torch.nn.Module:
    """transformers' own class with this model's weights."""
    transformers = pytest.importorskip("transformers")
    state = model.state_dict()
    config = transformers.GPT2Config(
        vocab_size=TINY["vocab_size"], n_positions=TINY["context"], n_embd=TINY["width"], n_layer=TINY["depth"],
        n_head=TINY["heads"], bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    theirs = {"transformer.wte.weight": state["embedding"], "transformer.wpe.weight": state["position"]}
    names = {
        "norm_attention": "ln_1", "query_key_value": "attn.c_attn", "attention_output": "attn.c_proj",
        "norm_hidden": "ln_2", "hidden": "mlp.c_fc", "hidden_output": "mlp.c_proj",
    }  # fmt: skip
    for layer in range(TINY["depth"]):
        for own, other in names.items():
            weight = state[f"blocks.{layer}.{own}.weight"]
            theirs[f"transformer.h.{layer}.{other}.weight"] = weight.T if weight.ndim == 2 else weight
            theirs[f"transformer.h.{layer}.{other}.bias"] = state[f"blocks.{layer}.{own}.bias"]
    theirs |= {f"transformer.ln_f.{kind}": state[f"norm.{kind}"] for kind in ("weight", "bias")}
    other_model = transformers.GPT2LMHeadModel(config).eval()
    unused = other_model.load_state_dict(theirs | {"lm_head.weight": state["embedding"]}, strict=True)
    assert not unused.missing_keys
    return other_model


def as_modern(model: LanguageModel) -> torch.nn.Module:
    """transformers' own class with this model's weights, its soft cap off."""
    transformers = pytest.importorskip("transformers")
    state = model.state_dict()
    config = transformers.NanoChatConfig(
        vocab_size=TINY["vocab_size"], hidden_size=TINY["width"], intermediate_size=4 * TINY["width"],
        num_hidden_layers=TINY["depth"], num_attention_heads=TINY["heads"], max_position_embeddings=TINY["context"],
        final_logit_softcapping=None,
    )  # fmt: skip
    theirs = {"model.embed_tokens.weight": state["embedding"], "lm_head.weight": state["head.weight"]}
    names = {"attention_output": "self_attn.o_proj", "hidden": "mlp.fc1", "hidden_output": "mlp.fc2"}
    for layer in range(TINY["depth"]):
        qkv = state[f"blocks.{layer}.query_key_value.weight"].chunk(3)
        for own, weight in zip("qkv", qkv, strict=True):
            theirs[f"model.layers.{layer}.self_attn.{own}_proj.weight"] = weight
        for own, other in names.items():
            theirs[f"model.layers.{layer}.{other}.weight"] = state[f"blocks.{layer}.{own}.weight"]
    other_model = transformers.NanoChatForCausalLM(config).eval()
    other_model.load_state_dict(theirs, strict=True)
    return other_model


PUBLISHED = {"gpt2": as_gpt2, "modern": as_modern}


@every_variant
def test_logits_are_the_published_class_s(variant: str) -> None:
    model = shaken(variant)
    tokens_bt, _ = batch(model)
    with torch.no_grad():
        theirs = PUBLISHED[variant](model)(input_ids=tokens_bt).logits
        assert (model(tokens_bt) - theirs).abs().max() < 1e-5
        assert theirs.std() > 0.1


@every_variant
def test_loss_is_the_mean_of_token_losses(variant: str) -> None:
    model = shaken(variant)
    tokens_bt, targets_bt = batch(model)
    chances = model(tokens_bt).softmax(-1).gather(-1, targets_bt[..., None])[..., 0]
    torch.testing.assert_close(model.token_losses(tokens_bt, targets_bt), -chances.log())
    torch.testing.assert_close(model.loss(tokens_bt, targets_bt), -chances.log().mean())


@every_variant
def test_a_shorter_window_is_a_prefix(variant: str) -> None:
    model = shaken(variant)
    tokens_bt, _ = batch(model)
    torch.testing.assert_close(model(tokens_bt[:, :7]), model(tokens_bt)[:, :7])


# Causality


@every_variant
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_gradient_from_the_future(variant: str, precision: str) -> None:
    model = shaken(variant, precision=precision, vocab_size=16)
    tokens_bt = torch.arange(16)[None]  # each token once, so its row of the embedding is its position
    for position in range(16):
        model.zero_grad()
        x_btd = model.embed(tokens_bt)
        x_btd.retain_grad()
        y_btd = x_btd
        for block in model.blocks:
            y_btd = block(y_btd, model.training_dtype, *model.tables(16))
        model.logits(y_btd, model.training_dtype)[0, position].float().square().sum().backward()
        reach = x_btd.grad[0].abs().sum(-1)
        assert (reach[position + 1 :] == 0).all()
        assert (reach[: position + 1] > 0).all()


@pytest.mark.parametrize("context", [1, 2, 3, 5, 16, 21, 64])
def test_attention_by_blocks_is_attention(context: int) -> None:
    q, k, v = torch.randn(3, 2, 3, context, 8, generator=torch.Generator().manual_seed(3)).bfloat16()
    whole = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
    torch.testing.assert_close(causal_attention(q, k, v, 8**-0.5).float(), whole, atol=0.02, rtol=0.02)


def test_rotation_sees_only_distance() -> None:
    q_c, k_c = torch.randn(2, 8, generator=torch.Generator().manual_seed(3))
    tables = rotary_tables(32, 8, 10_000.0)
    q_tc, k_tc = (rotate(x_c.expand(1, 32, 1, 8), *tables)[0, :, 0] for x_c in (q_c, k_c))
    scores_ts = q_tc @ k_tc.T
    torch.testing.assert_close(scores_ts[1:, 1:], scores_ts[:-1, :-1])
    assert scores_ts[0].std() > 0.1


# Initialisation


@every_variant
def test_the_seed_decides_everything(variant: str) -> None:
    torch.manual_seed(11)
    first = initialised(variant, seed=4).state_dict()
    torch.manual_seed(12)
    second, third = initialised(variant, seed=4).state_dict(), initialised(variant, seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["embedding"], third["embedding"])


@every_variant
def test_weights_are_drawn_as_declared(variant: str) -> None:
    model = initialised(variant, width=96, depth=3, vocab_size=257, context=64)
    for name, parameter in model.named_parameters():
        mean, deviation = model.start(name)
        assert parameter.mean().item() == pytest.approx(mean, abs=5 * deviation * parameter.numel() ** -0.5)
        assert parameter.std().item() == pytest.approx(deviation, rel=5 * parameter.numel() ** -0.5)


@every_variant
@pytest.mark.parametrize(("depth", "width"), [(1, 24), (6, 24), (2, 96)])
def test_a_new_model_bets_evenly(variant: str, depth: int, width: int) -> None:
    model = initialised(variant, depth=depth, width=width)
    evenly = torch.tensor(float(TINY["vocab_size"])).log()
    torch.testing.assert_close(model.loss(*batch(model, 8)), evenly, rtol=0.02, atol=0)


@pytest.mark.parametrize("depth", [1, 4, 16])
@pytest.mark.parametrize("width", [24, 96])
def test_the_stream_enters_at_one_and_depth_does_not_blow_it_up(depth: int, width: int) -> None:
    model = initialised("modern", depth=depth, width=width)
    x_btd = model.embed(batch(model)[0])
    torch.testing.assert_close(x_btd.square().mean(-1), torch.ones(3, 16), rtol=1e-4, atol=1e-4)
    for block in model.blocks:
        torch.testing.assert_close(block(x_btd, torch.float32, *model.tables(16)), x_btd)


@pytest.mark.parametrize("width", [24, 96])
def test_gpt2_stream_grows_alike_at_any_depth(width: int) -> None:
    spreads = []
    for depth in (2, 8, 24):
        model = initialised("gpt2", depth=depth, width=width)
        x_btd = start_btd = model.embed(batch(model)[0])
        for block in model.blocks:
            x_btd = block(x_btd, torch.float32)
        spreads.append((x_btd - start_btd).std().item())
    assert max(spreads) < 1.5 * min(spreads)


def test_a_model_that_was_not_initialised_says_nan() -> None:
    model = build(spec("modern"))
    assert model(batch(model)[0]).isnan().all()


@every_variant
def test_only_matrices_decay(variant: str) -> None:
    model = initialised(variant)
    decayed, undecayed = model.parameter_groups()
    assert {id(p) for p in decayed + undecayed} == {id(p) for p in model.parameters()}
    assert len(decayed) + len(undecayed) == len(list(model.parameters()))
    assert all(p.ndim == 2 for p in decayed)
    names = {id(p): name for name, p in model.named_parameters()}
    assert all("norm" in names[id(p)] or "bias" in names[id(p)] for p in undecayed)


# Training


def train(model: LanguageModel, steps: int) -> list[float]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    losses = []
    for step in range(steps):
        tokens_bt, _ = batch(model, 8, seed=step % 2)
        loss = model.loss(tokens_bt, (tokens_bt * 7 + 3) % TINY["vocab_size"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@every_variant
def test_a_rule_of_one_token_is_learnt(variant: str) -> None:
    losses = train(initialised(variant), 120)
    assert losses[-1] < 0.1 * losses[0]


@every_variant
def test_bf16_stays_near_fp32(variant: str) -> None:
    exact, rounded = (shaken(variant, precision=precision) for precision in ("fp32", "bf16"))
    inputs = batch(exact)
    exact.loss(*inputs).backward()
    rounded.loss(*inputs).backward()
    for (name, a), b in zip(exact.named_parameters(), rounded.parameters(), strict=True):
        assert b.dtype == b.grad.dtype == torch.float32
        assert torch.cosine_similarity(a.grad.flatten(), b.grad.flatten(), dim=0) > 0.999, name


@every_variant
def test_scores_do_not_depend_on_precision(variant: str) -> None:
    exact, rounded = (shaken(variant, precision=precision) for precision in ("fp32", "bf16"))
    assert torch.equal(exact.token_losses(*batch(exact)), rounded.token_losses(*batch(exact)))


@pytest.mark.parametrize(
    ("own", "plain"),
    [
        (partial(normalise, epsilon=1e-6), lambda x: x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()),
        (squared_relu, lambda x: x.clamp(min=0).square()),
    ],
)
def test_own_gradients_are_the_derivatives(own: Callable[[Tensor], Tensor], plain: Callable[[Tensor], Tensor]) -> None:
    x, weights = torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(6))
    values, slopes = [], []
    for function in (own, plain):
        leaf = x.clone().requires_grad_()
        y = function(leaf)
        (y * weights).sum().backward()
        values.append(y)
        slopes.append(leaf.grad)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*slopes)


# Kernels


@pytest.mark.parametrize(("field", "wrong"), [("kernel", "compild"), ("precision", "bf61")])
def test_unknown_ways_to_compute_are_refused(field: str, wrong: str) -> None:
    with pytest.raises(Refusal, match=f"no {field} is called '{wrong}': did you mean"):
        build(spec("modern", **{field: wrong}))


@every_variant
def test_without_a_compiler_training_runs_eager_and_says_so(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.warns(RuntimeWarning, match="needs a C\\+\\+ compiler.*training runs eager"):
        fallen = initialised(variant, kernel="compiled")
    eager = initialised(variant)
    assert torch.equal(fallen.loss(*batch(eager)), eager.loss(*batch(eager)))


def test_without_fast_bf16_the_step_is_the_same_up_to_rounding() -> None:
    """A processor without bfloat16 instructions, as oneDNN can be told to be, trains to the same losses."""
    code = (
        "import torch; from tests.harness import test_models as t; torch.set_num_threads(1);"
        "print(*t.train(t.initialised('modern', precision='bf16'), 12))"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    there, here = [float(word) for word in answer.stdout.split()], train(initialised("modern", precision="bf16"), 12)
    assert there == pytest.approx(here, rel=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns of its own doings while it traces
@every_variant
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_is_eager(variant: str, precision: str) -> None:
    eager, compiled = (shaken(variant, precision=precision, kernel=kernel) for kernel in KERNELS)
    inputs = batch(eager)
    tolerance = {"fp32": 1e-4, "bf16": 3e-2}[precision]
    losses = [model.loss(*inputs) for model in (eager, compiled)]
    torch.testing.assert_close(*losses, rtol=tolerance, atol=0)
    for loss in losses:
        loss.backward()
    for (name, a), b in zip(eager.named_parameters(), compiled.parameters(), strict=True):
        assert (a.grad - b.grad).norm() <= tolerance * a.grad.norm(), name


@pytest.mark.slow
@pytest.mark.parametrize("kept_bytes", [0, 100])
def test_a_library_torn_by_a_kill_is_compiled_again(tmp_path: Path, kept_bytes: int) -> None:
    code = (
        "import torch; from tests.harness import test_models as t; torch.set_num_threads(1);"
        "model = t.initialised('gpt2', depth=1, kernel='compiled'); print(model.loss(*t.batch(model)).item())"
    )
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    whole = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    torn = next(tmp_path.rglob("*.main.so"))
    torn.write_bytes(torn.read_bytes()[:kept_bytes])
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == whole
    assert torn.stat().st_size > kept_bytes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns of its own doings while it traces
def test_what_was_compiled_before_changes_nothing() -> None:
    def losses() -> list[float]:
        return train(initialised("modern", precision="bf16", kernel="compiled"), 5)

    alone = losses()
    for width, heads, windows in [(12, 3, 2), (48, 3, 3), (24, 6, 4)]:
        other = initialised("modern", width=width, heads=heads, precision="bf16", kernel="compiled")
        other.loss(*batch(other, windows)).backward()
    assert losses() == alone
