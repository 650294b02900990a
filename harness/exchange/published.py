"""What a published class is to us, declared once for both directions: its configuration and where our weights lie."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.anatomy import ANATOMIES
from harness.exchange.multipliers import State, folded, unfolded
from harness.exchange.ways import NORMALISED, SAME, Way
from harness.models import build
from harness.models.family import Build
from harness.models.parametrisation import parametrise
from harness.refusal import Refusal

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A tensor of theirs, so many rows of one of ours (None: all)."""

    theirs: str
    way: Way = SAME
    rows: int | None = None


@dataclass(frozen=True)
class Pair:
    """A tensor of ours and the tensors of theirs that are its rows, first to last."""

    ours: str
    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.theirs for part in self.parts)

    def out(self, tensor: Tensor, spec: Build) -> Iterator[Tensor]:
        rows = [tensor.shape[0] if part.rows is None else part.rows for part in self.parts]
        for part, piece in zip(self.parts, torch.split(tensor, rows), strict=True):
            yield part.way.out(piece, spec)

    def back(self, state: State, spec: Build) -> Tensor:
        return torch.cat([part.way.back(state[part.theirs], spec) for part in self.parts])


@dataclass(frozen=True)
class Constant:
    """A vector of theirs that ours, which has none, computes as if it were this value everywhere."""

    theirs: str
    value: float
    features: int


Mapped = Pair | Constant


def pair(ours: str, theirs: str, way: Way = SAME) -> Pair:
    return Pair(ours, (Part(theirs, way),))


def weight_and_bias(ours: str, theirs: str, weight: Way = SAME, bias: Way = SAME) -> Iterator[Pair]:
    yield pair(f"{ours}.weight", f"{theirs}.weight", weight)
    yield pair(f"{ours}.bias", f"{theirs}.bias", bias)


@dataclass(frozen=True)
class Fixed:
    """A key of config.json that must have this value; `unsaid` is what the class takes where it is left out."""

    value: Any
    why: str
    unsaid: Any
    alike: tuple[Any, ...] = ()  # values that mean the same


def nothing(spec: Build) -> None:
    return None


def digest(state: State) -> str:
    """SHA-256 of the tensors by the names of their class: what other files hold the same are the same."""
    whole = hashlib.sha256()
    for name in sorted(state):
        whole.update(name.encode())
        whole.update(state[name].contiguous().numpy().tobytes())
    return whole.hexdigest()


