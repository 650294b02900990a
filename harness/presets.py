"""The named members of the family: shape and recipe as published, found by whatever they are called."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from harness.anatomy import Shape, shape_of
from harness.counts import Parts, counts
from harness.refusal import Refusal, nearest


@dataclass(frozen=True)
class Recipe:
    """How a member was trained; None where its paper prints nothing."""

    batch_tokens: int | None = None
    learning_rate: float | None = None  # the highest of the schedule
    tokens: int | None = None


@dataclass(frozen=True)
class Preset:
    """One published model."""

    name: str
    label: str
    family: str
    variant: str
    depth: int
    width: int
    heads: int
    context: int
    vocab_size: int
    source: str
    recipe: Recipe = Recipe()
    head_width: int | None = None  # None: width / heads
    mlp_width: int | None = None  # None: the variant's own
    sizes: tuple[str, ...] = ()  # what tells it from its family, on its own or after the family's name
    spellings: tuple[str, ...] = ()  # what else it is called
    other_vocabularies: Mapping[str, int] = field(default_factory=dict)  # with which it is counted elsewhere, and why

    def fields(self) -> dict[str, Any]:
        """The fields of its shape, as a sweep's base takes them."""
        names = ("variant", "depth", "width", "heads", "context", "vocab_size", "head_width", "mlp_width")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def shape(self, vocab_size: int | None = None) -> Shape:
        """Its completed shape, with another vocabulary where one is given."""
        return shape_of(self.fields() | ({} if vocab_size is None else {"vocab_size": vocab_size}))

    def counts(self, vocab_size: int | None = None) -> Parts:
        """Its parameters and FLOPs in parts, with another vocabulary where one is given."""
        return counts(self.shape(vocab_size))


# --- the members

# Radford et al. 2019, table 2: name, depth, width, heads, its label, other sizes it goes by. The labels count the
# shapes with the vocabulary of GPT-1 (Radford et al. 2018); the released weights have their own.
GPT2 = (
    ("small", 12, 768, 12, "117M", ("124M",)),
    ("medium", 24, 1024, 16, "345M", ("355M",)),
    ("large", 36, 1280, 20, "762M", ("774M",)),
    ("xl", 48, 1600, 25, "1542M", ("1558M", "1.5B")),
)
GPT1_VOCABULARY, GPT1_SPECIAL_TOKENS = 40_478, 3  # start, delimiter and extract, learned in fine-tuning
GPT2_VOCABULARY = 50_257

# arXiv 2005.14165, table 2.1: name, depth, width, heads, batch in tokens (rounded there), rate, other sizes it goes by.
# It prints 24 heads of 128 for XL and a width of 5140 for 13B, neither of which gives the parameters of its table D.1;
# 16 and 5120 do.
GPT3 = (
    ("small", 12, 768, 12, 500_000, 6e-4, ("125M",)),
    ("medium", 24, 1024, 16, 500_000, 3e-4, ("350M",)),
    ("large", 24, 1536, 16, 500_000, 2.5e-4, ("760M",)),
    ("xl", 24, 2048, 16, 1_000_000, 2e-4, ("1.3B",)),
    ("2.7b", 32, 2560, 32, 1_000_000, 1.6e-4, ()),
    ("6.7b", 32, 4096, 32, 2_000_000, 1.2e-4, ()),
    ("13b", 40, 5120, 40, 2_000_000, 1e-4, ()),
    ("175b", 96, 12288, 96, 3_200_000, 0.6e-4, ()),
)
GPT3_TOKENS = 300_000_000_000

# arXiv 2204.06745, section 3: "approximately 3.15M tokens, or 1538 contexts"; the configuration of the run makes that
# 4 x 32 x 12 = 1536. The rate is the configuration's: the paper prints 0.97e-5, to which this one decays, for what it
# interpolates between GPT-3's 1e-4 and 0.6e-4.
NEOX_BATCH_TOKENS, NEOX_STEPS, NEOX_RATE = 1538 * 2048, 150_000, 0.97e-4

