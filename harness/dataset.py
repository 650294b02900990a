"""A corpus as token files that are built once; the windows that training and validation read from them.

Shapes: b windows of a batch, t tokens of a window.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from harness.corpora import Corpus, Document, open_corpus
from harness.corpora.split import RULE, Span, read_scratch, split_documents
from harness.detokenise import DETOKENISERS
from harness.refusal import Refusal, pick
from harness.spec import TOKENIZER_VOCABULARY, Spec, is_kept
from harness.tokenizers import TOKENIZERS, TRAINED, Tokenizer, build_tokenizer, kept_tokenizer, load_tokenizer

SCHEMA_VERSION = 1
FACTS = ["source", "version", "licence", "tokenizer", "tokenizer_hash", "vocab_size"]
FACTS += ["train", "val", "dropped", "split_rule", "data_hash"]

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
Integers = npt.NDArray[np.int64]

# The pool's order belongs to no seed: this key is out of reach of (seed, epoch).
_POOL_KEY = (2**64 - 1, 2**64 - 1)


def default_cache() -> Path:
    """$SCALELAW_CACHE, else ~/.cache/scalelaw."""
    return Path(os.environ.get("SCALELAW_CACHE") or Path.home() / ".cache" / "scalelaw")


@dataclass(frozen=True)
class Dataset:
    """A prepared corpus; its arrays are mapped from disk when they are first asked for."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise Refusal(f"{path} does not read ({error}): delete {self.folder} to rebuild it") from None

    @property
    def data_hash(self) -> str:
        """SHA-256 of the token files and the tokenizer: equal hashes train equal models."""
        return str(self.manifest["data_hash"])

    @property
    def facts(self) -> dict[str, Any]:
        """What a design freezes of a text before anything is trained on it or scored with it."""
        return {name: self.manifest[name] for name in FACTS}

    @property
    def end_of_text(self) -> int:
        return int(self.manifest["end_of_text"])

    @property
    def train_tokens(self) -> int:
        return int(self.manifest["train"]["tokens"])

    @cached_property
    def train(self) -> Tokens:
        return self._tokens("train")

    @cached_property
    def val(self) -> Tokens:
        return self._tokens("val")

    @cached_property
    def train_offsets(self) -> Integers:
        """Where each document starts, and the end of the last; a document ends with the end of text."""
        return self._offsets("train")

    @cached_property
    def val_offsets(self) -> Integers:
        """Where each document starts, and the end of the last; a document ends with the end of text."""
        return self._offsets("val")

    @cached_property
    def original(self) -> "Original | None":
        """What a benchmark's documents were before its de-tokeniser changed them; None for other texts."""
        path = self.folder / "original.npz"
        return Original(**np.load(path)) if path.is_file() else None

    @cached_property
    def token_bytes(self) -> npt.NDArray[np.uint16]:
        """UTF-8 bytes of every token id, 0 for the end of text."""
        return np.asarray(np.load(self.folder / "token_bytes.npy"), np.uint16)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        definition = (self.folder / "tokenizer.json").read_text(encoding="utf-8")
        return load_tokenizer(self.manifest["tokenizer"], definition)

    def _offsets(self, side: str) -> Integers:
        return np.asarray(np.load(self.folder / f"{side}_offsets.npy"), np.int64)

    def _tokens(self, side: str) -> Tokens:
        path, tokens = self.folder / f"{side}.bin", self.manifest[side]["tokens"]
        array: Tokens = np.memmap(path, dtype=np.dtype(self.manifest["dtype"]), mode="r")
        if len(array) != tokens:
            raise Refusal(
                f"{path} holds {len(array)} tokens and its manifest says {tokens}: delete {self.folder} to rebuild it"
            )
        return array


@dataclass(frozen=True)
class Original:
    """A benchmark's documents d as their source has them."""

    bytes_d: Integers
    words_d: Integers  # with the end of each line, which old benchmarks count as one
    lines_d: Integers
    lost_d: Integers  # lines that the de-tokeniser's way back does not recover


