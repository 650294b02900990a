"""Datasets are built once and whole, split fairly and stably; windows nest, and each is read once an epoch."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harness.corpora import CORPORA, Corpus, Document
from harness.dataset import Dataset, WindowOrder, batch, default_cache, prepare, validation_windows
from harness.refusal import Refusal
from harness.tokenizers import TOKENIZERS, Bytes, Ids, Tokenizer


def planted_texts(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    words = ["the", "senate", "of", "a", "people", "ärger", "語", "commerce,", "war.", "peace;"]
    return [f"{seed} {number} " + " ".join(draw.choices(words, k=draw.randrange(1, 120))) for number in range(count)]


def plant(folder: Path, texts: list[str], name: str = "planted.jsonl") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return str(path)


def texts_of(dataset: Dataset, side: str) -> list[str]:
    tokens = {"train": dataset.train, "val": dataset.val}[side]
    offsets = {"train": dataset.train_offsets, "val": dataset.val_offsets}[side]
    assert all(tokens[offsets[1:] - 1] == dataset.end_of_text)
    bounds = zip(offsets[:-1], offsets[1:] - 1, strict=True)
    return [dataset.tokenizer.decode(tokens[start:end]) for start, end in bounds]


def prepared(texts: list[str], folder: Path, tokenizer: str = "bytes", vocab_size: int = 256) -> Dataset:
    return prepare(plant(folder, texts), tokenizer, vocab_size, folder / "cache")


@pytest.mark.parametrize(("tokenizer", "vocab_size"), [("bytes", 256), ("bpe", 300), ("gpt2", 50_257)])
def test_every_document_is_there_once_and_every_byte_is_counted(
    tokenizer: str, vocab_size: int, tmp_path: Path
) -> None:
    texts = planted_texts(100)
    try:
        dataset = prepared(texts, tmp_path, tokenizer, vocab_size)
    except Refusal as refusal:
        pytest.skip(str(refusal))
    train, val = texts_of(dataset, "train"), texts_of(dataset, "val")
    assert sorted(train + val) == sorted(texts)
    for side, found, tokens in (("train", train, dataset.train), ("val", val, dataset.val)):
        numbers = dataset.manifest[side]
        assert numbers["documents"] == len(found) > 0
        assert numbers["bytes"] == sum(len(text.encode()) for text in found)
        assert numbers["bytes"] == int(dataset.token_bytes[tokens].sum())
        assert numbers["tokens"] == len(tokens)


def test_the_validation_share_is_eight_percent(tmp_path: Path) -> None:
    counts = prepared(planted_texts(4_000), tmp_path).manifest
    assert 0.06 < counts["val"]["documents"] / 4_000 < 0.10


def test_a_document_keeps_its_side_when_others_come(tmp_path: Path) -> None:
    few, more = planted_texts(300), planted_texts(300, seed=1)
    before, after = prepared(few, tmp_path / "few"), prepared(few + more, tmp_path / "more")
    assert set(texts_of(before, "val")) == set(texts_of(after, "val")) & set(few)
    kept = [text for text in texts_of(after, "train") if text in set(few)]
    assert kept == texts_of(before, "train")


def test_the_order_of_the_source_does_not_matter(tmp_path: Path) -> None:
    texts = planted_texts(60)
    assert (
        prepared(texts, tmp_path / "a", "bpe", 280).data_hash
        == prepared(texts[::-1], tmp_path / "b", "bpe", 280).data_hash
    )


def test_duplicates_up_to_space_and_case_are_dropped_and_counted(tmp_path: Path) -> None:
    texts = planted_texts(50)
    copies = [text.upper().replace("ÄRGER", "Ärger").replace(" ", " \n ") for text in texts[:20]] + texts[:3] + [" \n "]
    dataset = prepared(texts + copies, tmp_path)
    assert dataset.manifest["dropped"] == {"duplicates": 23, "empty": 1}
    assert dataset.data_hash == prepared(texts, tmp_path / "alone").data_hash


def test_nul_is_taken_out_before_anything_counts(tmp_path: Path) -> None:
    texts = planted_texts(40)
    dataset = prepared([text.replace(" ", "\0 \0") for text in texts], tmp_path, "bpe", 280)
    assert dataset.data_hash == prepared(texts, tmp_path / "clean", "bpe", 280).data_hash


def test_the_hash_differs_when_a_byte_or_the_tokenizer_differs(tmp_path: Path) -> None:
    texts = planted_texts(40)
    hashes = {prepared(texts, tmp_path / "a").data_hash, prepared(texts, tmp_path / "b", "bpe", 280).data_hash}
    for place in (0, 17, 39):
        changed = [text[:-1] + "#" if number == place else text for number, text in enumerate(texts)]
        hashes.add(prepared(changed, tmp_path / str(place)).data_hash)
    assert len(hashes) == 5
    assert prepared(texts, tmp_path / "again").data_hash in hashes


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("\n\n".join(planted_texts(200)), "\n\n"),
        ("\n".join(planted_texts(200)), "\n"),
        (" ".join(planted_texts(200)), " "),
        ("".join(map(chr, range(0x4E00, 0x9F00))), ""),
        ("\n\n".join(planted_texts(9)), ""),
    ],
    ids=["paragraphs", "lines", "words", "characters", "short"],
)
def test_a_single_text_is_cut_and_nothing_of_it_is_lost(text: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(text, encoding="utf-8")
    dataset = prepare(str(path), "bytes", 256, tmp_path / "cache")
    pieces = texts_of(dataset, "train") + texts_of(dataset, "val")
    places = sorted((text.index(piece), piece) for piece in pieces)
    assert "".join(piece for _, piece in places) == text
    assert max(len(piece.encode()) for piece in pieces) <= 2 * 4_096 + 4
    assert all(piece.endswith(end) for _, piece in places[:-1])


@pytest.mark.parametrize("texts", [["", "  "], ["x"], ["Two words"], ["same text", "Same  text"]])
def test_text_that_cannot_be_split_is_refused(texts: list[str], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds"):
        prepared(texts, tmp_path)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


class Wide(Bytes):
    """Bytes at the upper end of a vocabulary of any size."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.end_of_text = vocab_size - 256
        self.token_bytes = np.ones(vocab_size, np.uint16)

    def encode(self, text: str) -> Ids:
        return super().encode(text) + np.uint32(self.vocab_size - 256)


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_tokens_grow_to_four_bytes_past_65536_ids(
    vocab_size: int, dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(texts: Iterator[str], size: int) -> Tokenizer:
        return Wide(size)

    monkeypatch.setitem(TOKENIZERS, "wide", build)
    texts = planted_texts(40)
    wide, plain = prepared(texts, tmp_path, "wide", vocab_size), prepared(texts, tmp_path / "plain")
    assert wide.train.dtype == dtype
    assert np.array_equal(wide.train.astype(np.int64) - (vocab_size - 256), plain.train)


def counting_corpus(log: Path) -> Corpus:
    def read() -> Iterator[Document]:
        with log.open("a") as lines:
            lines.write("read\n")
        for number, text in enumerate(planted_texts(500)):
            yield Document(str(number), text)

    return Corpus("counted", "planted", "none", read, lambda: "1")


def test_many_at_once_build_once_and_later_ones_do_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setitem(CORPORA, "counted", counting_corpus(log))
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(prepare, "counted", "bytes", 256, tmp_path / "cache") for _ in range(8)]
        hashes = {future.result().data_hash for future in futures}
    assert len(hashes) == 1
    assert log.read_text() == "read\n"
    assert prepare("counted", "bytes", 256, tmp_path / "cache").data_hash in hashes
    assert log.read_text() == "read\n"


