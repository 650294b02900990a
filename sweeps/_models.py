"""Named members of the family, and shapes of one's own, with what they cost: found, shown and told as JSON."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.anatomy import CHOICES, Shape
from harness.costs import activation_bytes, pf_days, six_n, six_n_error, state_bytes
from harness.counts import Parts, counts
from harness.presets import FAMILIES, PRESETS, Preset, Recipe, amount, expanded, members
from harness.refusal import Refusal, nearest
from harness.spec import Spec, make_spec
from sweeps import _show

SHAPE_FIELDS = ("depth", "width", "heads", "context", "vocab_size", *CHOICES)
SETTABLE = ("preset", "variant", *SHAPE_FIELDS)
ASKED_OF_A_SHAPE = ("depth", "width", "heads")
OWN_FAMILY = "own"
MOST_TOKENS = 1e18

LONG_FAMILY = 12  # one with more members is told in a line where nobody asked for it
WIDE = 104  # columns from which the tables show all they have
NAME_BESIDE_RECIPE = 11  # letters; in 80 columns a longer name leaves a recipe no room
NOTES = (
    "FLOPs a token: forward and backward, attention over the whole context. 6N: what that rule is off by, N being all "
    "parameters. PF-days: for these tokens (the recipe's, or --tokens D), exact and by 6ND. State: 16 bytes a "
    "parameter, float32 weights, gradients and Adam's moments. Window: half-precision activations of one context, "
    "attention matrix not kept, no dropout (arXiv 2205.05198), and logits."
)


@dataclass(frozen=True)
class Model:
    """One row: a preset, or a shape of one's own, which has none."""

    name: str
    shape: Shape
    tokens: int | None  # that its training is counted for
    preset: Preset | None

    @property
    def label(self) -> str:
        return self.preset.label if self.preset else self.name

    @property
    def family(self) -> str:
        return self.preset.family if self.preset else OWN_FAMILY

    @property
    def source(self) -> str | None:
        return self.preset.source if self.preset else None

    @property
    def recipe(self) -> Recipe:
        return self.preset.recipe if self.preset else Recipe()

    @property
    def other_counts(self) -> list[dict[str, Any]]:
        """Its parameters as they are counted elsewhere, with another vocabulary."""
        if self.preset is None:
            return []
        return [
            {"label": label, "vocab_size": size, "params": self.preset.counts(size).params}
            for label, size in self.preset.other_vocabularies.items()
        ]

    @property
    def parts(self) -> Parts:
        return counts(self.shape)

    def training(self, flops: int) -> float | None:
        """FLOPs of the whole training at so many a token."""
        return None if self.tokens is None else flops * self.tokens


# --- which


def find(names: Sequence[str], overrides: Mapping[str, Sequence[Any]], tokens: str | None) -> list[Model]:
    """The members and families of these names, each with every setting of the overrides; with neither, all members."""
    given = None if tokens is None else _tokens(tokens)
    asked = {member.name for name in names for member in members(name)}
    chosen = [member for member in PRESETS.values() if member.name in asked]
    if not overrides:
        return [_member(member, given) for member in chosen or PRESETS.values()]
    for name in overrides:
        if name not in SETTABLE:
            raise Refusal(f"no field of a shape is called {name!r}: {nearest(name, SETTABLE)}")
    settings = [dict(zip(overrides, values, strict=True)) for values in itertools.product(*overrides.values())]
    bases: list[Preset | None] = [*chosen] or [None]
    return [_own(base, setting, given) for base in bases for setting in settings]


def _tokens(text: str) -> int:
    tokens = amount(text)
    if tokens is None or not 1 <= tokens <= MOST_TOKENS:
        raise Refusal(
            f"--tokens {text!r} is no number from 1 to {MOST_TOKENS:.0e}: say for instance 300e9, 300_000_000_000 or "
            "300B (k, M, B or T)"
        )
    return round(tokens)


def _member(member: Preset, tokens: int | None) -> Model:
    return Model(member.name, member.shape(), member.recipe.tokens if tokens is None else tokens, member)