# arXiv 2304.01373, table 1: name, depth, width, heads, vocabulary (padded to the GPUs that share it) and rate. It
# prints 3e-4 for 1B; the configuration in its repository has 2.5e-4.
PYTHIA = (
    ("14m", 6, 128, 4, 50_304, 1e-3),
    ("31m", 6, 256, 8, 50_304, 1e-3),
    ("70m", 6, 512, 8, 50_304, 1e-3),
    ("160m", 12, 768, 12, 50_304, 6e-4),
    ("410m", 24, 1024, 16, 50_304, 3e-4),
    ("1b", 16, 2048, 8, 50_304, 3e-4),
    ("1.4b", 24, 2048, 16, 50_304, 2e-4),
    ("2.8b", 32, 2560, 32, 50_304, 1.6e-4),
    ("6.9b", 32, 4096, 32, 50_432, 1.2e-4),
    ("12b", 36, 5120, 40, 50_688, 1.2e-4),
)
PYTHIA_BATCH_TOKENS, PYTHIA_STEPS = 2_097_152, 143_000
PYTHIA_LATER, PYTHIA_LATER_SOURCE = ("14m", "31m"), "models/ of github.com/EleutherAI/pythia"  # after the paper

# arXiv 2203.15556, table A9: parameters in millions, layers, d_model, ffw_size, kv_size, heads
CHINCHILLA = (
    (44, 8, 512, 2048, 64, 8),
    (57, 9, 576, 2304, 64, 9),
    (74, 10, 640, 2560, 64, 10),
    (90, 13, 640, 2560, 64, 10),
    (106, 16, 640, 2560, 64, 10),
    (117, 12, 768, 3072, 64, 12),
    (140, 15, 768, 3072, 64, 12),
    (163, 18, 768, 3072, 64, 12),
    (175, 14, 896, 3584, 64, 14),
    (196, 16, 896, 3584, 64, 14),
    (217, 18, 896, 3584, 64, 14),
    (251, 16, 1024, 4096, 64, 16),
    (278, 18, 1024, 4096, 64, 16),
    (306, 20, 1024, 4096, 64, 16),
    (425, 18, 1280, 5120, 128, 10),
    (489, 21, 1280, 5120, 128, 10),
    (509, 18, 1408, 5632, 128, 11),
    (552, 24, 1280, 5120, 128, 10),
    (587, 21, 1408, 5632, 128, 11),
    (632, 19, 1536, 6144, 128, 12),
    (664, 24, 1408, 5632, 128, 11),
    (724, 22, 1536, 6144, 128, 12),
    (816, 25, 1536, 6144, 128, 12),
    (893, 20, 1792, 7168, 128, 14),
    (1018, 23, 1792, 7168, 128, 14),
    (1143, 26, 1792, 7168, 128, 14),
    (1266, 22, 2048, 8192, 128, 16),
    (1424, 22, 2176, 8704, 128, 17),
    (1429, 25, 2048, 8192, 128, 16),
    (1593, 28, 2048, 8192, 128, 16),
    (1609, 25, 2176, 8704, 128, 17),
    (1731, 24, 2304, 9216, 128, 18),
    (1794, 28, 2176, 8704, 128, 17),
    (2007, 28, 2304, 9216, 128, 18),
    (2283, 32, 2304, 9216, 128, 18),
    (2298, 26, 2560, 10240, 128, 20),
    (2639, 30, 2560, 10240, 128, 20),
    (2980, 34, 2560, 10240, 128, 20),
    (3530, 36, 2688, 10752, 128, 22),
    (3802, 36, 2816, 11264, 128, 22),
    (4084, 36, 2944, 11776, 128, 22),
    (4516, 36, 3072, 12288, 128, 24),
    (6796, 40, 3584, 14336, 128, 28),
    (9293, 42, 4096, 16384, 128, 32),
    (11452, 47, 4352, 17408, 128, 32),
    (12295, 44, 4608, 18432, 128, 36),
    (12569, 47, 4608, 18432, 128, 32),
    (13735, 47, 4864, 19456, 128, 32),
    (14940, 49, 4992, 19968, 128, 32),
    (16183, 47, 5120, 20480, 128, 40),
)