KILLED = """
import os, signal, sys
from pathlib import Path
from harness.corpora import CORPORA, Corpus, Document
from harness.dataset import prepare

def read():
    for number in range(500):
        yield Document(str(number), f"text {number} " * 2_000)
    os.kill(os.getpid(), signal.SIGKILL)

CORPORA["counted"] = Corpus("counted", "planted", "none", read, lambda: "1")
prepare("counted", "bytes", 256, Path(sys.argv[1]))
"""


def test_a_killed_build_leaves_nothing_half_and_the_next_one_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    assert subprocess.run([sys.executable, "-c", KILLED, str(cache)]).returncode == -9
    assert all(path.name.startswith(".") for path in cache.iterdir())
    monkeypatch.setitem(CORPORA, "counted", counting_corpus(tmp_path / "log"))
    dataset = prepare("counted", "bytes", 256, cache)
    assert sorted(texts_of(dataset, "train") + texts_of(dataset, "val")) == sorted(planted_texts(500))
    assert [path for path in cache.iterdir() if path.is_dir()] == [dataset.folder]
    names = {"train.bin", "val.bin", "train_offsets.npy", "val_offsets.npy", "token_bytes.npy"}
    assert {path.name for path in dataset.folder.iterdir()} == names | {"manifest.json", "tokenizer.json"}


