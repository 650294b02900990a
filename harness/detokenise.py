"""The texts of old benchmarks, taken apart into words long ago, put together as people write them; and back.

The way back is the rule: it takes what people write apart into the benchmark's words. Words are put together only where
it takes the result apart into the same words again, so a text comes back if it takes none of the text's words apart.
What comes back has the probability of what people write, which a model reads better: Radford et al. 2019, section 3.1.
"""

import functools
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

ENGINE = 1  # rises when the same rules come to make another text
NOTHING = "(?!)"  # matches nowhere


@dataclass(frozen=True, eq=False)
class Detokeniser:
    """How a benchmark's words were made; its regular expressions see one stretch without spaces, as people write it."""

    opening: str = NOTHING  # marks that come off the front, one at a time
    closing: str = NOTHING  # and off the end
    kept: str = NOTHING  # what ends in such a mark and is one word all the same
    inside: tuple[tuple[str, str], ...] = ()  # what stands for what in the words between these marks
    written: tuple[tuple[str, str], ...] = ()  # parts of words -> how people write them
    quotes: tuple[str, str] = ('"', '"')  # the words for an opening and a closing quotation mark
    edge: str = ""  # stands at both ends of each line, and alone on an empty one

    @property
    def version(self) -> str:
        return hashlib.sha256(f"{ENGINE} {self!r}".encode()).hexdigest()[:12]

    def forward(self, text: str) -> str:
        """As people write it."""
        return self._by_line(text, self._together)

    def back(self, text: str) -> str:
        """As the benchmark has it."""
        return self._by_line(text, self._taken_apart)

    def lost(self, text: str) -> int:
        """How many lines of the benchmark's text do not come back as they were."""
        again = self.back(self.forward(text))
        return sum(line != other for line, other in zip(text.split("\n"), again.split("\n"), strict=True))

    def _by_line(self, text: str, change: Callable[[str], str]) -> str:
        *lines, last = text.split("\n")
        return "\n".join([*map(change, lines), change(last) if last else ""])

    # --- forward

    def _together(self, line: str) -> str:
        words, text = self._without_edge(line).split(" "), []
        opens = self._opening_quotes(words)
        start = 0
        while start < len(words):
            stop = self._reach(words, start, opens)
            text.append(self._stretch(words[start:stop]))
            start = stop
        return " ".join(text)

    def _without_edge(self, line: str) -> str:
        bare = line.removeprefix(self.edge).removesuffix(self.edge)
        return bare if line in (self.edge, self.edge + bare + self.edge) else line

    def _opening_quotes(self, words: list[str]) -> set[int]:
        """Places of the quotation marks that open, every other one where all look alike."""
        opening, closing = self.quotes
        places = [place for place, word in enumerate(words) if word == opening]
        return set(places[::2] if opening == closing else places)

    def _reach(self, words: list[str], start: int, opens: set[int]) -> int:
        """Where the stretch that begins at `start` ends: it grows by a word, or by a mark with the word after it."""
        stop = start + 1
        while stop < len(words) and not (words[stop - 1].isalpha() and words[stop].isalpha()):
            if stop in opens and not re.fullmatch(self.opening, words[stop - 1]):
                break
            grown = next((end for end in (stop + 1, stop + 2) if self._comes_back(words[start:end])), None)
            if grown is None:
                break
            stop = grown
        return stop

    def _stretch(self, words: list[str]) -> str:
        return self._spelt(words) if self._comes_back(words) else words[0]

    def _comes_back(self, words: list[str]) -> bool:
        return self._apart(self._spelt(words)) == tuple(words)

    def _spelt(self, words: list[str]) -> str:
        text = "".join('"' if word in self.quotes else word for word in words)
        for part, spelling in self.written:
            text = text.replace(part, spelling)
        return text

    # --- back

    def _taken_apart(self, line: str) -> str:
        if not line:
            return self.edge
        return self.edge + " ".join(word for text in line.split(" ") for word in self._apart(text)) + self.edge

    @functools.lru_cache(maxsize=2**16)  # noqa: B019 - the catalogue lives as long as the process
    def _apart(self, text: str) -> tuple[str, ...]:
        """The words of one stretch."""
        front, end = [], []
        while (mark := re.match(self.opening, text)) and mark.end() < len(text):
            front.append(self.quotes[0] if mark[0] == '"' else mark[0])
            text = text[mark.end() :]
        while not re.fullmatch(self.kept, text) and (mark := re.search(f"(?:{self.closing})$", text)) and mark.start():
            end.append(self.quotes[1] if mark[0] == '"' else mark[0])
            text = text[: mark.start()]
        for pattern, words in self.inside:
            text = re.sub(pattern, words, text)
        return (*front, *text.split(" "), *reversed(end))


