"""GPT-3's five word scrambles as open questions, over the words of any prose."""

from functools import cache

from harness.corpora import Corpus
from harness.exercises import SCRAMBLES, Scramble, held_out, words_of
from harness.tasks.items import Item, Questions

__all__ = ["SCRAMBLES", "scramble_questions"]


def scramble_questions(name: str, corpus: Corpus, count: int, seed: int = 0) -> Questions:
    """So many words of the corpus, each scrambled once (arXiv 2005.14165, section 3.9.2).

    They are drawn alike from the 10,000 most frequent ones; none of them is the answer in a corpus of drills.
    """
    return Questions(
        [Item((word.question,), (word.answer,)) for word in held_out(Scramble(name, _words(corpus)), count, seed)],
        source=f"generated: {name} of arXiv 2005.14165, section 3.9.2, over words of {corpus.source}",
        version=f"seed {seed}, {corpus.version}",
        licence=corpus.licence,
        separator="\n",  # an answer ends its line
    )


@cache
def _words(corpus: Corpus) -> list[str]:
    """Five tasks read the same prose."""
    return words_of(document.text for document in corpus.documents())
