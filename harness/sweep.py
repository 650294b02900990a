"""What VARIES: a base, axes over it and held-out rungs, laid out as specs; laws and tasks are declared here too."""

import importlib.util
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.presets import expanded
from harness.refusal import Refusal, nearest
from harness.spec import Spec, make_spec

Fields = dict[str, Any]
Axis = Sequence[Fields]
Resolve = Callable[[Fields], Fields]  # replaces every "auto" by what this machine and corpus give

HELD_OUT_RATIO = 4.0  # a held-out rung costs at least so many times every fitted one


@dataclass(frozen=True)
class Rung:
    spec: Spec
    held_out: bool


@dataclass(frozen=True)
class Sweep:
    """One question as a grid: rungs = base x product(axes), and apart from them base x product(held_out).

    A value of `base` may be a function of the other fields, e.g. `heads=lambda f: f["width"] // 16`; a field called
    `preset` stands for the shape of that name.
    """

    name: str
    question: str
    base: Mapping[str, Any]
    axes: Sequence[Axis]
    held_out: Sequence[Axis] = ()
    where: Callable[[Fields], bool] = lambda fields: True  # which points of the axes are wanted
    tasks: Sequence[str] = ()  # scored wherever a run is measured; its own corpus always is
    law: str = "chinchilla"  # the one the held-out forecast is made with, declared before any rung is trained
    convention: str = "chinchilla"
    overrides: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # from --set
    parents: Sequence["Sweep"] = ()  # whose runs its rungs start from (harness/parents.py), launched before it

    def rungs(self, resolve: Resolve) -> list[Rung]:
        """Every rung, once, held-out ones last; refuses an unknown field and a held-out rung inside a fitted trunk."""
        fitted = self._layout(self.axes, resolve, self.where)
        held_out = self._layout(self.held_out, resolve, lambda fields: True) if self.held_out else []
        shared = {spec.trunk_id for spec in fitted} & {spec.trunk_id for spec in held_out}
        if shared:
            raise Refusal(
                f"sweep {self.name!r} holds out rungs of trunks that it also fits ({', '.join(sorted(shared))}): "
                "a trunk is held out whole; give the held-out rungs a shape of their own"
            )
        if not fitted:
            raise Refusal(f"sweep {self.name!r} has no rungs left: its `where` or --set removes all; loosen one")
        return [Rung(spec, False) for spec in fitted] + [Rung(spec, True) for spec in held_out]

    def _layout(self, axes: Sequence[Axis], resolve: Resolve, where: Callable[[Fields], bool]) -> list[Spec]:
        overrides = [[{name: value} for value in values] for name, values in self.overrides.items()]
        # The last word on a field counts. On held-out rungs their own axes have it: an override does not move them.
        parts = [*overrides, *axes] if axes is self.held_out else [*axes, *overrides]
        specs: dict[str, Spec] = {}
        for point in itertools.product(*parts):
            fields: Fields = {}
            for part in (self.base, *point):
                fields = {name: value for name, value in fields.items() if name not in part} | dict(part)
            fields = expanded(fields)
            known = {name: value for name, value in fields.items() if not callable(value)}
            fields = {
                name: _computed(name, value, known) if callable(value) else value for name, value in fields.items()
            }
            if _computed("where", where, fields):
                spec = make_spec(resolve(fields))
                specs[spec.run_id] = spec
        return list(specs.values())


def _computed(name: str, rule: Callable[[Fields], Any], known: Fields) -> Any:
    try:
        return rule(known)
    except Exception as error:
        given = ", ".join(f"{field}={value!r}" for field, value in known.items())
        raise Refusal(
            f"{name} cannot be computed ({type(error).__name__}: {error}) from {given}: mend the odd one"
        ) from None


def over(names: str, *values: Any) -> list[Fields]:
    """An axis, `over("tokens", 1_024, 2_048)`, or fields moving together, `over("depth width", (1, 16), (2, 32))`."""
    columns = names.split()
    rows = [value if len(columns) > 1 else (value,) for value in values]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def find_sweep(name: str, folder: Path) -> Sweep:
    """The SWEEP of `folder`/<name>.py, or of a path to a .py file."""
    path = Path(name) if name.endswith(".py") else folder / f"{name}.py"
    known = [file.stem for file in folder.glob("[a-z]*.py")]
    if not path.is_file():
        raise Refusal(f"no sweep is called {name!r}: name one of sweeps/ or a .py file; {nearest(name, known)}")
    module_spec = importlib.util.spec_from_file_location(f"sweep_{path.stem}", path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise Refusal(f"sweep file {path} does not load: {type(error).__name__}: {error}") from error
    sweep = getattr(module, "SWEEP", None)
    if not isinstance(sweep, Sweep):
        raise Refusal(f"sweep file {path} has no SWEEP: it must define SWEEP = Sweep(...)")
    return sweep
