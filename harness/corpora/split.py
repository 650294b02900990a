"""Documents -> a scratch file of clean text and which of its spans train or validate: no duplicates, split by hash."""

import hashlib
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.corpora.corpus import Document
from harness.refusal import Refusal

VALIDATION_SHARE = 0.08
FEW_DOCUMENTS = 20
PIECE_BYTES = 4_096
SHORTEST_PIECE_BYTES = 64

RULE = (
    "clean: NUL removed, whitespace-only documents dropped; "
    f"cut: with fewer than {FEW_DOCUMENTS} documents, at ends of paragraphs (else lines, words, characters), into "
    f"pieces of {PIECE_BYTES} bytes to twice that, or of 1/{FEW_DOCUMENTS} of all bytes where that is less, "
    f"but of {SHORTEST_PIECE_BYTES} at least; "
    "duplicates: equal but for whitespace and case, the first stays; "
    "split: validation where the first 64 bits of the SHA-256 of the text without those differences are below "
    f"{VALIDATION_SHARE} of their range, at least one document on each side; order: by that hash"
)


@dataclass(frozen=True, order=True)
class Span:
    """Where a document's bytes lie in the scratch file; sorts by the hash of its text."""

    digest: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Split:
    """The spans of each side in hash order, and how many documents were left out."""

    train: list[Span]
    val: list[Span]
    duplicates: int
    empty: int


def split_documents(documents: Iterable[Document], scratch: Path, source: str) -> Split:
    """Writes the documents to `scratch` one after the other and says which span belongs to which side."""
    spans: list[tuple[int, int]] = []
    position = 0
    with scratch.open("wb") as output:
        for document in documents:
            # A lone surrogate has no UTF-8 form; NUL is the byte tokenizer's end of text.
            clean = document.text.replace("\0", "").encode("utf-8", "replace")
            output.write(clean)
            spans.append((position, position + len(clean)))
            position += len(clean)
    if position == 0:
        raise Refusal(f"{source} holds no text: {len(spans)} documents with 0 bytes; give at least two that differ")
    with read_scratch(scratch) as text:
        if len(spans) < FEW_DOCUMENTS:
            piece_bytes = max(SHORTEST_PIECE_BYTES, min(PIECE_BYTES, position // FEW_DOCUMENTS))
            spans = [piece for start, end in spans for piece in _cut(text, start, end, piece_bytes)]
        return _divide(text, spans, source)


def read_scratch(scratch: Path) -> mmap.mmap:
    """The scratch file as bytes that the system pages in and out, so that text larger than memory passes."""
    with scratch.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _cut(text: mmap.mmap, start: int, end: int, piece_bytes: int) -> Iterator[tuple[int, int]]:
    while end - start > 2 * piece_bytes:
        earliest, latest = start + piece_bytes, start + 2 * piece_bytes
        places = ((text.find(mark, earliest, latest), len(mark)) for mark in (b"\n\n", b"\n", b" "))
        stop = next((place + length for place, length in places if place >= 0), earliest)
        while text[stop] & 0xC0 == 0x80:  # inside a character
            stop += 1
        yield start, stop
        start = stop
    yield start, end


def _divide(text: mmap.mmap, spans: list[tuple[int, int]], source: str) -> Split:
    kept: dict[bytes, Span] = {}
    empty = 0
    for start, end in spans:
        normal = " ".join(text[start:end].decode().split()).casefold()
        empty += not normal
        if normal:
            digest = hashlib.sha256(normal.encode()).digest()
            kept.setdefault(digest, Span(digest, start, end))
    if len(kept) < 2:
        raise Refusal(
            f"{source} holds {len(kept)} distinct documents: training and validation need one each; add other text"
        )
    ordered = sorted(kept.values())
    border = int(VALIDATION_SHARE * 2**64)
    count = sum(int.from_bytes(span.digest[:8], "big") < border for span in ordered)
    count = min(max(count, 1), len(ordered) - 1)
    return Split(ordered[count:], ordered[:count], len(spans) - empty - len(kept), empty)
