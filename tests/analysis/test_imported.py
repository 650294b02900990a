"""Other people's files, however mangled, become a typed table or one line of refusal: no traceback, no wrong number."""

import gzip
import io
import json
import os
import random
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.conventions import add_counts
from analysis.files import BATCH_ROWS
from analysis.imported import ALIASES, CLUSTERS, SHORT_NAMES, read
from analysis.table import SCHEMA, write
from harness.refusal import Refusal

GOOD = b"N,D,loss\n1e6,2e9,3.5\n2e6,4e9,3.25\n"


def placed(tmp_path: Path, content: bytes | str, name: str = "own.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, columns: dict[str, str] | None = None) -> str:
    with pytest.raises(Refusal) as refusal:
        read(path, columns)
    line = str(refusal.value)
    assert line.isprintable(), "one line, and nothing that a terminal would obey"
    return line


def assert_typed(table: pd.DataFrame) -> None:
    assert table.columns.is_unique
    assert len(table) > 0
    assert set(table.attrs) == {"columns", "derived", "own"}
    assert table["held_out"].dtype == bool
    assert {str(dtype) for dtype in table.dtypes} <= {"float64", "bool", "str"}
    for name in {"sweep", "run_id", "trunk_id", "phase", "loss_stderr", *ALIASES} & set(table.columns):
        assert table[name].dtype == ("str" if SCHEMA.get(name) == "str" else "float64")


# --- what is read, however it is spelled

SAME = {
    "plain": GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD,
    "windows lines": GOOD.replace(b"\n", b"\r\n"),
    "old lines": GOOD.replace(b"\n", b"\r"),
    "doubled returns": GOOD.replace(b"\n", b"\r\r\n"),
    "no last newline": GOOD.rstrip(b"\n"),
    "semicolons": GOOD.replace(b",", b";"),
    "tabs": GOOD.replace(b",", b"\t"),
    "blank lines": b"\n\n" + GOOD.replace(b"\n", b"\n\n"),
    "blank rows below": GOOD + b",,\n , , \n,,\n",
    "blanks around all": b" N , D ,\tloss\t\n 1e6 , 2e9 , 3.5 \n 2e6 ,4e9, 3.25\n",
    "all quoted": b'"N","D","loss"\n"1e6","2e9","3.5"\n"2000000","4e9","3.25"\n',
    "quotes after blanks": b'"N", "D", "loss"\n1e6, "2e9", 3.5\n2e6, 4e9, 3.25\n',
    "other case": GOOD.replace(b"loss", b"LOSS"),
    "signs": b"N,D,loss\n+1e6,2E+9,3.5\n2000000.,4e9,+3.25\n",
    "a delimiter after each row": b"N,D,loss\n1e6,2e9,3.5,\n2e6,4e9,3.25,,\n",
    "a delimiter after all": b"N,D,loss,\n1e6,2e9,3.5,\n2e6,4e9,3.25,\n",
    "pandas' index": b",N,D,loss\n0,1e6,2e9,3.5\n1,2e6,4e9,3.25\n",
    "pandas' index read back": b"Unnamed: 0,N,D,loss\n0,1e6,2e9,3.5\n1,2e6,4e9,3.25\n",
    "the other column's delimiter in a name": b'N,D,loss,"note; by hand"\n1e6,2e9,3.5,a\n2e6,4e9,3.25,b\n',
    "words of many lines": b'N,D,loss,note\n1e6,2e9,3.5,"a\nb,c"\n2e6,4e9,3.25,"d"\n',
    "doubled columns that nobody needs": b"N,D,loss,x,x\n1e6,2e9,3.5,1,2\n2e6,4e9,3.25,3,4\n",
    "two columns for one of ours": b"model_size,N,D,Loss,loss\n9,1e6,2e9,7,3.5\n9,2e6,4e9,7,3.25\n",
    "aliases": b"n_params,tokens_seen,final loss\n1e6,2e9,3.5\n2e6,4e9,3.25\n",
    "flops in place of tokens": b"N,C,loss\n1e6,1.2e16,3.5\n2e6,4.8e16,3.25\n",
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME)
def test_every_spelling_of_a_table_is_the_same_table(tmp_path: Path, content: bytes) -> None:
    table = read(placed(tmp_path, content))
    assert_typed(table)
    assert table["params_given"].tolist() == [1e6, 2e6]
    assert table["tokens"].tolist() == [2e9, 4e9]
    assert table["loss"].tolist() == [3.5, 3.25]
    assert table["run_id"].tolist() == table["trunk_id"].tolist() == ["row0", "row1"]
    assert table["sweep"].tolist() == ["own", "own"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz", ".parquet", ".CSV"])
def test_every_kind_of_file_is_the_same_table(tmp_path: Path, suffix: str) -> None:
    own = pd.read_csv(io.BytesIO(GOOD)).assign(
        trunk_id=["007", "7"], seed=[1, 2], note=["x", None], whole=[2**53, 5], good=[True, False]
    )
    path = tmp_path / f"own{suffix}"
    if suffix == ".parquet":
        own.to_parquet(path)
    elif "jsonl" in suffix:
        own.to_json(path, orient="records", lines=True)
    else:
        own.to_csv(path, index=False, sep="\t" if "tsv" in suffix else ",")
    table = read(path)
    assert_typed(table)
    assert table["params_given"].tolist() == [1e6, 2e6]
    assert table["trunk_id"].tolist() == ["007", "7"]
    assert table["seed"].tolist() == [1.0, 2.0]
    assert table["whole"].tolist() == [float(2**53), 5.0]
    assert table["good"].tolist() == [True, False]
    assert table["note"][0] == "x"
    assert pd.isna(table["note"][1])
    assert table["sweep"][0] == "own"


def test_what_write_writes_is_read(tmp_path: Path) -> None:
    first = read(placed(tmp_path, GOOD))
    again = read(write(first, tmp_path / "again.csv"))
    pd.testing.assert_frame_equal(first, again[list(first)].assign(sweep=first["sweep"]))


def test_numbers_are_read_to_the_last_bit(tmp_path: Path) -> None:
    draw = random.Random(1)
    losses = [draw.uniform(0, 10) * 10 ** draw.randint(-300, 300) for _ in range(500)]
    lines = "".join(f"{n + 1},{loss!r}\n" for n, loss in enumerate(losses))
    assert read(placed(tmp_path, "N,loss\n" + lines))["loss"].tolist() == losses
    records = "".join(json.dumps({"N": n, "loss": loss}) + "\n" for n, loss in enumerate(losses))
    assert read(placed(tmp_path, records, "own.jsonl"))["loss"].tolist() == losses


CELLS = {
    "1e309": np.inf,
    "inf": np.inf,
    "-inf": -np.inf,
    "Infinity": np.inf,
    "-1e999": -np.inf,
    "nan": np.nan,
    "NaN": np.nan,
    "NA": np.nan,
    "N/A": np.nan,
    "null": np.nan,
    "None": np.nan,
    "": np.nan,
    " ": np.nan,
    "9223372036854775808": 2.0**63,
    "-9223372036854775809": -(2.0**63),
    "1" + "0" * 30: 1e30,
    "9" * 5000: np.inf,
    "1e-999": 0.0,
    ".5": 0.5,
    "5.": 5.0,
}


@pytest.mark.parametrize(("cell", "number"), CELLS.items(), ids=[cell[:24] for cell in CELLS])
def test_cells_that_are_numbers_or_missing(tmp_path: Path, cell: str, number: float) -> None:
    table = read(placed(tmp_path, f"N,loss,x\n1,{cell},1\n2,3.5,2\n"))
    assert_typed(table)
    np.testing.assert_array_equal(table["loss"], [number, 3.5])


NO_NUMBERS = {
    "'1,000,000'": ('"1,000,000"', "nothing between thousands"),
    "decimal comma": ('"3,5"', "a point for decimals"),
    "two points": ("1.000.000", "a point for decimals"),
    "underscores": ("1_000", "nothing between thousands"),
    "blank between": ("1 000", "nothing between thousands"),
    "percent": ("50%", "0.5 for 50 %"),
    "billions": ("7B", "7e9 for 7B"),
    "hexadecimal": ("0x10", "correct it"),
    "fortran": ("1d5", "correct it"),
    "digits of another script": ("\u0663", "correct it"),
    "a minus that is none": ("\u22125", "correct it"),
    "dotless": ("\u0131nf", "correct it"),
    "true": ("True", "correct it"),
    "currency": ("$5", "correct it"),
    "spreadsheet error": ("#DIV/0!", "correct it"),
    "a quote inside": ('5"', "correct it"),
    "two lines": ('"5\n6"', "is not a number"),
    "a long text": ("x" * 9999, "\\.\\.\\. is not a number"),
    "an escape": ("\x1b[31m5", "x1b"),
}


@pytest.mark.parametrize("name", ["loss", "N", "C", "D", "loss_stderr", "unique_tokens", "accuracy", "M"])
@pytest.mark.parametrize(("cell", "words"), NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_cells_that_only_look_like_numbers_are_refused(tmp_path: Path, cell: str, words: str, name: str) -> None:
    path = placed(tmp_path, f"x,y,{name}\n1,2,3.5\n1,2,{cell}\n")
    assert re.search(f"row 1: [a-zA-Z_]+='.*{words}", refused(path, {"any": "x"}))


def test_such_cells_elsewhere_are_text_and_no_number(tmp_path: Path) -> None:
    table = read(placed(tmp_path, 'N,loss,size,when\n1,2,"1,000",2026-01-01\n2,3,50%,2026-01-02\n'))
    assert table["size"].tolist() == ["1,000", "50%"]
    assert table["when"].dtype == "str"
    assert pd.to_numeric(table["size"], errors="coerce").isna().all()


# --- what is refused

REFUSED: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "it is empty"),
    "blank": ("\n \n\t\n", "it is empty"),
    "only a mark": (b"\xef\xbb\xbf", "it is empty"),
    "only a header": ("N,D,loss\n", "has no rows"),
    "only blank rows": ("N,D,loss\n,,\n\n,,\n", "has no rows"),
    "no header": ("1e6,2e9,3.5\n2e6,4e9,3.25\n", r"first line is all numbers \(1e6, 2e9, 3.5\).*names its columns"),
    "too many fields": ("N,D,loss\n1,2,3\n\n1,2,3,4\n", "line 4 has 4 fields, the header in line 1 has 3"),
    "too many fields at once": ("N,D,loss\n1,2,3,4,5,6\n", "line 2 has 6 fields"),
    "row names of R": ("N\tD\tloss\nfirst\t1\t2\t3\n", "line 2 has 4 fields"),
    "thousands without quotes": ("N,D,loss\n1,000,2,3\n", "line 2 has 4 fields"),
    "a title above": ("Table 3\nN,D,loss\n1,2,3\n", "line 2 has 3 fields, the header in line 1 has 1"),
    "a doubled name": ("N,D,loss,loss\n1,2,3,4\n", "2 columns called 'loss' .*--columns loss='loss .column 3.'"),
    "a doubled alias": ("N,N,D,loss\n1,2,3,4\n", "2 columns called 'N' .wanted for params_given."),
    "a doubled name of the schema": ("N,D,loss,depth,depth\n1,2,3,4,5\n", "2 columns called 'depth'"),
    "a doubled name but for blanks": ("N,D,loss, loss\n1,2,3,4\n", "2 columns called 'loss'"),
    "latin 1": ("N,D,loss,who\n1,2,3,a\n1,2,3,Jos\xe9\n".encode("latin-1"), "line 3 is not UTF-8"),
    "cut within a letter": ("N,D,loss,who\n1,2,3,é".encode()[:-1], "line 2 is not UTF-8"),
    "utf 16": (GOOD.decode().encode("utf-16"), "line 1 is not UTF-8"),
    "utf 16 without a mark": (GOOD.decode().encode("utf-16-le"), "line 1 holds a NUL byte"),
    "a NUL": (GOOD.replace(b"3.5", b"3\x00.5"), "line 2 holds a NUL byte"),
    "a quote left open": ('N,D,loss\n1,2,"3\n1,2,3\n', "is not CSV: unexpected end of data"),
    "text after a quote": ('N,D,loss\n1,2,"3"4\n', "line 2 is not CSV"),
    "text after a quote and tabs": ('N\tD\tloss\n1\t2\t"3"4\n', "line 2 is not CSV"),
    "a quote open over much": ('N,D,loss\n1,2,"3\n' + "1,2,3\n" * 50_000, "is not CSV: field larger"),
    "one column": ("N D loss\n1 2 3\n", "has one column, 'N D loss'"),
    "no numbers": ("N,D,loss\n,,\nx,,\n", "N|params_given='x'"),
    "words": ("who,what\na,b\n", "0 columns of numbers"),
    "nothing known": ("x,y\n1,2\n2,3\n", r"no column that looks like .*there are: x, y"),
    "two delimiters": ("N,D;loss,x\n1,2;3,4\n", "each could part the columns"),
    "decimal commas": ("N;D;loss\n1000;2000;3,5\n", "loss='3,5' is not a number; write it with a point"),
    "zipped": (b"PK\x03\x04\x14\x00\x06\x00", "NUL byte"),
    "held out perhaps": ("N,loss,held_out\n1,2,true\n2,3,\n", "row 1: held_out=.*neither true nor false"),
    "too wide": (",".join(f"x{i}" for i in range(5000)) + "\n" + ",".join("1" * 5000), "too many"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, content: bytes | str, words: str) -> None:
    path = placed(tmp_path, content)
    line = refused(path)
    assert re.search(words, line)
    assert line.startswith(str(path))


def test_short_lines_are_filled_with_nothing(tmp_path: Path) -> None:
    table = read(placed(tmp_path, "N,D,loss\n1,2\n1,2,3\n"))
    np.testing.assert_array_equal(table["loss"], [np.nan, 3.0])


BAD_LINES = {
    "not JSON": ('{"N": 1, "loss": 2}\n\n{"N": 1,\n', "line 3 is not JSON"),
    "an array": ('[{"N": 1}]', "line 1 is a JSON list"),
    "a number": ("5", "line 1 is a JSON int"),
    "null": ("null", "line 1 is a JSON NoneType"),
    "pretty": ('{\n"N": 1\n}', "line 1 is not JSON"),
    "a key twice": ('{"N": 1, "N": 2, "loss": 3}', "line 1 is not JSON: a key stands twice"),
    "deep": ("[" * 100_000, "line 1 is not JSON"),
    "a digit too many": ('{"N": ' + "9" * 5000 + ', "loss": 1}', "line 1 is not JSON"),
    "empty": ("", "no rows"),
    "empty objects": ("{}\n{}\n", "no rows"),
    "nested where a number belongs": ('{"N": 1, "loss": {"a": [1]}}', "row 0: loss=.*not a number"),
    "true where a number belongs": ('{"N": 1, "x": 2, "loss": true}', "row 0: loss=True"),
    "mixed": ('{"N": 1, "loss": 1}\n{"N": 1, "loss": true}', "row 1: loss='True'"),
    "ever new keys": ("".join(json.dumps({f"k{i}": 1}) + "\n" for i in range(5000)), "different keys"),
    "half a letter": ('{"N": 1, "x": 1, "loss": "\\ud800"}', "row 0: loss="),
    "not UTF-8": (b'{"N": 1, "loss": 2}\n{"N\xff": 1}', "line 2 is not UTF-8"),
    "a NUL": (b'{"N": 1\x00}', "NUL byte"),
}


@pytest.mark.parametrize(("content", "words"), BAD_LINES.values(), ids=BAD_LINES)
def test_bad_json_lines_are_refused_in_one_line(tmp_path: Path, content: bytes | str, words: str) -> None:
    assert re.search(words, refused(placed(tmp_path, content, "own.jsonl")))


def test_json_lines_of_different_keys_and_values(tmp_path: Path) -> None:
    lines = [
        '{"N": 1, "loss": 3, "config": {"a": [1]}, "time_at": 1700000000, "\\ud800": "\\udfff"}',
        '{"N": "2e3", "D": 5, "loss": null}',
        '{"D": 36893488147419103232, "loss": NaN, "trunk_id": 9007199254740993}',
        '{"N": 1e400, "loss": -Infinity, "trunk_id": 9007199254740992, "time_at": "NA"}',
    ]
    table = read(placed(tmp_path, "\n".join(lines), "own.jsonl"))
    assert_typed(table)
    np.testing.assert_array_equal(table["params_given"], [1, 2000, np.nan, np.inf])
    np.testing.assert_array_equal(table["tokens"], [np.nan, 5, 2.0**65, np.nan])
    np.testing.assert_array_equal(table["loss"], [3, np.nan, np.nan, -np.inf])
    np.testing.assert_array_equal(table["time_at"], [1.7e9, np.nan, np.nan, np.nan])
    assert table["trunk_id"].dropna().tolist() == ["9007199254740993", "9007199254740992"]


PARQUET: dict[str, tuple[pd.DataFrame, Callable[[pd.DataFrame], bool] | str]] = {
    "int64 whose product overflows": (
        pd.DataFrame({"N": [10**12], "D": [10**13], "loss": [2.0]}),
        lambda t: add_counts(t, "given")["C"].tolist() == [6e25],
    ),
    "small types": (
        pd.DataFrame({"N": [250], "D": [2], "loss": [2.5]}).astype({"N": "uint8", "D": "int8", "loss": "float32"}),
        lambda t: (6 * t["params_given"] * t["tokens"]).tolist() == [3000.0],
    ),
    "whole numbers with gaps": (
        pd.DataFrame(
            {
                "N": pd.array([2**62 + 1, None], "Int64"),
                "loss": [1.0, 2.0],
                "trunk_id": pd.array([2**62 + 1, 2**62], "Int64"),
            }
        ),
        lambda t: np.isnan(t["params_given"][1]) and t["trunk_id"].nunique() == 2,
    ),
    "an index of ours": (
        pd.DataFrame({"N": [1.0, 2.0], "loss": [1.0, 2.0]}).set_index("N"),
        lambda t: t["params_given"].tolist() == [1.0, 2.0],
    ),
    "an index of nobody's": (
        pd.DataFrame({"N": [1.0, 2.0], "loss": [1.0, 2.0]}, index=[5, 9]),
        lambda t: not [name for name in t if "index" in name] and t["run_id"].tolist() == ["row0", "row1"],
    ),
    "decimals": (
        pd.DataFrame({"N": [Decimal("1.5")], "loss": [Decimal("2.50")]}),
        lambda t: t["loss"].tolist() == [2.5],
    ),
    "categories": (
        pd.DataFrame({"N": pd.Categorical([5, 7]), "loss": pd.Categorical(["1.5", "2"])}),
        lambda t: t["loss"].tolist() == [1.5, 2.0] and t["params_given"].tolist() == [5.0, 7.0],
    ),
    "times": (
        pd.DataFrame(
            {"N": [1.0], "loss": [1.0], "when": pd.to_datetime(["2026-01-01"]), "took": pd.to_timedelta(["1s"])}
        ),
        lambda t: t["when"].dtype == t["took"].dtype == "str",
    ),
    "a time for a loss": (pd.DataFrame({"N": [1.0], "x": [1.0], "loss": pd.to_datetime(["2026-01-01"])}), "loss='2026"),
    "lists": (pd.DataFrame({"N": [1.0], "x": [1.0], "loss": [[5.0]]}), "loss=.*is not a number"),
    "bytes": (pd.DataFrame({"N": [1.0], "x": [1.0], "loss": [b"5"]}), "loss=.*is not a number"),
    "no rows": (pd.DataFrame({"N": [1.0], "loss": [1.0]}).iloc[:0], "no rows"),
    "no columns": (pd.DataFrame(index=[1, 2]), "no rows"),
}


@pytest.mark.parametrize(("own", "wanted"), PARQUET.values(), ids=PARQUET)
def test_parquet_of_every_type(tmp_path: Path, own: pd.DataFrame, wanted: Callable[[pd.DataFrame], bool] | str) -> None:
    own.to_parquet(tmp_path / "own.parquet")
    if isinstance(wanted, str):
        assert re.search(wanted, refused(tmp_path / "own.parquet"))
        return
    table = read(tmp_path / "own.parquet")
    assert_typed(table)
    assert wanted(table)


def test_folders_of_a_path_are_no_columns(tmp_path: Path) -> None:
    (tmp_path / "loss=5").mkdir()
    pd.DataFrame({"N": [1.0], "D": [2.0]}).to_parquet(tmp_path / "loss=5" / "own.parquet")
    assert "loss" not in read(tmp_path / "loss=5" / "own.parquet")


def test_paths_that_hold_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("folder.csv", "pipe.csv", "none.csv", "none\nat\x1ball.csv", "x" * 5000 + ".csv", "nul\0.csv"):
        assert "is not a file" in refused(tmp_path / name)
    assert "'.xlsx'" in refused(placed(tmp_path, "", "own.xlsx"))
    assert "save it as CSV" in refused(placed(tmp_path, "", "own.xlsx"))
    assert "ends in ''" in refused(placed(tmp_path, "", "own"))
    for name in ("own.parquet", "own.csv.gz", "own.jsonl.gz"):
        assert "cannot be read as" in refused(placed(tmp_path, GOOD, name))
    assert "cannot be read as csv.gz" in refused(placed(tmp_path, gzip.compress(GOOD)[:-12], "own.csv.gz"))

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = placed(tmp_path, GOOD)
    monkeypatch.setattr("builtins.open", denied)
    assert "cannot be read as csv: Permission denied" in refused(path)


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd, "read_parquet", absent)
    assert "pip install pyarrow" in refused(placed(tmp_path, "", "own.parquet"))


# --- columns by name


@pytest.mark.parametrize(("short", "ours"), SHORT_NAMES.items())
def test_short_names_mean_ours(tmp_path: Path, short: str, ours: str) -> None:
    table = read(placed(tmp_path, "a,b,c,d\n1,2,3,0\n4,5,6,0\n"), {short: "b"})
    assert table.attrs["columns"] == {ours: "b"}
    assert table[ours].tolist() == (["2", "5"] if ours == "trunk_id" else [2.0, 5.0])
    assert "b" not in table


def test_other_names_are_kept_and_one_column_may_serve_twice(tmp_path: Path) -> None:
    path = placed(tmp_path, "loss,acc,S,why\n3,.5,9,x\n2,.75,9,y\n")
    table = read(path, {"S": "loss", "loss": "acc", "error": "acc", "domain": "why"})
    assert table["S"].tolist() == [3.0, 2.0]
    assert table["loss"].tolist() == table["error"].tolist() == [0.5, 0.75]
    assert table["domain"].tolist() == ["x", "y"]
    assert table.columns.is_unique
    assert not {"acc", "why"} & set(table.columns)


def test_names_that_cannot_be_met_are_refused(tmp_path: Path) -> None:
    path = placed(tmp_path, "Size,Toks,Final,Final\n1,2,3,4\n")
    assert "did you mean 'Size'" in refused(path, {"params": "Sise"})
    assert "names params_given twice" in refused(path, {"params": "Size", "N": "Toks"})
    assert "no name of ours" in refused(path, {" ": "Size"})
    assert "2 columns called 'Final'" in refused(path, {"loss": "Final"})
    assert read(path, {"loss": "Final (column 4)"})["loss"].tolist() == [4.0]
    assert refused(path, {"lo\nss": "a\nb"})


def test_words_are_not_taken_for_the_numbers_of_an_alias(tmp_path: Path) -> None:
    table = read(placed(tmp_path, "params,tokens,loss,compute,D\n1,2,3,A100,true\n4,5,6,H100,false\n"))
    assert table.attrs["columns"] == {"params_given": "params", "tokens": "tokens", "loss": "loss"}
    assert table["compute"].tolist() == ["A100", "H100"]
    line = refused(placed(tmp_path, "Model Size,tokens,loss\n1e9,2,3\n7B,5,6\n"))
    assert "row 1: Model Size='7B' is not a number (taken for params_given; --columns params_given=THEIRS" in line


def test_letters_are_taken_as_spelled(tmp_path: Path) -> None:
    table = read(placed(tmp_path, "N,n,d,c,L,loss\n1,2,3,4,5,6\n"))
    assert table.attrs["columns"] == {"params_given": "N", "loss": "loss"}
    assert table[["params_given", "n", "d", "c", "L", "loss"]].to_numpy().tolist() == [[1, 2, 3, 4, 5, 6]]


def test_no_column_is_lost_to_another_of_its_name(tmp_path: Path) -> None:
    table = read(placed(tmp_path, "N,loss,x (column 5),x,x,,Unnamed: 5\n1,2,3,4,5,6,7\n"))
    assert_typed(table)
    assert {3.0, 4.0, 5.0} <= set(table.select_dtypes("float64").iloc[0])
    assert "x" not in table


def test_a_column_that_was_asked_for_serves_nothing_else(tmp_path: Path) -> None:
    table = read(placed(tmp_path, "N,D,loss\n1,2,3\n"), {"unique_tokens": "D"})
    assert "tokens" not in table
    assert table.attrs["columns"] == {"unique_tokens": "D", "params_given": "N", "loss": "loss"}


def test_laws_without_parameters_or_tokens_have_tables_too(tmp_path: Path) -> None:
    assert {"flops_given", "loss"} <= set(read(placed(tmp_path, "C,loss\n1,2\n")))
    assert {"S", "accuracy"} <= set(read(placed(tmp_path, "S,accuracy\n1,2\n")))
    assert {"x", "y"} <= set(read(placed(tmp_path, "a,b\n1,2\n"), {"x": "a", "y": "b"}))


def test_only_what_is_missing_is_derived(tmp_path: Path) -> None:
    derived = read(placed(tmp_path, "N,C,loss\n1000000000000,6e30,2\n0,1,2\n"))
    assert derived.attrs["derived"] == {"tokens": "flops_given / (6 params_given)"}
    assert derived["tokens"].tolist() == [pytest.approx(1e18), np.inf]
    given = read(placed(tmp_path, "N,D,C,loss\n10,20,30,2\n"))
    assert given.attrs["derived"] == {}
    assert given[["params_given", "tokens", "flops_given"]].to_numpy().tolist() == [[10.0, 20.0, 30.0]]
    assert "flops_given" not in read(placed(tmp_path, GOOD))


def test_rows_of_one_run_are_one_cluster_and_words_may_be_seeds(tmp_path: Path) -> None:
    table = read(placed(tmp_path, "run_id,N,loss,seed\n01,1,2,a\n1,2,3,b\n01,3,4,a\n"))
    assert table["trunk_id"].tolist() == ["01", "1", "01"]
    assert table["seed"].tolist() == ["a", "b", "a"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_long_file_is_one_table(tmp_path: Path, suffix: str) -> None:
    rows = 2 * BATCH_ROWS + 10
    own = pd.DataFrame({"N": np.arange(1, rows + 1), "loss": np.linspace(4, 2, rows), "trunk_id": ["007"] * rows})
    own["late"] = ["5"] * (rows - 1) + ["word"]
    path = tmp_path / f"own{suffix}"
    if suffix == ".csv":
        own.to_csv(path, index=False)
    else:
        own.to_json(path, orient="records", lines=True, double_precision=15)
        with path.open("a") as file:
            file.write('{"new": 5}\n')
    table = read(path)
    assert_typed(table)
    assert table["params_given"][: len(own)].tolist() == own["N"].tolist()
    assert table["loss"][: len(own)].tolist() == pytest.approx(own["loss"].tolist(), rel=1e-14)
    assert table["trunk_id"][rows - 1] == "007"
    assert table["late"][rows - 1] == "word"
    if suffix == ".jsonl":
        assert table["new"].dropna().tolist() == [5.0]


# --- mangled at random


def mangled(content: bytes, draw: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(draw.randint(1, 6)):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del data[place : place + draw.randint(1, 8)]
        elif kind == 2:
            pieces = [
                b"\0",
                b'"',
                b"\xef\xbb\xbf",
                b"\r",
                b"\n",
                b",",
                b";",
                b"\t",
                b"'",
                b"\\",
                b"e",
                b"-",
                b"{",
                b"[",
            ]
            data[place:place] = draw.choice(pieces)
        elif kind == 3:
            lines = bytes(data).split(b"\n")
            draw.shuffle(lines)
            data = bytearray(b"\n".join(lines))
        elif kind == 4:
            fields = bytes(data).split(b",")
            del fields[draw.randrange(len(fields))]
            data = bytearray(b",".join(fields))
        else:
            data = data[:place]
    return bytes(data)


WIDE = b'N,D,loss,who,trunk_id\n1e6,20000,3.5,"a, b",x\n2e6,4e9,3.25,,x\n3000000,5e9,2.5,"c\nd",y\n,7e9,nan,"",y\n'
RECORDS = (
    b'{"N": 1e6, "D": 2000, "loss": 3.5, "who": {"a": [1]}}\n{"N": "7", "D": null, "loss": 2.5}\n{"N": 5, "x": true}\n'
)


@pytest.mark.parametrize(
    ("name", "content", "times"), [("own.csv", WIDE, 300), ("own.jsonl", RECORDS, 200)], ids=["csv", "jsonl"]
)
def test_mangled_text_gives_a_table_of_its_own_numbers_or_one_line(
    tmp_path: Path, name: str, content: bytes, times: int
) -> None:
    draw = random.Random(7)
    read_at_all = 0
    for _ in range(times):
        path = placed(tmp_path, mangled(content, draw), name)
        table = read_or_refused(path)
        if table is None:
            continue
        read_at_all += 1
        words = re.findall(r"[^\s,;:{}\[\]\"]+", path.read_text("utf-8-sig"))
        there = {float(word) for word in words if is_number(word)}
        for ours in ALIASES.keys() & set(table) - table.attrs["derived"].keys():
            assert set(table[ours].dropna()) <= there
    assert read_at_all > times / 20


def read_or_refused(path: Path) -> pd.DataFrame | None:
    try:
        table = read(path)
    except Refusal as refusal:
        line = str(refusal)
    else:
        assert_typed(table)
        return table
    assert line.isprintable()
    return None


def is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", ["own.parquet", "own.csv.gz"])
def test_mangled_binary_files_give_a_table_or_one_line(tmp_path: Path, name: str) -> None:
    draw = random.Random(11)
    whole = tmp_path / "whole.parquet"
    pd.read_csv(io.BytesIO(WIDE)).to_parquet(whole)
    content = whole.read_bytes() if name == "own.parquet" else gzip.compress(WIDE)
    for _ in range(60):
        read_or_refused(placed(tmp_path, mangled(content, draw), name))


OWN = pd.DataFrame({"Model Size": [1e6, 2e6, 4e6], "Training FLOP": [6e15, 1.2e16, 4.8e16], "loss": [3.0, 2.8, 2.5]})


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_own_tables_of_every_kind_read_alike(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    writers = {
        ".csv": lambda: OWN.to_csv(path, index=False),
        ".jsonl": lambda: OWN.to_json(path, orient="records", lines=True),
        ".parquet": lambda: OWN.to_parquet(path),
    }
    writers[suffix]()
    table = read(path)
    assert table["params_given"].tolist() == [1e6, 2e6, 4e6]
    assert table["tokens"].tolist() == pytest.approx([1e9, 1e9, 2e9])
    assert table["trunk_id"].nunique() == 3
    assert not table["held_out"].any()
    assert (table["phase"] == "decayed").all()


def test_columns_are_renamed_on_request_and_never_doubled(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    OWN.assign(final=[1.0, 2.0, 3.0], tokens=[1.0, 1.0, 1.0], seen=[5, 6, 7]).to_csv(path, index=False)
    table = read(path, {"loss": "final", "tokens": "seen", "params_given": "Model Size"})
    assert table["loss"].tolist() == [1.0, 2.0, 3.0]
    assert table["tokens"].tolist() == [5, 6, 7]
    assert table.columns.is_unique


@pytest.mark.parametrize(
    ("content", "columns", "words"),
    [
        ("a,b\n1,2\n", {}, "--columns params=THEIRS tokens=THEIRS loss=THEIRS; there are: a, b"),
        ("a,loss\n1,2\n", {"params": "b"}, "no column 'b' .wanted for params_given."),
        ("run,loss\nx,2\n", {}, "1 columns of numbers: a law needs at least two"),
        ("N,D,loss\n1,2,3\n", {"loss": "los"}, "did you mean 'loss'"),
        ("N,D,loss\n1,2,much\n", {}, "row 0: loss='much' is not a number"),
        ("N,D,loss,held_out\n1,2,3,perhaps\n", {}, "held_out='perhaps'"),
        ("", {}, "it is empty"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, content: str, columns: dict[str, str], words: str) -> None:
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(Refusal, match=words) as refusal:
        read(tmp_path / "own.csv", columns)
    assert "\n" not in str(refusal.value)


def test_unknown_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.xlsx").write_text("")
    with pytest.raises(Refusal, match="is not a file"):
        read(tmp_path / "none.csv")
    with pytest.raises(Refusal, match=r"'\.xlsx'"):
        read(tmp_path / "own.xlsx")


@pytest.mark.parametrize("name", CLUSTERS)
def test_rows_of_one_run_are_one_cluster(tmp_path: Path, name: str) -> None:
    OWN.assign(**{name: ["007", "7", "7"]}).to_csv(tmp_path / "own.csv", index=False)
    assert read(tmp_path / "own.csv")["trunk_id"].tolist() == ["007", "7", "7"]


def test_a_shape_in_full_is_counted_in_parts(tmp_path: Path) -> None:
    """GPT-2's own smallest and next size, 124,439,808 and 354,823,168 parameters."""
    shape = {"variant": "gpt2", "depth": [12, 24, 24], "width": [768, 1024, 1024], "heads": [12, 16, 16]}
    OWN.assign(**shape, context=1024, vocab_size=50257).to_csv(tmp_path / "own.csv", index=False)
    counted = add_counts(read(tmp_path / "own.csv"), "chinchilla")
    assert counted["N"].tolist() == [124_439_808, 354_823_168, 354_823_168]
    bad = OWN.assign(**shape | {"heads": [11, 16, 16]}, context=1024, vocab_size=50257)
    bad.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(Refusal, match="not divisible by heads=11"):
        read(tmp_path / "bad.csv")
