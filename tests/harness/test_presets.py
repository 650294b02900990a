"""Published models are the published integers, their costs the printed ones, whichever way they are named."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.anatomy import shape_of
from harness.costs import activation_bytes, pf_days, six_n, six_n_error, state_bytes
from harness.models import build
from harness.presets import FAMILIES, PRESETS, Preset, amount, expanded, members, preset
from harness.refusal import Refusal
from sweeps.__main__ import main

TABLE_A9 = Path(__file__).parents[3] / "shared" / "published" / "chinchilla" / "table_a9.csv"

# Recomputed from the published shapes; GPT-1, GPT-2, NeoX and Pythia are also the sizes of the released weights.
PARAMETERS = {
    "gpt1": 116_534_784,
    "gpt2-small": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt3-small": 125_226_240,
    "gpt3-medium": 355_871_744,
    "gpt3-large": 760_300_032,
    "gpt3-xl": 1_315_723_264,
    "gpt3-2.7b": 2_651_553_280,
    "gpt3-6.7b": 6_658_404_352,
    "gpt3-13b": 12_853_386_240,
    "gpt3-175b": 174_604_259_328,
    "neox-20b": 20_554_567_680,
    "pythia-14m": 14_067_712,
    "pythia-31m": 30_494_720,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "pythia-410m": 405_334_016,
    "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808,
    "pythia-2.8b": 2_775_208_960,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
}
# With GPT-1's three special tokens; with GPT-1's vocabulary, which is what the GPT-2 paper's labels count.
COUNTED_ELSEWHERE = {
    "gpt1": 116_537_088,
    "gpt2-small": 116_929_536,
    "gpt2-medium": 344_809_472,
    "gpt2-large": 761_512_960,
    "gpt2-xl": 1_541_964_800,
}
PAPER_LABELS = {"117M": "gpt2-small", "345M": "gpt2-medium", "762M": "gpt2-large", "1542M": "gpt2-xl"}
# arXiv 2304.01373, table 1
PYTHIA_NON_EMBEDDING = {
    "pythia-70m": 18_915_328,
    "pythia-160m": 85_056_000,
    "pythia-410m": 302_311_424,
    "pythia-1b": 805_736_448,
    "pythia-1.4b": 1_208_602_624,
    "pythia-2.8b": 2_517_652_480,
    "pythia-6.9b": 6_444_163_072,
    "pythia-12b": 11_327_027_200,
}
# arXiv 2005.14165, table D.1: millions of parameters, PF-days
TABLE_D1 = {
    "gpt3-small": (125, 2.60),
    "gpt3-medium": (356, 7.42),
    "gpt3-large": (760, 15.8),
    "gpt3-xl": (1_320, 27.5),
    "gpt3-2.7b": (2_650, 55.2),
    "gpt3-6.7b": (6_660, 139),
    "gpt3-13b": (12_850, 268),
    "gpt3-175b": (174_600, 3_640),
}
PRINTED_MILLIONS = {member.name: int(member.name[len("chinchilla-") : -1]) for member in FAMILIES["chinchilla"]}


def module_size(member: Preset, **changed: Any) -> int:
    fields = member.fields() | changed
    how = {"precision": "fp32", "kernel": "eager", "parametrisation": "standard"}
    shape = shape_of({**fields, **how, "base_width": fields["width"], "base_depth": fields["depth"]})
    return sum(parameter.numel() for parameter in build(shape, "meta").parameters())


def test_families_are_whole() -> None:
    assert {family: len(kin) for family, kin in FAMILIES.items()} == {
        "gpt1": 1,
        "gpt2": 4,
        "gpt3": 8,
        "neox": 1,
        "pythia": 10,
        "chinchilla": 50,
    }
    assert PRESETS.keys() == PARAMETERS.keys() | PRINTED_MILLIONS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published_integers(name: str) -> None:
    member = PRESETS[name]
    assert member.counts().params == PARAMETERS[name] == module_size(member)


@pytest.mark.parametrize("name", COUNTED_ELSEWHERE)
def test_parameters_as_counted_elsewhere(name: str) -> None:
    member = PRESETS[name]
    (vocab_size,) = member.other_vocabularies.values()
    assert member.counts(vocab_size).params == COUNTED_ELSEWHERE[name] == module_size(member, vocab_size=vocab_size)


@pytest.mark.parametrize("label", PAPER_LABELS)
def test_a_paper_label_is_its_count_in_millions(label: str) -> None:
    member = preset(f"GPT-2 {label}")
    assert member.name == PAPER_LABELS[label]
    assert next(iter(member.other_vocabularies)).startswith(label)
    assert round(COUNTED_ELSEWHERE[member.name] / 1e6) == int(label[:-1])


@pytest.mark.parametrize("name", PYTHIA_NON_EMBEDDING)
def test_pythia_without_embeddings_is_as_printed(name: str) -> None:
    assert PRESETS[name].counts().params_non_embedding == PYTHIA_NON_EMBEDDING[name]


@pytest.mark.parametrize("name", PRINTED_MILLIONS)
def test_chinchilla_sizes_are_near_the_printed(name: str) -> None:
    params = PRESETS[name].counts().params
    assert params == pytest.approx(PRINTED_MILLIONS[name] * 1e6, rel=0.0081)
    assert params == module_size(PRESETS[name])


@pytest.mark.skipif(not TABLE_A9.is_file(), reason="the published data are not beside this checkout")
def test_chinchilla_is_its_table() -> None:
    columns = ("layers", "d_model", "ffw_size", "kv_size", "heads")
    with TABLE_A9.open() as file:
        printed = {f"chinchilla-{int(row['params']) // 10**6}m": row for row in csv.DictReader(file)}
    assert printed.keys() == PRINTED_MILLIONS.keys()
    for name, row in printed.items():
        shape = PRESETS[name].shape()
        ours = (shape.depth, shape.width, shape.mlp_width, shape.head_width, shape.heads)
        assert ours == tuple(int(row[column]) for column in columns)


@pytest.mark.parametrize("name", TABLE_D1)
def test_gpt3_costs_what_its_paper_says(name: str) -> None:
    millions, days = TABLE_D1[name]
    parts, tokens = PRESETS[name].counts(), PRESETS[name].recipe.tokens
    assert tokens == 300e9
    assert parts.params == pytest.approx(millions * 1e6, rel=0.01)
    assert pf_days(six_n(parts) * tokens) == pytest.approx(days, rel=0.01)


def test_recipes_are_those_printed() -> None:
    assert PRESETS["gpt1"].recipe.batch_tokens == 32_768
    assert {member.recipe.batch_tokens for member in FAMILIES["gpt2"]} == {524_288}
    # The model cards of Pythia say 299,892,736,000.
    assert {member.recipe.tokens for member in FAMILIES["pythia"]} == {299_892_736_000}
    assert {member.recipe.learning_rate for member in FAMILIES["gpt2"] + FAMILIES["chinchilla"]} == {None}
    # Its model card: 1538 sequences of 2048 tokens, 150,000 steps.
    neox = PRESETS["neox-20b"].recipe
    assert (neox.batch_tokens, neox.tokens) == (3_149_824, 472_473_600_000)
    assert PRESETS["gpt3-175b"].recipe.learning_rate < neox.learning_rate < PRESETS["gpt3-13b"].recipe.learning_rate
    for family in ("gpt3", "pythia"):
        rates = [member.recipe.learning_rate or 0 for member in FAMILIES[family]]
        assert rates == sorted(rates, reverse=True)


def test_six_n_errs_by_what_it_leaves_out() -> None:
    """Where every parameter multiplies and attention is short 6N is exact; it has embeddings too many, no attention."""
    fields = {"variant": "modern", "depth": 3, "width": 4096, "heads": 32, "context": 2, "vocab_size": 2}
    own = Preset(name="own", label="own", family="own", source="none", **fields)
    assert six_n_error(own.counts()) == pytest.approx(0, abs=1e-3)
    assert six_n_error(own.counts(vocab_size=200_000)) > 0.1
    assert six_n_error(PRESETS["gpt3-small"].counts()) < -0.2


def test_memory_is_the_published_formula() -> None:
    """34 s b h a layer (arXiv 2205.05198, equation 2 without its attention matrices) less 2 of dropout; and logits."""
    shape = PRESETS["gpt3-175b"].shape()
    assert activation_bytes(shape) == (34 - 2) * 2048 * 12288 * 96 + 4 * 2048 * 50_257
    assert state_bytes(PRESETS["gpt1"].counts()) == 16 * PARAMETERS["gpt1"]
    wide = shape_of(PRESETS["gpt2-small"].fields() | {"mlp_width": 2 * 3072})
    more = activation_bytes(wide) - activation_bytes(PRESETS["gpt2-small"].shape())
    assert more == 12 * 1024 * 4 * 3072


# --- names

SPELT = {
    "GPT-1": "gpt1",
    "gpt2": "gpt2-small",
    "GPT-2": "gpt2-small",
    "GPT-2 medium": "gpt2-medium",
    "gpt2_large": "gpt2-large",
    "openai-community/gpt2-xl": "gpt2-xl",
    "124M": "gpt2-small",
    "gpt1 117M": "gpt1",
    "GPT-2 117M": "gpt2-small",
    "EleutherAI/gpt-neox-20b": "neox-20b",
    "NeoX": "neox-20b",
    "GPT-3 XL": "gpt3-xl",
    "GPT-3 175B": "gpt3-175b",
    "gpt-3": "gpt3-175b",
    "gpt3 1.3B": "gpt3-xl",
    "Pythia 160M": "pythia-160m",
    "EleutherAI/pythia-1.4b-deduped": "pythia-1.4b",
    "Pythia-1.0B": "pythia-1b",
    "Chinchilla 16.183B": "chinchilla-16183m",
}


@pytest.mark.parametrize("spelt", SPELT)
def test_a_name_may_be_spelt_in_many_ways(spelt: str) -> None:
    assert preset(spelt).name == SPELT[spelt]


@pytest.mark.parametrize("member", PRESETS.values(), ids=PRESETS)
def test_no_spelling_is_taken_by_another(member: Preset) -> None:
    assert {preset(spelling) is member for spelling in (member.name, member.label, *member.spellings)} == {True}


def test_a_family_is_all_its_members() -> None:
    assert members("GPT-2") == FAMILIES["gpt2"]
    assert members("gpt2 medium") == [PRESETS["gpt2-medium"]]


@pytest.mark.parametrize("member", PRESETS.values(), ids=PRESETS)
def test_a_size_means_the_one_member_that_has_it_or_names_all_that_do(member: Preset) -> None:
    for size in member.sizes:
        alike = [one.name for one in PRESETS.values() if size.lower() in map(str.lower, one.sizes)]
        assert preset(f"{member.family} {size.upper()}") is member
        if len(alike) == 1:
            assert preset(size.upper()) is member
        else:
            with pytest.raises(Refusal) as refusal:
                preset(size)
            assert [name for name in PRESETS if f"'{name}'" in str(refusal.value)] == alike


@pytest.mark.parametrize(
    ("size", "name"), {"175b": "gpt3-175b", "13b": "gpt3-13b", "1.4b": "pythia-1.4b", "44m": "chinchilla-44m"}.items()
)
def test_sizes_that_one_member_has(size: str, name: str) -> None:
    assert preset(size).name == name


@pytest.mark.parametrize("family", ["", "gpt2", "gpt3", "pythia", "chinchilla"])
@pytest.mark.parametrize("size", ["3.1m", "0.21B", "7b", "150B", "9t"])
def test_a_size_that_none_has_is_refused_with_the_nearest(size: str, family: str) -> None:
    def distance(member: Preset) -> float:
        return abs(math.log(member.counts().params / (amount(size) or math.nan)))

    with pytest.raises(Refusal) as refusal:
        preset(f"{family} {size}")
    said = str(refusal.value).split("nearest in size: ")[1].split(", ")
    kin = FAMILIES.get(family) or PRESETS.values()
    assert {member.name: distance(member) for member in sorted(kin, key=distance)[:3]}.keys() == set(said)
    assert said[0] == min(kin, key=distance).name


@pytest.mark.parametrize("member", PRESETS.values(), ids=PRESETS)
def test_a_slip_in_a_name_is_put_right(member: Preset) -> None:
    with pytest.raises(Refusal, match=f"did you mean '{member.name}'"):
        preset(f"{member.label}x")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("medum", "did you mean 'gpt2-medium' or 'gpt3-medium'"),
        ("pythai", "did you mean 'pythia'"),
        ("gpt2-medum", "did you mean 'gpt2-medium'"),
        ("gtp3 13b", "did you mean 'gpt3-13b'"),
        ("pythia", "There are: pythia-1.4b, pythia-12b"),
        ("llama", "There are: chinchilla, gpt1, gpt2, gpt3, neox, pythia"),
        ("", "There are: chinchilla"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(Refusal, match=said) as refusal:
        preset(name)
    assert "\n" not in str(refusal.value)


def test_later_fields_win_over_a_preset() -> None:
    fields = expanded({"width": 1, "preset": "gpt2-medium", "depth": 2})
    assert (fields["width"], fields["depth"], fields["heads"]) == (1024, 2, 16)
    assert "preset" not in fields


# --- the command


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["models", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_tells_of_every_member(capsys: pytest.CaptureFixture[str]) -> None:
    found = {model["name"]: model for model in told(capsys)}
    assert found.keys() == PRESETS.keys()
    for name, model in found.items():
        parts = [model[f"params_{part}"] for part in ("embedding", "position", "block", "norm", "head")]
        assert sum(parts) == model["params"] == PRESETS[name].counts().params
        assert (
            model["six_n"]
            == 6 * model["params"]
            == pytest.approx((1 + model["six_n_error"]) * model["flops_per_token"])
        )
        assert model["state_bytes"] == 16 * model["params"]
        assert model["source"]
    largest = found["gpt3-175b"]
    assert largest["shape"]["heads"] == 96
    assert largest["recipe"] == {"batch_tokens": 3_200_000, "learning_rate": 6e-5, "tokens": 300_000_000_000}
    assert largest["training_flops"] == largest["flops_per_token"] * 300_000_000_000
    assert largest["pf_days_six_n"] == pytest.approx(3_640, rel=0.01)
    assert found["gpt2-xl"]["pf_days"] is None
    assert found["gpt2-xl"]["other_counts"][0]["params"] == COUNTED_ELSEWHERE["gpt2-xl"]


def test_tokens_are_the_users_where_given(capsys: pytest.CaptureFixture[str]) -> None:
    (model,) = told(capsys, "Pythia 160M", "--tokens", "1e9")
    assert model["training_flops"] == model["flops_per_token"] * 1_000_000_000
    assert model["recipe"]["tokens"] == 299_892_736_000


@pytest.mark.parametrize("text", ["300e9", "300_000_000_000", "300B", "300b", "0.3T", "300000M", "3e8k", "300 B"])
def test_tokens_may_be_written_in_many_ways(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert told(capsys, "gpt1", "--tokens", text)[0]["tokens"] == 300_000_000_000


def test_a_shape_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--set", "variant=modern", "depth=12,24", "width=384", "--set", "heads=6")
    shallow, deep = told(capsys, *words)
    assert deep["params_block"] == 2 * shallow["params_block"] == 24 * 12 * 384**2
    assert (deep["family"], deep["source"], deep["recipe"]["tokens"]) == ("own", None, None)


def test_a_preset_with_a_field_changed(capsys: pytest.CaptureFixture[str]) -> None:
    (longer,) = told(capsys, "gpt2-medium", "--set", "context=2048")
    assert longer["params"] == PARAMETERS["gpt3-medium"]
    assert longer["recipe"]["batch_tokens"] is None


@pytest.mark.parametrize("width", [80, 110])
def test_the_tables_fit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    from sweeps import _show

    monkeypatch.setattr(_show.console, "width", width)
    for words in ([], ["pythia", "chinchilla"]):
        assert main(["models", *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        rows = [line.split()[0] for line in lines if line.strip()]
        assert rows.count("pythia-160m") == 2
        assert rows.count("chinchilla-16183m") == (2 if words else 0)
        assert "…" not in "".join(lines)


def test_one_model_gets_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "gpt2-medium"]) == 0
    card = capsys.readouterr().out
    for said in (
        "354,823,168",
        "345M in the paper: 344,809,472",
        "batches of 524,288",
        "no rate",
        "Radford et al. 2019",
    ):
        assert said in card


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gpt2-medum"], "did you mean 'gpt2-medium'"),
        *(
            (["gpt1", "--tokens", text], "or 300B")
            for text in ("nan", "inf", "0", "3oob", "300G", "B", "", "1e19", "1e999T")
        ),
        (["117M"], "'gpt1' or 'gpt2-small' or 'chinchilla-117m'"),
        (["--set", "depth=12"], "no width and no heads"),
        (["--set", "depth=12", "width=385", "heads=6"], "use heads=5"),
        (["gpt1", "--set", "widht=4"], "did you mean 'width'"),
        (["gpt1", "--set", "vocab_size=x"], "vocab_size='x'"),
        (["gpt1", "--set", "width"], "FIELD=VALUE"),
        (["--set", "preset=gpt5", "width=1"], "There are:"),
    ],
    ids=" ".join,
)
def test_a_mistake_gets_one_line(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["models", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_presets_need_neither_torch_nor_pandas() -> None:
    code = "import sys, harness.presets, harness.costs; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