def test_a_shortened_token_file_is_refused(tmp_path: Path) -> None:
    dataset = prepared(planted_texts(40), tmp_path)
    (dataset.folder / "train.bin").write_bytes(b"12")
    with pytest.raises(Refusal, match=r"train.bin holds 1 tokens and its manifest says \d+: delete"):
        _ = Dataset(dataset.folder).train
    (dataset.folder / "manifest.json").write_text("{")
    with pytest.raises(Refusal, match=r"manifest.json does not read .*: delete"):
        _ = Dataset(dataset.folder).data_hash


def test_the_tokenizer_of_another_corpus_reads_this_one(tmp_path: Path) -> None:
    home, away = plant(tmp_path, planted_texts(80), "home.jsonl"), plant(tmp_path, planted_texts(80, 1), "away.jsonl")
    cache = tmp_path / "cache"
    at_home = prepare(home, "bpe", 300, cache)
    lent = prepare(away, "bpe", 300, cache, tokenizer_corpus=home)
    own = prepare(away, "bpe", 300, cache)
    assert lent.manifest["tokenizer_hash"] == at_home.manifest["tokenizer_hash"] != own.manifest["tokenizer_hash"]
    assert lent.manifest["tokenizer_corpus"] == "home"
    assert sorted(texts_of(lent, "val")) == sorted(texts_of(own, "val"))
    assert prepare(away, "bytes", 256, cache, home).folder == prepare(away, "bytes", 256, cache).folder


def test_wrong_names_and_a_cache_that_cannot_be_are_refused(tmp_path: Path) -> None:
    corpus = plant(tmp_path, planted_texts(40))
    with pytest.raises(Refusal, match="no tokenizer is called 'bite'"):
        prepare(corpus, "bite", 256, tmp_path)
    with pytest.raises(Refusal, match="is no corpus, file or folder"):
        prepare("satu", "bytes", 256, tmp_path)
    with pytest.raises(Refusal, match="set SCALELAW_CACHE"):
        prepare(corpus, "bytes", 256, Path(corpus) / "below-a-file")


def test_the_cache_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCALELAW_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("SCALELAW_CACHE")
    assert default_cache().parts[-2:] == (".cache", "scalelaw")


ORDERS = [(1_000, 8, 400, 0), (1_001, 8, 1_000, 1), (5_000, 16, 16, 2), (97, 3, 50, 2**40), (20_000, 64, 19_000, 3)]


@pytest.mark.parametrize(("tokens", "context", "unique", "seed"), ORDERS)
def test_each_window_of_the_pool_is_read_once_an_epoch(tokens: int, context: int, unique: int, seed: int) -> None:
    order, size = WindowOrder(tokens, context, unique, seed), unique // context
    pool = set(order.windows(0, size).tolist())
    assert len(pool) == size
    assert max(pool) * context + context < tokens
    for epoch in range(1, 4):
        assert set(order.windows(epoch * size, (epoch + 1) * size).tolist()) == pool
    if size > 20:
        assert not np.array_equal(order.windows(0, size), order.windows(size, 2 * size))


@pytest.mark.parametrize(("tokens", "context", "unique", "seed"), ORDERS)
def test_the_reading_order_is_pure(tokens: int, context: int, unique: int, seed: int) -> None:
    whole = WindowOrder(tokens, context, unique, seed).windows(0, 500)
    order, draw = WindowOrder(tokens, context, unique, seed), random.Random(seed)
    for _ in range(50):
        start = draw.randrange(500)
        stop = draw.randrange(start, 500)
        assert np.array_equal(order.windows(start, stop), whole[start:stop])