def _own(base: Preset | None, setting: dict[str, Any], tokens: int | None) -> Model:
    fields = expanded(({"preset": base.name} if base else {}) | setting)
    missing = [name for name in ASKED_OF_A_SHAPE if name not in fields]
    if missing:
        raise Refusal(
            f"--set says no {' and no '.join(missing)}: a shape of your own has all of {', '.join(ASKED_OF_A_SHAPE)}; "
            "say for instance --set depth=12 width=768 heads=12, or name a preset to change"
        )
    text = " ".join(f"{name}={value}" for name, value in setting.items())
    name = f"{base.name} {text}" if base else text
    return Model(name, _checked(fields), tokens, None)


def _checked(fields: dict[str, Any]) -> Spec:
    """A spec of this shape, which refuses what no run could have; one step of one window says the least else."""
    window = fields.get("context", Spec.model_fields["context"].default)
    step = dict.fromkeys(("tokens", "batch_tokens", "unique_tokens"), window)
    return make_spec({**fields, "tokenizer": "bpe", "schedule": "cosine", "warmup_tokens": 0, **step})


# --- as JSON


def to_json(models: Sequence[Model]) -> list[dict[str, Any]]:
    return [_object(model) for model in models]


def _object(model: Model) -> dict[str, Any]:
    parts, shape = model.parts, model.shape
    exact, rule = model.training(parts.flops), model.training(six_n(parts))
    return {
        "name": model.name,
        "label": model.label,
        "family": model.family,
        "variant": shape.variant,
        "shape": {name: getattr(shape, name) for name in SHAPE_FIELDS},
        **asdict(parts),
        "params": parts.params,
        "params_non_embedding": parts.params_non_embedding,
        "other_counts": model.other_counts,
        "flops_per_token": parts.flops,
        "six_n": six_n(parts),
        "six_n_error": six_n_error(parts),
        "tokens": model.tokens,
        "training_flops": exact,
        "pf_days": None if exact is None else pf_days(exact),
        "training_flops_six_n": rule,
        "pf_days_six_n": None if rule is None else pf_days(rule),
        "state_bytes": state_bytes(parts),
        "activation_bytes_per_window": activation_bytes(shape),
        "recipe": asdict(model.recipe),
        "source": model.source,
    }


# --- in a terminal


def show(models: Sequence[Model], asked: bool) -> None:
    """A card for one, two tables for more; a long family is left out of them where nobody `asked` for any."""
    if len(models) == 1:
        _card(models[0])
        return
    long = [] if asked else [family for family, kin in FAMILIES.items() if len(kin) > LONG_FAMILY]
    shown = [model for model in models if model.family not in long]
    _table("Sizes and recipes, as far as printed", shown, _sizes(shown))
    _show.console.print()
    _table("What training costs", shown, _costs())
    for family in long:
        kin = FAMILIES[family]
        _show.console.print(f"\nand the {len(kin)} from {kin[0].name} to {kin[-1].name}: scalelaw models {family}")
    _show.console.print()
    _sources(models)
    _show.console.print()
    _show.console.print(Text(NOTES, "dim"))


Column = tuple[str, Callable[[Model], str]]


def _sizes(models: Sequence[Model]) -> list[Column]:
    recipes: list[Column] = [
        ("batch", lambda m: _or_dash(_show.quantity, m.recipe.batch_tokens)),
        ("rate", lambda m: _or_dash(_rate, m.recipe.learning_rate)),
    ]
    wide = _show.console.width >= WIDE
    room = wide or max(len(model.name) for model in models) <= NAME_BESIDE_RECIPE
    printed = any(model.recipe != Recipe() for model in models)
    return [
        ("depth", lambda m: str(m.shape.depth)),
        ("width", lambda m: str(m.shape.width)),
        ("heads", lambda m: str(m.shape.heads)),
        *([("head", _head)] if wide else []),
        ("context", lambda m: str(m.shape.context)),
        ("vocab", lambda m: str(m.shape.vocab_size)),
        ("params", lambda m: f"{m.parts.params:,}"),
        *([("blocks and norms", _non_embedding)] if wide else []),
        *(recipes if room and printed else []),
    ]


def _costs() -> list[Column]:
    return [
        ("FLOPs/\ntoken", lambda m: _show.quantity(m.parts.flops)),
        ("6N", lambda m: _percent(six_n_error(m.parts))),
        ("tokens", lambda m: _or_dash(_show.quantity, m.tokens)),
        ("PF-days", lambda m: _or_dash(_days, m.training(m.parts.flops))),
        ("by 6ND", lambda m: _or_dash(_days, m.training(six_n(m.parts)))),
        ("state\nbytes", lambda m: _show.quantity(state_bytes(m.parts))),
        ("window\nbytes", lambda m: _show.quantity(activation_bytes(m.shape))),
    ]


