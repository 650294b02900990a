"""What a run IS: a frozen, validated description; the hash of every field is the run's name."""

import hashlib
import json
import re
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.anatomy import ANATOMIES, CHOICES, check_shape, completed
from harness.refusal import Refusal, nearest

FIRST_EVAL_STEP = 64

# Fields that came after the first studies: left at what they are unasked, they change no run's name.
LATER_FIELDS = (*CHOICES, "parametrisation", "base_width", "base_depth", "transferred", "labels", "lm_weight")

# Radford et al. 2018, section 4.1: the weight of the language model's loss beside the classifier's
LM_WEIGHT = 0.5

# Parametrisations whose rules follow size, and which sizes.
BASES = {"mup": ("width",), "completep": ("width", "depth")}

# Name -> ids; None: trained to whatever size the spec says
TOKENIZER_VOCABULARY: dict[str, int | None] = {"bytes": 256, "bpe": None, "gpt2": 50_257}


def is_kept(tokenizer: str) -> bool:
    """Whether it names a tokenizer.json by its content, which a cache keeps under that name."""
    return re.fullmatch(r"sha256:[0-9a-f]{16}", tokenizer) is not None


class Spec(BaseModel):
    """One rung: a model shape trained on its first `tokens` tokens of data, then measured.

    Every field takes part in `run_id`; what does not change a result (paths, workers) is not in here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    seed: int = Field(0, ge=0)  # initialisation and data order both
    parent: str | None = None  # run_id of the run whose weights this one starts from

    variant: str = "modern"
    depth: int = Field(ge=1, le=100_000)
    width: int = Field(ge=2, le=1_000_000)
    heads: int = Field(ge=1)
    context: int = Field(64, ge=2, le=10_000_000)
    vocab_size: int = Field(256, ge=2, le=10_000_000)
    # What is left out of these is the variant's own choice (harness/anatomy.py).
    kv_heads: int = Field(ge=1)  # heads of keys and values
    head_width: int = Field(ge=1)
    mlp_width: int = Field(ge=1)
    activation: str
    norm: str
    norm_epsilon: float = Field(gt=0, lt=1)
    qk_norm: str
    rotary_base: float = Field(ge=0)  # 0: no rotary positions
    window: int = Field(ge=1)  # how far every other layer of a banded variant sees

    # How initialisation, rates and multipliers follow size, from what they are at the base.
    parametrisation: Literal["standard", "mup", "completep"] = "standard"
    base_width: int = Field(ge=1)
    base_depth: int = Field(ge=1)

    transferred: int = Field(ge=0)  # first blocks taken from the parent, the embedding always; left out, all of them
    labels: str = ""  # a labelled set: the run learns to classify it, and `unique_tokens` are windows of one example
    lm_weight: float = Field(LM_WEIGHT, ge=0)  # of the loss on the examples' own tokens, beside the classifier's

    corpus: str = "sotu"
    tokenizer: str = "bytes"  # or a tokenizer.json's hash; that may have fewer ids than the vocabulary
    unique_tokens: int = Field(ge=1)  # the pool that the data order permutes
    epochs: float = Field(1.0, gt=0)  # how often the pool may be read
    tokens: int = Field(ge=1)  # the budget of this rung

    learning_rate: float = Field(0.005, gt=0)
    batch_tokens: int = Field(1024, ge=1)
    schedule: Literal["wsd", "cosine"] = "wsd"
    warmup_tokens: int = Field(51_200, ge=0)
    cooldown_fraction: float = Field(0.2, gt=0, lt=1)  # of `tokens`; arXiv 2405.18392
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    epsilon: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.1, ge=0)  # on matrices, times the learning rate
    clip_norm: float = Field(1.0, gt=0)

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    kernel: Literal["eager", "compiled"] = "eager"

    eval_tokens: int = Field(65_536, ge=1)  # at most so many of the validation text are scored
    evals_per_doubling: int = Field(1, ge=1, le=16)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Stores every choice that was left open; what cannot be read is left for the fields to refuse."""
        defaults = {name: field.default for name, field in cls.model_fields.items() if not field.is_required()}
        fields = {**defaults, **given}
        fields |= {name: _whole(fields.get(name)) for name in ("depth", "width", "heads", "context")}
        sizes = [fields[name] for name in ("depth", "width", "heads", "context")]
        if not all(isinstance(size, int) and size > 0 for size in sizes) or not isinstance(fields["variant"], str):
            return given
        fields = completed(fields)
        for size in BASES.get(fields["parametrisation"], ()):
            if f"base_{size}" not in fields:
                raise ValueError(
                    f"parametrisation={fields['parametrisation']} follows {size} from a base at which its rates were "
                    f"found, and none is given; say base_{size}, for instance that of the smallest run"
                )
        transferred = fields["depth"] if fields["parent"] is not None else 0
        return {
            "base_width": fields["width"],
            "base_depth": fields["depth"],
            "transferred": transferred,
            **fields,
        }

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shape(self)
        self._check_parent()
        self._check_labels()
        self._check_bases()
        self._check_budget()
        self._check_tokenizer()
        return self

    def _check_parent(self) -> None:
        if self.parent is not None and not re.fullmatch(r"[0-9a-f]{12}", self.parent):
            raise ValueError(
                f"parent={self.parent!r} is no run id: name the run that it starts from by its folder, 12 digits from "
                "results/<sweep>/runs, or leave it out"
            )
        if self.parent is None and self.transferred:
            raise ValueError(
                f"transferred={self.transferred}: there is no parent to take blocks from; say parent, or leave it out"
            )
        if self.transferred > self.depth:
            raise ValueError(
                f"transferred={self.transferred} is more than the depth={self.depth} blocks that there are; "
                f"use transferred={self.depth}, or leave it out"
            )

    def _check_labels(self) -> None:
        if not self.labels and self.lm_weight != LM_WEIGHT:
            raise ValueError(
                f"lm_weight={self.lm_weight:g}: it weighs a language model's loss against a classifier's, and without "
                "labels there is no classifier; say labels, or leave it out"
            )
        if self.labels and self.kernel != "eager":
            raise ValueError(f"kernel={self.kernel}: classifiers are trained uncompiled; use kernel=eager with labels")

    def _check_bases(self) -> None:
        if self.parametrisation == "completep" and not ANATOMIES[self.variant].pre_norm:
            raise ValueError(
                f"parametrisation=completep: its depth rules are for blocks that normalise what they read, and "
                f"variant={self.variant} normalises what they leave; use parametrisation=mup, or variant=gpt2"
            )
        for size in ("width", "depth"):
            base = getattr(self, f"base_{size}")
            if size not in BASES.get(self.parametrisation, ()) and base != getattr(self, size):
                raise ValueError(
                    f"base_{size}={base}: parametrisation={self.parametrisation} knows no base {size}; "
                    "use parametrisation=completep, or leave it out"
                )

    def _check_budget(self) -> None:
        if self.batch_tokens % self.context:
            raise ValueError(
                f"batch_tokens={self.batch_tokens} is not a multiple of context={self.context}: a step reads whole "
                f"windows; use {max(1, round(self.batch_tokens / self.context)) * self.context}"
            )
        if self.tokens % self.batch_tokens:
            raise ValueError(
                f"tokens={self.tokens} is not a multiple of batch_tokens={self.batch_tokens}: a budget is whole steps; "
                f"use {max(1, round(self.tokens / self.batch_tokens)) * self.batch_tokens}"
            )
        if self.tokens > self.unique_tokens * self.epochs:
            raise ValueError(
                f"tokens={self.tokens} asks for {self.tokens / self.unique_tokens:.2f} readings of "
                f"unique_tokens={self.unique_tokens}, and epochs={self.epochs:g} allows fewer: "
                f"lower tokens, or say epochs={-(-self.tokens // self.unique_tokens)}"
            )
        if self.schedule == "wsd" and self.branch_step == self.steps:
            raise ValueError(
                f"cooldown_fraction={self.cooldown_fraction} of {self.steps} steps is less than one: a loss is decayed "
                f"only after a cool-down; use at least {1 / self.steps:.3g}"
            )
        if self.warmup_tokens > self.branch_step * self.batch_tokens:
            raise ValueError(
                f"warmup_tokens={self.warmup_tokens} reaches into the cool-down of tokens={self.tokens}: the rate must "
                f"have risen before it falls; use at most {self.branch_step * self.batch_tokens}"
            )

    def _check_tokenizer(self) -> None:
        if self.tokenizer not in TOKENIZER_VOCABULARY and not is_kept(self.tokenizer):
            raise ValueError(
                f"no tokenizer is called {self.tokenizer!r}, nor is it a tokenizer.json on this disk: "
                f"{nearest(self.tokenizer, TOKENIZER_VOCABULARY)}"
            )
        ids = TOKENIZER_VOCABULARY.get(self.tokenizer)
        if ids not in (None, self.vocab_size):
            raise ValueError(f"vocab_size={self.vocab_size} does not fit tokenizer={self.tokenizer}: use {ids}")

    @property
    def steps(self) -> int:
        return self.tokens // self.batch_tokens

    @property
    def branch_step(self) -> int:
        """The step at which this rung leaves its trunk: where its own cool-down begins."""
        return self.steps - round(self.cooldown_fraction * self.steps) if self.schedule == "wsd" else self.steps

    @property
    def warmup_steps(self) -> int:
        return -(-self.warmup_tokens // self.batch_tokens)

    @property
    def eval_steps(self) -> list[int]:
        """Where the run is measured: geometric steps, the same for every rung of a trunk, and its own last one."""
        grid, exponent = [], 0
        while (step := round(FIRST_EVAL_STEP * 2 ** (exponent / self.evals_per_doubling))) <= self.branch_step:
            grid.append(step)
            exponent += 1
        return [*(step for step in grid if step < self.steps), self.steps]

    @property
    def text(self) -> str:
        """Names what the model reads, as tokens."""
        return f"{self.corpus}/{self.tokenizer}/{self.vocab_size}"

    @cached_property
    def run_id(self) -> str:
        return _digest(self.said)

    @cached_property
    def trunk_id(self) -> str:
        """Rungs with the same trunk share all of training up to their cool-down (with cosine: nothing)."""
        shared = dict(self.said)
        if self.schedule == "wsd":
            for field in ("tokens", "epochs"):
                del shared[field]
        return _digest({"trunk": shared})

    @cached_property
    def said(self) -> dict[str, Any]:
        """The fields that make the name: later ones only where they say something that was not so before they came."""
        fields = self.model_dump(mode="json")
        early = {name: value for name, value in fields.items() if name not in LATER_FIELDS}
        unasked = completed({**early, "head_width": self.width // self.heads})
        unasked |= {"parametrisation": "standard", "base_width": self.width, "base_depth": self.depth}
        unasked |= {"transferred": 0 if self.parent is None else self.depth, "labels": "", "lm_weight": LM_WEIGHT}
        return early | {name: fields[name] for name in LATER_FIELDS if fields[name] != unasked[name]}


def _whole(value: Any) -> Any:
    """The whole number that 64.0 or "64" says; anything else as it is."""
    try:
        return int(value) if not isinstance(value, bool) and float(value) == int(float(value)) else value
    except (TypeError, ValueError, OverflowError):
        return value


def _digest(value: dict[str, Any]) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def make_spec(fields: dict[str, Any], cure: str = "change it with --set {field}=VALUE") -> Spec:
    """A Spec from plain values; anything wrong is refused in one line, what a field cannot hold with this cure."""
    for name in fields:
        if name not in Spec.model_fields:
            raise Refusal(f"no spec field is called {name!r}: {nearest(name, Spec.model_fields)}")
        if isinstance(fields[name], bool):
            raise Refusal(f"{name}={fields[name]}: no spec field is true or false; give its value")
    try:
        return Spec(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            raise Refusal(str(first["ctx"]["error"])) from None
        field = ".".join(str(part) for part in first["loc"])
        rule = first["msg"][0].lower() + first["msg"][1:]
        raise Refusal(f"{field}={first['input']!r}: {rule}; {cure.format(field=field)}") from None