@pytest.mark.parametrize("context", [3, 8, 64])
def test_pools_nest_and_belong_to_no_seed(context: int) -> None:
    pools = []
    for unique in range(context, 20_000, 1_500):
        same = [
            frozenset(WindowOrder(20_000, context, unique, seed).windows(0, unique // context).tolist())
            for seed in (0, 1)
        ]
        assert same[0] == same[1]
        pools.append(same[0])
    assert all(small < large for small, large in pairwise(pools))


def test_seeds_read_in_different_orders() -> None:
    orders = {tuple(WindowOrder(20_000, 64, 10_000, seed).windows(0, 100).tolist()) for seed in range(20)}
    assert len(orders) == 20


def test_the_order_is_the_same_on_every_machine() -> None:
    order = WindowOrder(1_000, 8, 400, 5)
    assert order.windows(0, 5).tolist() == [58, 82, 42, 46, 122]
    assert order.windows(50, 55).tolist() == [56, 89, 113, 55, 74]


def test_a_pool_larger_than_the_corpus_is_refused_with_the_largest() -> None:
    WindowOrder(1_001, 10, 1_009, 0)
    with pytest.raises(Refusal, match=r"unique_tokens=1010: the corpus has 1001 .* use unique_tokens=1000"):
        WindowOrder(1_001, 10, 1_010, 0)
    with pytest.raises(Refusal, match=r"unique_tokens=1010: .* 99 windows .* use unique_tokens=990"):
        WindowOrder(1_000, 10, 1_010, 0)
    with pytest.raises(Refusal, match="less than one window"):
        WindowOrder(1_000, 10, 9, 0)


def test_a_batch_holds_the_tokens_of_its_windows() -> None:
    tokens = np.arange(1_000, dtype=np.uint16)[::-1].copy()
    windows = WindowOrder(1_000, 8, 400, 0).windows(0, 16)
    inputs_bt = batch(tokens, windows, 8)
    assert inputs_bt.dtype == np.int64
    for row, window in zip(inputs_bt, windows, strict=True):
        assert row.tolist() == tokens[window * 8 : window * 8 + 9].tolist()


@pytest.mark.parametrize("context", [2, 7, 64])
def test_with_tokens_enough_every_target_is_scored_once(context: int, tmp_path: Path) -> None:
    dataset = prepared(planted_texts(200), tmp_path)
    windows = validation_windows(dataset, context, 10**9)
    scored = windows.scored_bt
    stream = np.append(dataset.end_of_text, dataset.val)
    assert np.array_equal(windows.windows_bt[:, 1:].reshape(-1)[: len(dataset.val)], dataset.val)
    assert np.array_equal(windows.windows_bt[:, :-1].reshape(-1)[: len(dataset.val)], stream[:-1])
    assert int(scored.sum()) == len(dataset.val) - dataset.manifest["val"]["documents"]
    assert int(windows.bytes_bt[scored].sum()) == int(windows.bytes_bt.sum()) == dataset.manifest["val"]["bytes"]
    bytes_of_documents = np.bincount(windows.document_bt[scored], weights=windows.bytes_bt[scored])
    assert bytes_of_documents.tolist() == [len(text.encode()) for text in texts_of(dataset, "val")]


@pytest.mark.parametrize("eval_tokens", [64, 500, 2_000, 5_000])
def test_fewer_targets_are_spread_evenly_over_the_documents(eval_tokens: int, tmp_path: Path) -> None:
    context = 16
    dataset = prepared(planted_texts(300), tmp_path)
    some, whole = (validation_windows(dataset, context, count) for count in (eval_tokens, 10**9))
    assert some.scored_bt.size <= eval_tokens
    assert some.scored_bt.size > eval_tokens - context
    rows, chosen = (
        [row.tobytes() for row in np.hstack([windows.windows_bt, windows.document_bt])] for windows in (whole, some)
    )
    assert set(chosen) <= set(rows)
    assert len(set(chosen)) == len(chosen)
    stride = len(dataset.val) / len(chosen)
    long = np.flatnonzero(np.diff(dataset.val_offsets) > stride + 2 * context)
    assert set(long.tolist()) <= set(some.document_bt.reshape(-1).tolist())
    again = validation_windows(dataset, context, eval_tokens)
    assert np.array_equal(some.windows_bt, again.windows_bt)


def test_an_evaluation_smaller_than_a_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="eval_tokens=63 is less than one window: use context=64"):
        validation_windows(prepared(planted_texts(40), tmp_path), 64, 63)