def _table(title: str, models: Sequence[Model], columns: Sequence[Column]) -> None:
    """A row each, a blank one between families."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for family, kin in itertools.groupby(models, lambda model: model.family):
        if family != models[0].family:
            table.add_row()
        for model in kin:
            table.add_row(model.name, *(text(model) for _, text in columns))
    _show.console.print(table)


def _sources(models: Sequence[Model]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("family", "variant", "source"):
        table.add_column(heading)
    for family, kin in itertools.groupby(models, lambda model: model.family):
        rows = list(kin)
        sources = dict.fromkeys(model.source for model in rows if model.source)
        variants = dict.fromkeys(model.shape.variant for model in rows)
        table.add_row(family, ", ".join(variants), "; ".join(sources) or "yours")
    _show.console.print(table)


def _card(model: Model) -> None:
    """All there is to say of one model."""
    parts = model.parts
    table = Table(title=model.label, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row("shape", _cut(model.shape))
    table.add_row(
        "parameters",
        f"{parts.params:,}: embedding {parts.params_embedding:,}, positions {parts.params_position:,}, blocks "
        f"{parts.params_block:,}, norms {parts.params_norm:,}, head {parts.params_head:,}",
    )
    for other in model.other_counts:
        table.add_row("", f"{other['label']}: {other['params']:,} (vocabulary {other['vocab_size']:,})")
    table.add_row(
        "FLOPs a token",
        f"{parts.flops:.4g}: blocks {parts.flops_block:.3g}, attention {parts.flops_attention:.3g}, head "
        f"{parts.flops_head:.3g}; 6N is {six_n(parts):.4g}, {_percent(six_n_error(parts))}",
    )
    table.add_row("training", _training(model))
    table.add_row("state", f"{_show.quantity(state_bytes(parts))}B")
    table.add_row("window", f"{_show.quantity(activation_bytes(model.shape))}B")
    if model.source:
        table.add_row("recipe", _recipe(model.recipe))
        table.add_row("source", model.source)
    _show.console.print(table)
    _show.console.print()
    _show.console.print(Text(NOTES, "dim"))


def _cut(shape: Shape) -> str:
    heads = f"{shape.heads} heads of {shape.head_width}"
    shared = f" that share {shape.kv_heads} keys and values" if shape.kv_heads != shape.heads else ""
    band = f", {shape.window} in every other layer" if shape.window != shape.context else ""
    return (
        f"variant {shape.variant}, depth {shape.depth}, width {shape.width}, {heads}{shared}, MLP {shape.mlp_width} "
        f"({shape.activation}), context {shape.context}{band}, vocabulary {shape.vocab_size:,}"
    )


def _training(model: Model) -> str:
    exact, rule = model.training(model.parts.flops), model.training(six_n(model.parts))
    if exact is None or rule is None:
        return "say --tokens D for its FLOPs"
    return f"{model.tokens:,} tokens: {exact:.3g} FLOPs, {_days(exact)} PF-days ({_days(rule)} by 6ND)"


def _recipe(recipe: Recipe) -> str:
    batch = "no batch" if recipe.batch_tokens is None else f"batches of {recipe.batch_tokens:,} tokens"
    rate = "no rate" if recipe.learning_rate is None else f"rate {_rate(recipe.learning_rate)}"
    read = "no number of tokens" if recipe.tokens is None else f"{recipe.tokens:,} tokens"
    return f"printed: {batch}, {rate}, {read}"


def _head(model: Model) -> str:
    return str(model.shape.head_width)


def _non_embedding(model: Model) -> str:
    return f"{model.parts.params_non_embedding:,}"


def _or_dash(written: Callable[[Any], str], value: float | None) -> str:
    return "-" if value is None else written(value)


def _rate(rate: float) -> str:
    return f"{rate:.1e}".replace("e-0", "e-")


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _days(flops: float) -> str:
    days = pf_days(flops)
    return f"{days:,.0f}" if days >= 100 else f"{days:.3g}"
