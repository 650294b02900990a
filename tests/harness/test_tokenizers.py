"""Every tokenizer gives back the text, counts its bytes, and keeps the end of text out of it."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Engine

from harness import machine
from harness.dataset import prepare
from harness.refusal import Refusal
from harness.spec import make_spec
from harness.tokenizers import (
    TOKENIZERS,
    Tokenizer,
    build_tokenizer,
    file_name,
    kept_file,
    kept_tokenizer,
    load_tokenizer,
)

VOCABULARY = {"bytes": 256, "bpe": 300, "gpt2": 50_257}
TRAINING = ["the cat sat on the mat, and the rat ran to the cat. " * 40, "Ünïcode — 語言 🙂 words; words! " * 40]
TEXTS = [
    "",
    " ",
    "the cat sat",
    "  two  spaces\n\nand\ttabs\r\n",
    "Grüße aus 東京 🙂👩‍👩‍👧 e\u0301 \u202e",
    "it ends <|endoftext|> here",
    "\x01\x7f\ufeff\U0010ffff",
]


def built(name: str, texts: list[str]) -> Tokenizer:
    try:
        return build_tokenizer(name, texts, VOCABULARY[name])
    except Refusal as refusal:
        if "not installed" not in str(refusal):
            raise
        pytest.skip(str(refusal))


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return built(request.param, TRAINING)


def random_texts(count: int) -> list[str]:
    draw = random.Random(7)
    alphabet = [*"the cat sat \n.,'0123", *map(chr, range(1, 128)), "ß", "語", "🙂", "\u0301", "\u00a0"]
    return ["".join(draw.choices(alphabet, k=draw.randrange(1, 200))) for _ in range(count)]


def test_every_text_comes_back_and_its_bytes_are_counted(tokenizer: Tokenizer) -> None:
    for text in (*TEXTS, *random_texts(100)):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert int(tokenizer.token_bytes[ids].sum()) == len(text.encode())
        assert tokenizer.end_of_text not in ids
        assert len(ids) == 0 or 0 <= int(ids.min()) <= int(ids.max()) < tokenizer.vocab_size


def test_the_end_of_text_has_no_bytes_and_every_other_token_has_some(tokenizer: Tokenizer) -> None:
    assert tokenizer.vocab_size == VOCABULARY[tokenizer.name] == len(tokenizer.token_bytes)
    assert np.flatnonzero(tokenizer.token_bytes == 0).tolist() == [tokenizer.end_of_text]
    assert tokenizer.decode([tokenizer.end_of_text, *tokenizer.encode("a cat")]) == "a cat"


def test_a_lone_surrogate_does_not_stop_it(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a?b"


def test_a_nul_is_never_the_end_of_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.end_of_text not in tokenizer.encode("a\0b\0")


def test_it_is_built_again_from_its_definition(tokenizer: Tokenizer) -> None:
    again = load_tokenizer(tokenizer.name, tokenizer.definition)
    assert again.hash == tokenizer.hash
    assert again.end_of_text == tokenizer.end_of_text
    assert np.array_equal(again.token_bytes, tokenizer.token_bytes)
    for text in TEXTS:
        assert np.array_equal(again.encode(text), tokenizer.encode(text))


def test_the_same_texts_train_the_same_tokenizer_and_other_texts_another() -> None:
    hashes = {built("bpe", TRAINING).hash for _ in range(3)}
    assert len(hashes) == 1
    assert built("bpe", [*TRAINING, "quite another quarrel, quoth the queen. " * 40]).hash not in hashes


def test_hashes_tell_tokenizers_apart() -> None:
    names = [name for name in TOKENIZERS if name != "gpt2"]
    assert len({built(name, TRAINING).hash for name in names}) == len(names)


def test_trained_pairs_shorten_the_text_they_were_trained_on() -> None:
    tokenizer = built("bpe", TRAINING)
    assert all(len(tokenizer.encode(text)) < 0.5 * len(text.encode()) for text in TRAINING)


def test_gpt2_gives_the_ids_that_everyone_knows() -> None:
    tokenizer = built("gpt2", [])
    assert tokenizer.encode("Hello world").tolist() == [15496, 995]
    assert tokenizer.end_of_text == 50_256


@pytest.mark.parametrize(
    ("name", "vocab_size", "cure"),
    [
        ("bytes", 300, "use vocab_size=256"),
        ("bpe", 256, "use 257 or more"),
        ("bpe", 60_000, "use vocab_size="),
        ("gpt2", 50_304, "use 50257"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(name: str, vocab_size: int, cure: str) -> None:
    built(name, TRAINING)
    with pytest.raises(Refusal, match=f"vocab_size={vocab_size}: .*{cure}"):
        build_tokenizer(name, TRAINING, vocab_size)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refusal, match="no tokenizer is called 'byte': did you mean 'bytes'"):
        build_tokenizer("byte", [], 256)


# Anyone's tokenizer.json


def own_engine() -> Engine:
    return Engine.from_str(build_tokenizer("bpe", TRAINING, 300).definition)


def pythia_like() -> Engine:
    """Added runs of spaces, NFC, a special end and padding."""
    engine = own_engine()
    engine.normalizer = normalizers.NFC()
    engine.add_special_tokens(["<|endoftext|>", "<|padding|>"])
    engine.add_tokens([" " * count for count in (2, 4, 8)])
    return engine


def llama3_like() -> Engine:
    """A pattern before the bytes, a special token put before each text, limits that must not bind."""
    engine = own_engine()
    split = pre_tokenizers.Split(Regex(r" ?\p{L}+|\s+|[^\s\p{L}]+"), behavior="isolated")
    engine.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    engine.add_special_tokens(["<|begin_of_text|>"])
    begin = engine.token_to_id("<|begin_of_text|>")
    engine.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]
    )
    engine.enable_truncation(4)
    engine.enable_padding(length=64)
    return engine


FILES: dict[str, Callable[[], Engine]] = {"plain": own_engine, "pythia": pythia_like, "llama 3": llama3_like}


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(FILES[request.param](), tmp_path)


def written(engine: Engine, folder: Path) -> Path:
    engine.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def kept(path: Path, vocab_size: int = 512) -> Tokenizer:
    """The file as every run reads it: from a cache."""
    cache = path.parent / "cache"
    return kept_tokenizer(file_name(path, vocab_size, cache), vocab_size, cache)


def test_a_file_gives_back_every_text_and_counts_its_bytes(file: Path) -> None:
    tokenizer = kept(file)
    again = load_tokenizer(tokenizer.name, tokenizer.definition)
    assert (again.name, again.hash) == (tokenizer.name, tokenizer.hash)
    assert tokenizer.name == f"sha256:{tokenizer.hash[:16]}"
    normal = normalizers.NFC().normalize_str if "NFC" in file.read_text() else str
    for text in (*TEXTS, *random_texts(50), "a  b    c", "<|padding|><|begin_of_text|>"):
        ids, plain = tokenizer.encode(text), normal(text)
        assert tokenizer.decode(ids) == plain
        assert int(tokenizer.token_bytes[ids].sum()) == len(plain.encode())
        assert tokenizer.end_of_text not in ids
        assert np.array_equal(again.encode(text), ids)
    assert tokenizer.token_bytes[tokenizer.end_of_text] == 0
    assert tokenizer.decode([tokenizer.end_of_text, *tokenizer.encode("a cat"), 511]) == "a cat"


def test_a_file_s_ids_are_the_library_s(tmp_path: Path) -> None:
    tokenizer = kept(written(pythia_like(), tmp_path))
    for text in (*TRAINING, "    indented    by added tokens"):
        assert tokenizer.encode(text).tolist() == pythia_like().encode(text).ids


def test_a_vocabulary_may_be_padded_but_not_cut(file: Path) -> None:
    size = kept(file).vocab_size
    assert size == max(Engine.from_file(str(file)).get_vocab().values()) + 1
    assert kept(file, size).vocab_size == size
    with pytest.raises(Refusal, match=f"vocab_size={size - 1}: .* use vocab_size={size} or more"):
        kept(file, size - 1)


@pytest.mark.parametrize("eos", ["<|nothing|>", {"content": "<|nothing|>"}], ids=str)
def test_the_end_of_text_may_be_named_beside_it(eos: Any, tmp_path: Path) -> None:
    path = written(own_engine(), tmp_path)
    path.write_text(path.read_text().replace("<|endoftext|>", "<|nothing|>"))
    with pytest.raises(Refusal, match=r"has no <\|endoftext\|>, and the tokenizer_config.json"):
        kept(path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": eos}))
    assert kept(path).end_of_text == own_engine().token_to_id("<|endoftext|>")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": ["<|nothing|>"]}))
    with pytest.raises(Refusal, match="documents have to end"):
        kept(path)


def _changed(**parts: Any) -> Callable[[Engine], None]:
    def change(engine: Engine) -> None:
        for name, part in parts.items():
            setattr(engine, name, part)

    return change


def _swallowing(engine: Engine) -> None:
    engine.add_tokens([AddedToken("cat", lstrip=True)])


BYTES, SPLIT = pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Split(" ", behavior="removed")
LOSSY = {
    "its tokens are no bytes": _changed(pre_tokenizer=pre_tokenizers.Whitespace()),
    "it puts a space before each text": _changed(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "it changes the text": _changed(normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])),
    "it drops parts of the text": _changed(pre_tokenizer=pre_tokenizers.Sequence([SPLIT, BYTES])),
    "its added tokens swallow spaces": _swallowing,
}


@pytest.mark.parametrize("cause", LOSSY)
def test_a_file_that_loses_bytes_is_refused(cause: str, tmp_path: Path) -> None:
    engine = own_engine()
    LOSSY[cause](engine)
    with pytest.raises(Refusal, match=f"{cause}, so that the bytes of a text cannot be counted"):
        kept(written(engine, tmp_path))


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("its tokens are no byte pairs", {"type": "WordLevel", "unk_token": "a"}),
        ("it merges at random", {"dropout": 0.5}),
        ("it marks where words end", {"end_of_word_suffix": "</w>"}),
        ("some bytes have no token", {"vocab": {"<|endoftext|>": 0, "a": 1}, "merges": []}),
    ],
)
def test_a_model_that_loses_bytes_is_refused(cause: str, changes: dict[str, Any], tmp_path: Path) -> None:
    path = written(own_engine(), tmp_path)
    stored = json.loads(path.read_text())
    stored["model"] |= changes
    path.write_text(json.dumps(stored))
    with pytest.raises(Refusal, match=cause):
        kept(path)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "{torn", '{"model": {"vocab": {}}}', "\udcff"])
def test_a_file_that_is_no_tokenizer_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(Refusal, match=r"is no tokenizer\.json") as refusal:
        kept(path)
    assert "\n" not in str(refusal.value)
    with pytest.raises(Refusal, match=r"No such file or directory; name a tokenizer.json that can be read"):
        kept(tmp_path / "nowhere.json")


def test_a_file_is_known_by_its_content(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    name = file_name(file, 512, cache)
    moved = tmp_path / "elsewhere" / "other.json"
    moved.parent.mkdir()
    file.rename(moved)
    assert file_name(moved, 512, cache) == name
    assert kept_tokenizer(name, 512, cache).name == name
    stored = json.loads(moved.read_text())
    stored["added_tokens"] = [token | {"special": True} for token in stored["added_tokens"]]
    stored["normalizer"] = {"type": "NFC"} if stored["normalizer"] is None else None
    moved.write_text(json.dumps(stored))
    assert file_name(moved, 512, cache) != name
    assert kept_tokenizer(name, 512, cache).hash.startswith(name.removeprefix("sha256:"))


@pytest.mark.parametrize("content", ["", "{}", "\udcff"])
def test_what_the_cache_has_lost_or_torn_is_refused(content: str, tmp_path: Path) -> None:
    name = file_name(written(own_engine(), tmp_path), 512, tmp_path)
    with pytest.raises(Refusal, match=f"tokenizer={name} is not in the cache .*: import the run's folder again"):
        kept_tokenizer(name, 512, tmp_path / "another")
    kept_file(name, tmp_path).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(Refusal, match="is torn or was edited: delete it"):
        kept_tokenizer(name, 512, tmp_path)


def test_a_sweep_may_name_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    path = written(pythia_like(), tmp_path)
    monkeypatch.chdir(tmp_path)
    fields = {"depth": 1, "width": 16, "heads": 1, "unique_tokens": 102_400, "tokens": 102_400, "vocab_size": 512}
    named = make_spec(machine.resolve({**fields, "tokenizer": "tokenizer.json"}, cache))
    assert named.tokenizer == file_name(path, 512, cache)
    assert kept_tokenizer(named.tokenizer, 512, cache).encode("a cat").tolist() == pythia_like().encode("a cat").ids
    assert machine.resolve({**fields, "tokenizer": "bytes"}, cache)["tokenizer"] == "bytes"
    written(llama3_like(), tmp_path)
    assert machine.resolve({**fields, "tokenizer": str(path)}, cache)["tokenizer"] != named.tokenizer
    for wrong in ("byte", "no/tokenizer.json", "sha256:0123", named.tokenizer.upper()):
        with pytest.raises(Refusal, match=r"no tokenizer is called .*, nor is it a tokenizer\.json on this disk"):
            make_spec(machine.resolve({**fields, "tokenizer": wrong}, cache))


def test_each_content_has_a_corpus_of_its_own(tmp_path: Path, corpus: Path) -> None:
    cache = tmp_path / "cache"
    plain = file_name(written(own_engine(), tmp_path), 512, cache)
    first = prepare(str(corpus), plain, 512, cache)
    assert np.array_equal(first.tokenizer.encode("the cat"), own_engine().encode("the cat").ids)
    assert first.token_bytes[first.val].sum() == first.manifest["val"]["bytes"]
    other = file_name(written(pythia_like(), tmp_path), 512, cache)
    assert prepare(str(corpus), other, 512, cache).data_hash != first.data_hash
    assert prepare(str(corpus), plain, 512, cache).folder == first.folder
    with pytest.raises(Refusal, match="is not in the cache"):
        prepare(str(corpus), plain, 512, tmp_path / "another")


def test_gpt2_s_own_file_is_known_by_name(tmp_path: Path) -> None:
    gpt2 = built("gpt2", [])
    engine = Engine.from_str(gpt2.definition)
    engine.add_special_tokens(["<|endoftext|>"])
    path = written(engine, tmp_path)
    assert file_name(path, 50_257, tmp_path) == "gpt2"
    assert file_name(path, 50_304, tmp_path).startswith("sha256:")
    stored = json.loads(path.read_text())
    stored["normalizer"] = {"type": "NFC"}
    path.write_text(json.dumps(stored))
    assert file_name(path, 50_257, tmp_path).startswith("sha256:")