def prepare(
    corpus: str,
    tokenizer: str,
    vocab_size: int,
    cache: Path,
    tokenizer_corpus: str | None = None,
    detokeniser: str = "",
) -> Dataset:
    """The dataset of these names, built at the first call by one process while others wait, afterwards only opened.

    `tokenizer_corpus` is the corpus on which a trained tokenizer is trained, when it is not `corpus` itself.
    A `detokeniser` says that the text is a benchmark: all of it validates, in its own order, and none of it trains.
    """
    if not is_kept(tokenizer):
        pick(TOKENIZERS, tokenizer, "tokenizer")
    source = open_corpus(corpus)
    teacher = None
    if tokenizer in TRAINED and (detokeniser or tokenizer_corpus not in (None, corpus)):
        teacher = prepare(tokenizer_corpus or corpus, tokenizer, vocab_size, cache)
    identity = {
        "schema_version": SCHEMA_VERSION,
        "corpus": [source.name, source.source, source.version],
        "tokenizer": [tokenizer, vocab_size, teacher.manifest["tokenizer_hash"] if teacher else None],
        "split_rule": _whole_rule(detokeniser) if detokeniser else RULE,
    }
    name = f"{source.name}-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]}"
    dataset = Dataset(cache / name)
    if not dataset.folder.is_dir():
        with _locked(cache, name):
            if not dataset.folder.is_dir():
                _build(dataset.folder, source, tokenizer, vocab_size, teacher, detokeniser)
    return dataset


def tokenizer_for(spec: Spec, cache: Path) -> Tokenizer:
    """The tokenizer whose ids a run of this spec reads and writes; only a trained one needs the spec's corpus."""
    if is_kept(spec.tokenizer):
        return kept_tokenizer(spec.tokenizer, spec.vocab_size, cache)
    if spec.tokenizer not in TRAINED:
        return build_tokenizer(spec.tokenizer, (), spec.vocab_size)
    return prepare(spec.corpus, spec.tokenizer, spec.vocab_size, cache).tokenizer


def bytes_of(name: str, cache: Path) -> Dataset:
    """The corpus as its UTF-8 bytes."""
    return prepare(name, "bytes", TOKENIZER_VOCABULARY["bytes"] or 0, cache)


def side_of(name: str, side: Literal["train", "val"], cache: Path) -> Corpus:
    """The documents of a corpus that runs are trained on, or those that none is."""

    def documents() -> Iterator[Document]:
        dataset = bytes_of(name, cache)
        tokens, offsets = (
            (dataset.val, dataset.val_offsets) if side == "val" else (dataset.train, dataset.train_offsets)
        )
        for number, (start, end) in enumerate(pairwise(offsets.tolist())):
            yield Document(f"{name} {number}", tokens[start : end - 1].astype(np.uint8).tobytes().decode())

    return replace(open_corpus(name), read=documents)