def _gpt1() -> Preset:
    return Preset(
        name="gpt1",
        label="GPT-1",
        family="gpt1",
        variant="gpt1",
        depth=12,
        width=768,
        heads=12,
        context=512,
        vocab_size=GPT1_VOCABULARY,
        source="Radford et al. 2018, section 4.1",
        recipe=Recipe(batch_tokens=64 * 512, learning_rate=2.5e-4),
        sizes=("117M",),
        spellings=("gpt", "openai-gpt"),
        other_vocabularies={
            f"with its {GPT1_SPECIAL_TOKENS} special tokens": GPT1_VOCABULARY + GPT1_SPECIAL_TOKENS,
        },
    )


def _gpt2() -> Iterable[Preset]:
    for size, depth, width, heads, label, sizes in GPT2:
        yield Preset(
            name=f"gpt2-{size}",
            label=f"GPT-2 {_title(size)}",
            family="gpt2",
            variant="gpt2",
            depth=depth,
            width=width,
            heads=heads,
            context=1024,
            vocab_size=GPT2_VOCABULARY,
            source="Radford et al. 2019, table 2 and section 2.3",
            recipe=Recipe(batch_tokens=512 * 1024),
            sizes=(size, label, *sizes),
            spellings=("gpt2",) if size == "small" else (),
            other_vocabularies={f"{label} in the paper": GPT1_VOCABULARY},
        )


def _gpt3() -> Iterable[Preset]:
    for size, depth, width, heads, batch_tokens, learning_rate, sizes in GPT3:
        yield Preset(
            name=f"gpt3-{size}",
            label=f"GPT-3 {_title(size)}",
            family="gpt3",
            variant="gpt3",
            depth=depth,
            width=width,
            heads=heads,
            context=2048,
            vocab_size=GPT2_VOCABULARY,
            source="arXiv 2005.14165, tables 2.1 and D.1",
            recipe=Recipe(batch_tokens, learning_rate, GPT3_TOKENS),
            sizes=(size, *sizes),
            spellings=("gpt3",) if size == "175b" else (),
        )


def _neox() -> Preset:
    return Preset(
        name="neox-20b",
        label="GPT-NeoX 20B",
        family="neox",
        variant="neox",
        depth=44,
        width=6144,
        heads=64,
        context=2048,
        vocab_size=50_432,
        source="arXiv 2204.06745, sections 2 and 3; configs/20B.yml of github.com/EleutherAI/gpt-neox",
        recipe=Recipe(NEOX_BATCH_TOKENS, NEOX_RATE, NEOX_STEPS * NEOX_BATCH_TOKENS),
        sizes=("20b",),
        spellings=("neox", "gpt-neox"),
    )


def _pythia() -> Iterable[Preset]:
    for size, depth, width, heads, vocab_size, learning_rate in PYTHIA:
        yield Preset(
            name=f"pythia-{size}",
            label=f"Pythia {size.upper()}",
            family="pythia",
            variant="neox",
            depth=depth,
            width=width,
            heads=heads,
            context=2048,
            vocab_size=vocab_size,
            source=PYTHIA_LATER_SOURCE if size in PYTHIA_LATER else "arXiv 2304.01373, table 1",
            recipe=Recipe(PYTHIA_BATCH_TOKENS, learning_rate, PYTHIA_STEPS * PYTHIA_BATCH_TOKENS),
            sizes=(size, "1.0b") if size == "1b" else (size,),
        )


def _chinchilla() -> Iterable[Preset]:
    for millions, depth, width, mlp_width, head_width, heads in CHINCHILLA:
        yield Preset(
            name=f"chinchilla-{millions}m",
            label=f"Chinchilla {millions}M",
            family="chinchilla",
            variant="chinchilla",
            depth=depth,
            width=width,
            heads=heads,
            context=2048,
            vocab_size=32_000,
            source="arXiv 2203.15556, table A9",
            head_width=None if head_width * heads == width else head_width,
            mlp_width=None if mlp_width == 4 * width else mlp_width,
            sizes=(f"{millions}m", f"{millions / 1000:g}b"),
        )


