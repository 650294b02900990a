"""What each variant of the GPT family is made of: which choices it leaves, what it takes where nothing is said."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, cast

from harness.refusal import Refusal, pick


class Shape(Protocol):
    """Whatever says how a model is cut: a Spec, a preset, or a row of a table once it is `completed`."""

    @property
    def variant(self) -> str: ...
    @property
    def depth(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def kv_heads(self) -> int: ...
    @property
    def head_width(self) -> int: ...
    @property
    def mlp_width(self) -> int: ...
    @property
    def activation(self) -> str: ...
    @property
    def norm(self) -> str: ...
    @property
    def norm_epsilon(self) -> float: ...
    @property
    def qk_norm(self) -> str: ...
    @property
    def rotary_base(self) -> float: ...
    @property
    def window(self) -> int: ...


@dataclass(frozen=True)
class Anatomy:
    """One variant; where it leaves a choice, the first is what it takes unasked.

    Norms: `layer` (with bias), `rms` (learned gains), `plain_rms` (no gains; the embedding is normalised too).
    """

    source: str
    positions: str  # learned, rotary or relative
    norms: tuple[str, ...]
    activations: tuple[str, ...]
    biases: bool
    tied: bool  # the head is the embedding
    final_norm: bool = True
    pre_norm: bool = True  # each half block normalises what it reads, not what it leaves
    qk_norms: tuple[str, ...] = ("none",)
    grouped: bool = False  # whether several heads may share keys and values
    banded: bool = False  # whether every other layer sees no further than `window`
    rotary_fraction: float = 0.0  # of a head's features
    norm_epsilon: float = 1e-5


ANATOMIES: dict[str, Anatomy] = {
    "gpt1": Anatomy(
        source="Radford et al. 2018",
        positions="learned",
        norms=("layer",),
        activations=("gelu",),
        biases=True,
        tied=True,
        final_norm=False,
        pre_norm=False,
    ),
    "gpt2": Anatomy(
        source="Radford et al. 2019",
        positions="learned",
        norms=("layer",),
        activations=("gelu",),
        biases=True,
        tied=True,
    ),
    "gpt3": Anatomy(
        source="arXiv 2005.14165",
        positions="learned",
        norms=("layer",),
        activations=("gelu",),
        biases=True,
        tied=True,
        banded=True,
    ),
    "neox": Anatomy(
        source="arXiv 2204.06745, 2304.01373",
        positions="rotary",
        norms=("layer",),
        activations=("exact_gelu",),
        biases=True,
        tied=False,
        rotary_fraction=0.25,
    ),
    "chinchilla": Anatomy(
        source="arXiv 2203.15556, 2112.11446; positions of 1901.02860",
        positions="relative",
        norms=("rms",),
        activations=("gelu",),
        biases=False,
        tied=True,
    ),
    "modern": Anatomy(
        source="arXiv 2104.09864, 2002.05202, 2109.08668, 2305.13245",
        positions="rotary",
        norms=("plain_rms", "rms"),
        activations=("squared_relu", "swiglu"),
        biases=False,
        tied=False,
        qk_norms=("rms", "none"),
        grouped=True,
        rotary_fraction=1.0,
        norm_epsilon=1e-6,
    ),
}

GATED = ("swiglu",)  # activations of two projections, of which one gates the other

ROTARY_BASE = 10_000.0  # arXiv 2104.09864, section 3.2.2
# arXiv 2005.14165 prints no bandwidth; an eighth of the context is the 256 of 2048 that GPT-Neo took.
WINDOWS_A_CONTEXT = 8
# Two thirds of 4 d: as many parameters in three matrices as else in two (arXiv 2002.05202, section 2)
GATED_WIDTH, GATED_MULTIPLE = 8 / 3, 8


# The fields of a shape that may be left open.
CHOICES = (
    "kv_heads",
    "head_width",
    "mlp_width",
    "activation",
    "norm",
    "norm_epsilon",
    "qk_norm",
    "rotary_base",
    "window",
)


def shape_of(fields: Mapping[str, Any]) -> Shape:
    """The shape that these fields say, completed."""
    return cast(Shape, SimpleNamespace(**completed(fields)))


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with what the variant takes for every choice of its anatomy that they leave open."""
    anatomy = pick(ANATOMIES, fields["variant"], "variant")
    width, heads, context = fields["width"], fields["heads"], fields["context"]
    activation = fields.get("activation", anatomy.activations[0])
    mlp_width = 4 * width
    if activation in GATED:
        mlp_width = max(1, round(GATED_WIDTH * width / GATED_MULTIPLE)) * GATED_MULTIPLE
    if "head_width" not in fields and width % heads:
        raise Refusal(
            f"width={width} is not divisible by heads={heads}: each head needs an equal share; use "
            f"heads={_nearest_divisor(width, heads)}, width={max(1, round(width / heads)) * heads}, or say head_width"
        )
    return {
        "kv_heads": heads,
        "head_width": width // heads,
        "mlp_width": mlp_width,
        "activation": activation,
        "norm": anatomy.norms[0],
        "norm_epsilon": anatomy.norm_epsilon,
        "qk_norm": anatomy.qk_norms[0],
        "rotary_base": ROTARY_BASE if anatomy.positions == "rotary" else 0.0,
        "window": -(-context // WINDOWS_A_CONTEXT) if anatomy.banded else context,
        **fields,
    }


def rotary_features(shape: Shape) -> int:
    """How many of a head's features are turned by their position."""
    return int(shape.head_width * ANATOMIES[shape.variant].rotary_fraction)


def check_shape(shape: Shape) -> None:
    """Refuses a shape that its variant cannot be cut to."""
    anatomy = pick(ANATOMIES, shape.variant, "variant")
    for field, choices in (
        ("activation", anatomy.activations),
        ("norm", anatomy.norms),
        ("qk_norm", anatomy.qk_norms),
    ):
        if getattr(shape, field) not in choices:
            raise Refusal(
                f"{field}={getattr(shape, field)!r}: variant={shape.variant} has {' or '.join(choices)}; "
                f"use {field}={choices[0]}"
            )
    _check_rotary(shape, anatomy)
    if shape.heads % shape.kv_heads:
        raise Refusal(
            f"heads={shape.heads} is not divisible by kv_heads={shape.kv_heads}: as many heads share each key; "
            f"use kv_heads={_nearest_divisor(shape.heads, shape.kv_heads)}"
        )
    if shape.kv_heads != shape.heads and not anatomy.grouped:
        raise Refusal(
            f"kv_heads={shape.kv_heads}: variant={shape.variant} has keys and values for each of its {shape.heads} "
            f"heads; use kv_heads={shape.heads}, or variant=modern"
        )
    if not anatomy.banded and shape.window != shape.context:
        raise Refusal(
            f"window={shape.window}: variant={shape.variant} sees all of its context={shape.context} in every layer; "
            f"use window={shape.context}, or variant=gpt3"
        )
    if shape.window > shape.context:
        raise Refusal(f"window={shape.window} reaches beyond context={shape.context}; use at most {shape.context}")


def _check_rotary(shape: Shape, anatomy: Anatomy) -> None:
    if anatomy.positions != "rotary":
        if shape.rotary_base:
            raise Refusal(
                f"rotary_base={shape.rotary_base:g}: variant={shape.variant} has {anatomy.positions} positions; use 0"
            )
        return
    if shape.rotary_base <= 1:
        raise Refusal(f"rotary_base={shape.rotary_base:g}: angles fall as powers of it; use {ROTARY_BASE:g}")
    features = rotary_features(shape)
    if features < 2 or features % 2:
        near = sorted(range(1, 2 * shape.head_width + 16), key=lambda c: (abs(c - shape.head_width), -c))
        fitting = next(c for c in near if _pairs(c, anatomy))
        own = shape.head_width * shape.heads == shape.width
        cure = f"width={shape.heads * fitting}" if own else f"head_width={fitting}"
        raise Refusal(
            f"width={shape.width} with heads={shape.heads} gives heads of {shape.head_width}, of which "
            f"{shape.variant} rotates {features} features in pairs: it must be even and at least 2; use {cure}"
        )


def _pairs(head_width: int, anatomy: Anatomy) -> bool:
    features = int(head_width * anatomy.rotary_fraction)
    return features >= 2 and features % 2 == 0


def _nearest_divisor(whole: int, wanted: int) -> int:
    divisors = (part for part in range(1, whole + 1) if whole % part == 0)
    return min(divisors, key=lambda part: abs(part - wanted))