@contextmanager
def _locked(cache: Path, name: str) -> Iterator[None]:
    """One process at a time; the kernel frees the lock of a process that dies."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / f".{name}.lock").open("w")
    except OSError as error:
        raise Refusal(
            f"cache folder {cache}: {error.strerror}; set SCALELAW_CACHE to one that can be written"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(
    folder: Path, corpus: Corpus, tokenizer_name: str, vocab_size: int, teacher: Dataset | None, detokeniser: str
) -> None:
    """Writes beside `folder` and renames at the end, so that what bears the name is whole."""
    known = teacher.tokenizer if teacher else None
    if is_kept(tokenizer_name):
        known = kept_tokenizer(tokenizer_name, vocab_size, folder.parent)
    workshop = folder.parent / f".{folder.name}.building"
    shutil.rmtree(workshop, ignore_errors=True)  # of a build that was killed
    workshop.mkdir()
    try:
        if detokeniser:
            tokenizer = known or build_tokenizer(tokenizer_name, (), vocab_size)
            written = _write_whole(workshop, corpus, tokenizer, detokeniser)
        else:
            tokenizer, written = _write_split(workshop, corpus, tokenizer_name, vocab_size, known)
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "corpus": corpus.name,
            "source": corpus.source,
            "version": corpus.version,
            "licence": corpus.licence,
            "tokenizer": tokenizer.name,
            "tokenizer_hash": tokenizer.hash,
            "tokenizer_corpus": teacher.manifest["corpus"] if teacher else corpus.name,
            "vocab_size": tokenizer.vocab_size,
            "end_of_text": tokenizer.end_of_text,
            "dtype": _dtype(tokenizer.vocab_size).str,
            **written,
            "data_hash": _data_hash(workshop, tokenizer),
        }
        np.save(workshop / "token_bytes.npy", tokenizer.token_bytes)
        (workshop / "tokenizer.json").write_text(tokenizer.definition, encoding="utf-8")
        (workshop / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        _commit(workshop, folder)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _write_split(
    workshop: Path, corpus: Corpus, tokenizer_name: str, vocab_size: int, known: Tokenizer | None
) -> tuple[Tokenizer, dict[str, Any]]:
    """Text to train on and text to validate with; the tokenizer, trained on the former where none is known."""
    scratch = workshop / "scratch"
    split = split_documents(corpus.documents(), scratch, corpus.name)
    with read_scratch(scratch) as text:

        def texts(spans: list[Span]) -> Iterator[str]:
            return (text[span.start : span.end].decode() for span in spans)

        tokenizer = known or build_tokenizer(tokenizer_name, texts(split.train), vocab_size)
        sides = {
            side: _write_side(workshop, side, texts(spans), tokenizer)
            for side, spans in (("train", split.train), ("val", split.val))
        }
    scratch.unlink()
    dropped = {"duplicates": split.duplicates, "empty": split.empty}
    return tokenizer, {**sides, "dropped": dropped, "split_rule": RULE}


def _write_whole(workshop: Path, corpus: Corpus, tokenizer: Tokenizer, detokeniser: str) -> dict[str, Any]:
    """A benchmark as people write it, and beside it the sizes of what it was."""
    rules = DETOKENISERS[detokeniser]
    sizes: list[tuple[int, int, int, int]] = []

    def texts() -> Iterator[str]:
        for document in corpus.documents():
            text = document.text.replace("\0", "").encode("utf-8", "replace").decode()
            if text:
                lines = text.count("\n")
                sizes.append((len(text.encode()), len(text.split()) + lines, lines + 1, rules.lost(text)))
                yield rules.forward(text)

    sides = {
        "train": _write_side(workshop, "train", (), tokenizer),
        "val": _write_side(workshop, "val", texts(), tokenizer),
    }
    if not sizes:
        raise Refusal(f"{corpus.name} holds no text, and a benchmark is scored on all of its own; give it some")
    original = dict(zip(("bytes_d", "words_d", "lines_d", "lost_d"), np.array(sizes, np.int64).T, strict=True))
    np.savez(workshop / "original.npz", **original)
    return {**sides, "dropped": {"duplicates": 0, "empty": 0}, "split_rule": _whole_rule(detokeniser)}


def _whole_rule(detokeniser: str) -> str:
    return f"whole: NUL removed, all documents validate; de-tokeniser {detokeniser} {DETOKENISERS[detokeniser].version}"


def _write_side(workshop: Path, side: str, texts: Iterable[str], tokenizer: Tokenizer) -> dict[str, int]:
    """Documents one after the other, each closed by the end of text; returns what was written, in numbers."""
    dtype = _dtype(tokenizer.vocab_size)
    offsets = [0]
    text_bytes = 0
    with (workshop / f"{side}.bin").open("wb") as output:
        for text in texts:
            ids = tokenizer.encode(text)
            output.write(np.append(ids, tokenizer.end_of_text).astype(dtype).tobytes())
            offsets.append(offsets[-1] + len(ids) + 1)
            text_bytes += len(text.encode())
    np.save(workshop / f"{side}_offsets.npy", np.array(offsets, np.int64))
    return {"documents": len(offsets) - 1, "tokens": offsets[-1], "bytes": text_bytes}


def _data_hash(folder: Path, tokenizer: Tokenizer) -> str:
    whole = hashlib.sha256(tokenizer.hash.encode())
    for side in ("train", "val"):
        with (folder / f"{side}.bin").open("rb") as tokens:
            whole.update(hashlib.file_digest(tokens, "sha256").digest())
    return whole.hexdigest()


def _commit(workshop: Path, folder: Path) -> None:
    for path in (*workshop.iterdir(), workshop):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    workshop.rename(folder)


def _dtype(vocab_size: int) -> np.dtype[Any]:
    return np.dtype("<u2" if vocab_size <= 2**16 else "<u4")


class WindowOrder:
    """The order in which training reads windows: window i is the tokens [i * context, (i + 1) * context].

    The pool is the start of one fixed permutation of all windows, so pools nest; epoch e reads the pool in an order
    drawn from (seed, e), so that a larger budget begins with the windows of a smaller one.
    """

    def __init__(self, train_tokens: int, context: int, unique_tokens: int, seed: int) -> None:
        available = (train_tokens - 1) // context  # the last target of the last window needs a token too
        pool = unique_tokens // context
        if pool > available:
            raise Refusal(
                f"unique_tokens={unique_tokens}: the corpus has {train_tokens} training tokens, {available} windows of "
                f"context={context}; use unique_tokens={available * context} and let epochs say how often they repeat"
            )
        if pool < 1:
            raise Refusal(f"unique_tokens={unique_tokens} is less than one window: use context={context} or more")
        self._pool = _permutation(available, _POOL_KEY)[:pool]
        self._seed = seed
        self._epoch, self._order = -1, self._pool

    def windows(self, start: int, stop: int) -> Integers:
        """The window indices at positions [start, stop) of the reading, which goes on for ever, epoch after epoch."""
        parts = []
        while start < stop:
            epoch, offset = divmod(start, len(self._pool))
            parts.append(self._read(epoch)[offset : offset + stop - start])
            start += len(parts[-1])
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _read(self, epoch: int) -> Integers:
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._pool[_permutation(len(self._pool), (self._seed, epoch))]
        return self._order


def _permutation(count: int, key: tuple[int, int]) -> Integers:
    """A permutation from Philox's raw stream, which numpy keeps across versions as it does not its `permutation`."""
    stream = np.random.Philox(key=np.array(key, np.uint64)).random_raw(count)
    return np.argsort(stream, kind="stable").astype(np.int64)