def _title(size: str) -> str:
    return size.upper() if size == "xl" or size[0].isdigit() else size


PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (_gpt1(), *_gpt2(), *_gpt3(), _neox(), *_pythia(), *_chinchilla())
}
FAMILIES: dict[str, list[Preset]] = {
    family: [preset for preset in PRESETS.values() if preset.family == family]
    for family in dict.fromkeys(preset.family for preset in PRESETS.values())
}


# --- finding them


def _squeezed(name: str) -> str:
    """What is left of a name when spelling is no matter: `EleutherAI/pythia-160m-deduped` and `Pythia 160M` are one."""
    return re.sub(r"[^a-z0-9.]", "", name.rsplit("/")[-1].lower()).removesuffix("deduped")


def _sizes(member: Preset) -> list[str]:
    return [_squeezed(size) for size in member.sizes]


SPELLINGS: dict[str, Preset] = {
    _squeezed(spelling): preset
    for preset in PRESETS.values()
    for spelling in (
        preset.name,
        preset.label,
        *preset.spellings,
        *(f"{preset.family}-{size}" for size in preset.sizes),
    )
}
SIZES: dict[str, list[Preset]] = {
    size: [preset for preset in PRESETS.values() if size in _sizes(preset)]
    for member in PRESETS.values()
    for size in _sizes(member)
}

UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
NEAR_IN_SIZE = 3


def amount(text: str) -> float | None:
    """`300e9`, `300_000_000_000` and `300B` as a number; None where the text is none."""
    unit = UNITS.get(text[-1:].lower())
    try:
        number = float(text[:-1] if unit else text) * (unit or 1)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def preset(name: str) -> Preset:
    """The member of that name or that size, however it is spelt; an unknown one is refused with the nearest."""
    spelt = _squeezed(name)
    if spelt in SPELLINGS:
        return SPELLINGS[spelt]
    alike = SIZES.get(spelt, [])
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise Refusal(f"{name!r} is the size of more than one preset: say {_either(alike)}")
    raise Refusal(f"no preset is called {name!r}: {_near_in_size(spelt) or _near_in_name(spelt)}")


def _near_in_size(spelt: str) -> str | None:
    """The members nearest to a size that none has, of the family that stands before it if one does."""
    family = next((family for family in FAMILIES if spelt.startswith(family)), "")
    size = spelt.removeprefix(family)
    asked = amount(size) if size[-1:] in UNITS else None
    if not asked:
        return None
    kin = FAMILIES.get(family) or PRESETS.values()
    near = sorted(kin, key=lambda member: abs(math.log(member.counts().params / asked)))
    return f"nearest in size: {', '.join(member.name for member in near[:NEAR_IN_SIZE])}"


def _near_in_name(spelt: str) -> str:
    named = SIZES | {spelling: [member] for spelling, member in SPELLINGS.items()} | FAMILIES
    close = get_close_matches(spelt, named, n=1)
    if not close:
        return f"`scalelaw models FAMILY` lists them; {nearest(spelt, FAMILIES)}"
    near = named[close[0]]
    families = dict.fromkeys(member.family for member in near)
    hint = repr(close[0]) if close[0] in FAMILIES else _either(near)
    kin = sorted(member.name for family in families for member in FAMILIES[family])
    return f"{'' if close[0] == spelt else f'did you mean {hint}? '}There are: {', '.join(kin)}"


def _either(several: Iterable[Preset]) -> str:
    return " or ".join(repr(member.name) for member in several)


def members(name: str) -> list[Preset]:
    """All of the family of that name, or the one member."""
    return FAMILIES.get(_squeezed(name)) or [preset(name)]


def expanded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the shape that `preset` names at its place: later ones win."""
    shape: dict[str, Any] = {}
    for name, value in fields.items():
        shape |= preset(str(value)).fields() if name == "preset" else {name: value}
    return shape
