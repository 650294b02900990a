"""Every tokenizer gives back the text, counts its bytes, and keeps the end of text out of it."""

import random

import numpy as np
import pytest

from harness.refusal import Refusal
from harness.tokenizers import TOKENIZERS, Tokenizer, build_tokenizer, load_tokenizer

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