@dataclass(frozen=True)
class Published:
    """A class of transformers that computes what specs with these `choices` compute.

    A folder that does not say which of several choices it is has the first.
    """

    model_type: str
    architecture: str
    base: str  # what the names of all weights but the head's begin with
    embedding: str  # the rest of its name
    choices: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, str]  # field of a spec -> key of config.json
    tensors: Callable[[Build], Iterable[Mapped]]  # all but embedding and head
    fixed: Mapping[str, Fixed] = field(default_factory=dict)
    unsaid: Mapping[str, float | None] = field(default_factory=dict)  # sizes that may be left out; None: the spec's own
    written: Mapping[str, Any] = field(default_factory=dict)  # keys that change no score
    head: str = "lm_head.weight"
    normalises_embedding: bool = False
    rotary_keys: tuple[str, ...] = ()  # older names of base and fraction
    obstacle: Callable[[Build], str | None] = nothing

    @property
    def variant(self) -> str:
        return self.choices["variant"][0]

    @property
    def tied(self) -> bool:
        """Whether it can only have one matrix for embedding and head."""
        return ANATOMIES[self.variant].tied

    @property
    def rotary_fraction(self) -> float:
        return ANATOMIES[self.variant].rotary_fraction

    def holds(self, spec: Build) -> bool:
        return all(getattr(spec, name) in values for name, values in self.choices.items())

    def refuse_what_it_has_not(self, spec: Build) -> None:
        """Refuses a spec of its choices that it still cannot compute."""
        cause = self._cause(spec)
        if cause:
            raise Refusal(f"{self.architecture}, transformers' class for variant={spec.variant}, {cause}")

    def _cause(self, spec: Build) -> str | None:
        share, logits = spec.width / spec.heads, parametrise(spec).logits
        if "head_width" not in self.sizes and spec.head_width != share:
            return f"has heads of width / heads = {share:g}, not head_width={spec.head_width}: leave that out"
        if "mlp_width" not in self.sizes and spec.mlp_width != 4 * spec.width:
            return f"has an MLP of 4 width = {4 * spec.width}, not mlp_width={spec.mlp_width}: leave that out"
        if self.tied and not ANATOMIES[spec.variant].final_norm and logits != 1:
            return (
                f"has no weights that could carry {logits:g}, by which parametrisation={spec.parametrisation} "
                "multiplies logits: the embedding is the head and no norm stands before it; use base_width=width"
            )
        return self.obstacle(spec)

    # --- weights

    def mapped(self, spec: Build) -> Iterator[Mapped]:
        """Every tensor of ours, and those that only theirs has."""
        normalised = spec.norm == "plain_rms" and not self.normalises_embedding
        yield pair("embedding", self.base + self.embedding, NORMALISED if normalised else SAME)
        yield from self.tensors(spec)
        if not self.tied:
            yield pair("head.weight", self.head)

    def to_theirs(self, state: State, spec: Build) -> State:
        """Their names and tensors for a state of ours."""
        ours, theirs = folded(state, spec), {}
        for mapped in self.mapped(spec):
            if isinstance(mapped, Constant):
                theirs[mapped.theirs] = torch.full((mapped.features,), mapped.value)
            else:
                theirs |= zip(mapped.names, mapped.out(ours.pop(mapped.ours), spec), strict=True)
        assert not ours, f"{self.model_type} says nothing of {sorted(ours)}"
        return theirs

    def to_ours(self, state: State, spec: Build) -> State:
        """The inverse; `state` has the names and shapes of `shapes`, and its constants are not looked at."""
        pairs = (mapped for mapped in self.mapped(spec) if isinstance(mapped, Pair))
        return unfolded({pair.ours: pair.back(state, spec).contiguous() for pair in pairs}, spec)

    def shapes(self, spec: Build) -> dict[str, torch.Size]:
        """Of each tensor that its folders hold."""
        state = build(spec, "meta").state_dict()
        return {name: tensor.shape for name, tensor in self.to_theirs(state, spec).items()}

    # --- configuration

    def config(self, spec: Build) -> Json:
        """What config.json says of a spec that it `holds`."""
        said: Json = {"architectures": [self.architecture], "model_type": self.model_type, "dtype": "float32"}
        said |= {key: getattr(spec, name) for name, key in self.sizes.items()}
        said |= {key: fixed.value for key, fixed in self.fixed.items()}
        said |= dict(self.written) | {"tie_word_embeddings": self.tied}
        if self.rotary_fraction:
            partial = {"partial_rotary_factor": self.rotary_fraction} if self.rotary_fraction != 1 else {}
            said["rope_parameters"] = {"rope_type": "default", "rope_theta": spec.rotary_base, **partial}
            said |= zip(self.rotary_keys, (spec.rotary_base, self.rotary_fraction), strict=False)
        return said

    def fields(self, config: Json) -> Json:
        """The spec fields that config.json says; refuses what makes another model of it."""
        for key, fixed in {**self.fixed, **EVERYWHERE}.items():
            value = config.get(key, fixed.unsaid)
            if value not in (fixed.value, *fixed.alike):
                raise _another(self, key, value, f"{fixed.why} ({key}={fixed.value!r})")
        if self.tied and not config.get("tie_word_embeddings", True):
            raise _another(self, "tie_word_embeddings", False, "its head is its embedding")
        said: Json = {name: values[0] for name, values in self.choices.items()}
        said |= {name: size for name in self.sizes if (size := self._size(name, config)) is not None}
        kinds = config.get("layer_types")
        if kinds and kinds != ["full_attention"] * said["depth"]:
            raise _another(self, "layer_types", kinds, "every layer sees the whole context")
        return said | ({"rotary_base": self._rotary_base(config)} if self.rotary_fraction else {})

    def _size(self, name: str, config: Json) -> Any:
        key = self.sizes[name]
        value = config.get(key)
        if value is None and name in self.unsaid:
            return self.unsaid[name]
        whole = name != "norm_epsilon"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise Refusal(f"{key}={value!r} in config.json: {self.architecture} has a {'whole ' * whole}number there")
        return value

    def _rotary_base(self, config: Json) -> float:
        said = config.get("rope_scaling") or config.get("rope_parameters") or {}
        if not isinstance(said, dict):
            raise Refusal(f"rope_parameters={said!r} in config.json: {self.architecture} has an object there")
        kind = said.get("rope_type", said.get("type", "default"))
        if kind != "default":
            raise _another(self, "rope_type", kind, "its angles are those of arXiv 2104.09864, not scaled")
        base_key, fraction_key = (*self.rotary_keys, "partial_rotary_factor")[:2]
        fraction = said.get("partial_rotary_factor", config.get(fraction_key, self.rotary_fraction))
        if fraction != self.rotary_fraction:
            why = f"it turns {self.rotary_fraction:g} of each head's features"
            raise _another(self, fraction_key, fraction, why)
        base = said.get("rope_theta", config.get(base_key, 10_000.0))
        if isinstance(base, bool) or not isinstance(base, int | float):
            raise Refusal(f"{base_key}={base!r} in config.json: {self.architecture} has a number there")
        return float(base)


# What any class may be told, and none of our variants has.
EVERYWHERE = {
    "quantization_config": Fixed(None, "its weights are numbers, not quantised", None),
    "is_causal": Fixed(True, "it sees no future", True),
}


def _another(published: Published, key: str, value: Any, why: str) -> Refusal:
    return Refusal(
        f"{key}={value!r} in config.json makes another model of {published.architecture} than variant="
        f"{published.variant} is: {why}; import a folder without it"
    )