TITLES = "Mr Mrs Messrs Ms Dr St Jr Sr Prof Gen Col Lt Capt Sgt Rev Gov Sen Rep vs etc"
REFERENCES = "No Nos Vol Inc Ltd Co Corp Bros Ft Mt Jan Feb Aug Sept Oct Nov Dec"


def with_full_stop(abbreviations: str) -> str:
    """These, a single letter, and letters with full stops between them."""
    return rf"(?:{'|'.join(abbreviations.split())}|[A-Za-z]|[A-Za-z]+(?:\.[A-Za-z]+)+)\."


PUNCTUATION = r"[,;:!?)\]\"]|\.\.\.|\."
CONTRACTIONS = "n't|'(?:s|m|d|re|ve|ll)"  # of the Penn Treebank
ASIDE = r"[\w<>]"  # of a mark inside a word: <unk> is one too
MOSES_OPENING = r"[\"(\[$£€]"
MOSES_CLOSING = rf"{PUNCTUATION}|%|'[A-Za-z]+"
MOSES_INSIDE = (r"(?<=\d):(?=\d)", " : "), (rf"(?<={ASIDE})/(?={ASIDE})", " / ")

DETOKENISERS = {
    "raw": Detokeniser(),
    # Merity et al. 2016 (arXiv 1609.07843): Moses' words, then hyphens and the marks in numbers set apart as well
    "wikitext": Detokeniser(
        opening=rf"{MOSES_OPENING}|=(?==)",
        closing=MOSES_CLOSING,
        kept=with_full_stop(f"{TITLES} {REFERENCES}"),
        inside=(
            *MOSES_INSIDE,
            (rf"(?<={ASIDE})-(?={ASIDE})", " @-@ "),
            (r"(?<=\d),(?=[\d<])", " @,@ "),
            (r"(?<=\d)\.(?=[\d<])", " @.@ "),
        ),
        written=(("@-@", "-"), ("@,@", ","), ("@.@", ".")),
        edge=" ",
    ),
    # Mikolov et al. 2010: no punctuation, and each number is N; <unk> stays, for no natural word stands for it
    "ptb": Detokeniser(
        opening=r"\$",
        closing=rf"{CONTRACTIONS}|'",
        inside=(("^1$", "N"), ("/", r"\\/")),
        written=(("N", "1"), (r"\/", "/")),
        edge=" ",
    ),
    # Paperno et al. 2016 (arXiv 1606.06031)
    "lambada": Detokeniser(
        opening=r"[\"(\[]",
        closing=rf"{PUNCTUATION}|{CONTRACTIONS}",
        kept=with_full_stop(TITLES.lower()),
        quotes=("``", "''"),
    ),
    # Chelba et al. 2013 (arXiv 1312.3005): Moses' words
    "one_billion": Detokeniser(
        opening=MOSES_OPENING,
        closing=MOSES_CLOSING,
        kept=with_full_stop(f"{TITLES} {REFERENCES}"),
        inside=MOSES_INSIDE,
    ),
}