def batch(tokens: Tokens, windows: Integers, context: int) -> Integers:
    """Inputs and shifted targets, [b, context + 1]."""
    gathered: Integers = tokens[windows[:, None] * context + np.arange(context + 1)].astype(np.int64)
    return gathered


@dataclass(frozen=True)
class EvalWindows:
    """Windows of the validation stream, of which each target is scored at most once."""

    windows_bt: Integers  # [b, context + 1]: inputs and shifted targets
    document_bt: npt.NDArray[np.int32]  # [b, context], as are the next two: the document of each target
    scored_bt: npt.NDArray[np.bool_]  # False where the target is the end of text, padding or another window's
    bytes_bt: npt.NDArray[np.int32]  # UTF-8 bytes of each target, 0 where not scored
    original: Original | None = None  # of a benchmark that is read whole


def validation_windows(
    dataset: Dataset, context: int, eval_tokens: int | None, stride: int | None = None
) -> EvalWindows:
    """At most `eval_tokens` targets, spread evenly over the validation text: all of it where they suffice, or for None.

    A window begins with the token before its first target; before the first document stands an end of text. Windows lie
    `stride` targets apart (None: `context`), and a target that more than one has is scored by the first, so that it is
    read after `context - stride` tokens at least, or after all that there are.
    """
    stride = context if stride is None else stride
    if not 1 <= stride <= context:
        raise Refusal(
            f"stride={stride}: windows of context={context} lie from 1 to {context} targets apart; use one of these"
        )
    if eval_tokens is not None and eval_tokens < context:
        raise Refusal(f"eval_tokens={eval_tokens} is less than one window: use context={context} or more")
    stream, documents = dataset.val, len(dataset.val_offsets) - 1
    blocks = -(-len(stream) // stride)
    chosen = blocks if eval_tokens is None else min(blocks, eval_tokens // stride)
    first_b1 = (2 * np.arange(chosen)[:, None] + 1) * blocks // (2 * chosen) * stride
    positions_bt = (first_b1 + stride - context).clip(0) + np.arange(-1, context)
    inside_bt = (positions_bt >= 0) & (positions_bt < len(stream))
    windows_bt = np.where(inside_bt, stream[positions_bt.clip(0, len(stream) - 1)], dataset.end_of_text)
    targets_bt, own_bt = windows_bt[:, 1:], positions_bt[:, 1:] - first_b1
    scored_bt = (targets_bt != dataset.end_of_text) & (own_bt >= 0) & (own_bt < stride)
    document_bt = np.searchsorted(dataset.val_offsets, positions_bt[:, 1:], side="right") - 1
    return EvalWindows(
        windows_bt=windows_bt.astype(np.int64),
        document_bt=document_bt.clip(0, documents - 1).astype(np.int32),
        scored_bt=scored_bt,
        bytes_bt=np.where(scored_bt, dataset.token_bytes[targets_bt], 0).astype(np.int32),
        original=dataset.original if eval_tokens is None else None,
    )
