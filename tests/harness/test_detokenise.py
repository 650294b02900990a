"""De-tokenised text reads as people write it and comes back as it was, or is counted where it does not."""

import random
from dataclasses import replace

import pytest

from harness.detokenise import DETOKENISERS

# What each format has beside plain words; the way back would take none of it apart.
MARKS = {
    "raw": 'it\'s U.S. ( as ) "so" a/b 1,000',
    "wikitext": (
        "<unk> . , ; : ! ? ( ) [ ] \" ' ... % $ £ – / 's 't 'll 'An @-@ @,@ @.@ = 19 2000 7 Mr. No. U.S. J. p.m. Ph.D."
    ),
    "ptb": r"<unk> N n't 's 're 've 'll 'd 'm ' $ & mr. u.s. corp. s&p 500-stock capital\/abc",
    "lambada": "`` '' . , ; : ! ? ( ) ... -- n't 's 're mr. u.s. i ` '",
    "one_billion": "\" . , ; : ! ? ( ) [ ] % $ € ... -- / ' 's 't 3.5 1,000 6-3 bio-identical Ms. Inc. U.S. 19",
}
WRITTEN = {
    "raw": {' as " it " is \n': ' as " it " is \n'},
    "wikitext": {
        " = A Cat = \n \n = = Life = = \n": "= A Cat =\n\n== Life ==\n",
        ' The " cat " ( a 19 @-@ year @-@ old ) cost $ 1 @,@ 500 @.@ 5 , or 30 % , at 5 : 15 . \n': (
            'The "cat" (a 19-year-old) cost $1,500.5, or 30%, at 5:15.\n'
        ),
        " Mr. Mat 's cat didn 't : \" Yes ... and / or no ! \" <unk> , No. 7 . \n": (
            "Mr. Mat's cat didn't: \"Yes... and/or no!\" <unk>, No. 7.\n"
        ),
    },
    "ptb": {" he did n't pay $ N to mr. mat 's <unk> or N N \n": "he didn't pay $1 to mr. mat's <unk> or 1 1\n"},
    "lambada": {"`` i ca n't , '' said mr. mat ( he ) ... `` why ? ''\n": '"i can\'t," said mr. mat (he)... "why?"\n'},
    "one_billion": {
        '" Don \'t , " said Ms. Mat , " pay $ 1.5 ( or 3 % ) ! "\n': '"Don\'t," said Ms. Mat, "pay $1.5 (or 3%)!"\n'
    },
}
every_format = pytest.mark.parametrize("name", DETOKENISERS)


def texts(name: str, count: int) -> list[str]:
    """Lines of the format's words in any order, sensible or not."""
    source, edge = random.Random(name), DETOKENISERS[name].edge
    words = f"the a cat sat on mat and ran {MARKS[name]}".split()
    made = []
    for _ in range(count):
        lines = [source.choices(words, k=source.randrange(0, 14)) for _ in range(source.randrange(1, 5))]
        text = "\n".join(f"{edge}{' '.join(line)}{edge}" if line else edge for line in lines)
        made.append(text + "\n" * (not lines[-1] or source.random() < 0.5))
    return made


@every_format
def test_a_text_of_the_format_comes_back(name: str) -> None:
    rules = DETOKENISERS[name]
    for text in texts(name, 400):
        assert rules.back(rules.forward(text)) == text
        assert rules.lost(text) == 0


@every_format
def test_it_reads_as_people_write(name: str) -> None:
    for text, written in WRITTEN[name].items():
        assert DETOKENISERS[name].forward(text) == written
        assert DETOKENISERS[name].back(written) == text


@every_format
def test_no_words_are_lost_or_made(name: str) -> None:
    rules = DETOKENISERS[name]
    for text in texts(name, 100):
        written = rules.forward(text)
        assert written.count("\n") == text.count("\n")
        assert len(written.split()) <= len(text.split())
        assert len(written) <= len(text)


ILL_FORMED = {
    "wikitext": [" a cat, sat \n", " the cat-like mat \n", "no edge \n", "  \n"],
    "ptb": [" the 1 mat \n", " didn't \n", "no edge\n"],
    "lambada": ["said the cat.\n", '"so\n'],
    "one_billion": ["the (cat\n", "it's\n"],
}


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in ILL_FORMED.items() for line in lines])
def test_a_line_that_does_not_come_back_is_counted(name: str, line: str) -> None:
    rules = DETOKENISERS[name]
    good = next(iter(WRITTEN[name]))
    assert rules.lost(good + line + good) == 1
    assert rules.back(rules.forward(good + line + good)).startswith(good)


def test_other_rules_are_another_version() -> None:
    versions = {rules.version for rules in DETOKENISERS.values()}
    versions |= {replace(rules, edge=f"{rules.edge}.").version for rules in DETOKENISERS.values()}
    assert len(versions) == 2 * len(DETOKENISERS)
