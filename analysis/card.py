"""A fit card: a JSON file that says everything of a fit, foretells from it, and makes it again."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from analysis.certify import Certificate
from analysis.fit import Fit, Options, plain
from analysis.laws import LAWS
from analysis.optimum import Shapes
from analysis.study import LEVEL, Study
from harness.record import write_json
from harness.refusal import Refusal, pick

FORM = "scalelaw fit card 1"
# Relative differences below which a fit made again is the same: other machines round otherwise, and end elsewhere on a
# flat bottom; a thousandth of what a number is uncertain by makes no difference either.
SAME_OBJECTIVE, SAME, SAME_SHARE = 1e-9, 1e-6, 1e-3


@dataclass(frozen=True)
class Card:
    """A fit, where its rows came from, and the ranges in which it has seen anything."""

    known: Fit
    source: Mapping[str, Any]
    shapes: Shapes
    ranges: Mapping[str, tuple[float, float]]
    versions: Mapping[str, str]

    def to_json(self, draws: bool = True) -> dict[str, Any]:
        """Plain JSON values, numbers in full digits; without the draws it is what `fit --json` prints."""
        facts = {"form": FORM} | self.known.to_json() | {"convention": self.source["convention"]}
        facts |= {
            "level": LEVEL,
            "objective_name": self.known.options.objective,
            "data": dict(self.source),
            "options": asdict(self.known.options),
            "shapes": {name: value if np.isfinite(value) else None for name, value in asdict(self.shapes).items()},
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "versions": dict(self.versions),
        }
        if draws:
            facts |= {
                "draws": self.known.draws.tolist(),
                "bound_share": self.known.bound_share,
                "residuals": self.known.residuals.tolist(),
                "trunk_residuals": self.known.trunk_residuals.tolist(),
            }
        return facts

    def foretell(self, given: Mapping[str, float]) -> dict[str, Any]:
        """The law's value at one setting, the interval of its curve and that of a new trunk; C, M and aspect follow."""
        self._refuse_strangers(given)
        known, at = self.known, {name: np.float64(value) for name, value in given.items()}
        for name, value in at.items():
            if not (np.isfinite(value) and value > 0):
                raise Refusal(f"{name}={value:g}: a law's variables are positive, finite numbers; give one")
        with np.errstate(all="ignore"):
            if {"N", "D"} <= at.keys():
                at = {"C": self.shapes.compute(at["N"], at["D"]), "M": at["D"] / at["N"]} | at
            if {"depth", "width"} <= at.keys():
                at = {"aspect": at["width"] / at["depth"]} | at
        if not np.isfinite([*at.values(), *known.predict(at)]).all():
            said = ", ".join(f"{name}={value:g}" for name, value in given.items())
            raise Refusal(f"{said}: these lie further out than the law can be computed; give less extreme ones")
        curve, new = known.curve_interval(at), known.predict_interval(at)
        return {
            known.law.target: plain(known.predict(at)[0]),
            "curve_interval": [plain(end[0]) for end in curve],
            "new_trunk_interval": [plain(end[0]) for end in new],
            "at": {name: float(value) for name, value in at.items()},
        }

    def _refuse_strangers(self, given: Mapping[str, float]) -> None:
        """Refuses a name that the law neither asks for nor can derive what it asks for from."""
        law = self.known.law
        derived = {"C": ("N", "D"), "M": ("N", "D"), "aspect": ("depth", "width")}
        wanted = {*law.variables, *(part for name in law.variables for part in derived.get(name, ()))}
        for name in given:
            if name not in wanted:
                raise Refusal(
                    f"law {law.name!r} asks for no {name!r}: its variables are {', '.join(law.variables)}; "
                    "leave it out, or fit a law that asks for it"
                )

    def caution(self, asked: Mapping[str, float]) -> str:
        """Why an answer there is a guess: beyond the fitted rows, by an exponent that they do not identify."""
        lost = [name for name in self.known.law.judged if not self.known.identified(name)]
        beyond = [
            f"{name} = {value:.3g}"
            for name, value in asked.items()
            if name in self.ranges and not self.ranges[name][0] <= value <= self.ranges[name][1]
        ]
        if not lost or not beyond:
            return ""
        return (
            f"{', '.join(beyond)} {'lies' if len(beyond) == 1 else 'lie'} beyond the fitted rows, and they do "
            f"not identify {', '.join(lost)}: a guess, not a forecast"
        )


def make_card(study: Study) -> Card:
    """The card of the study's fit."""
    known, rows = study.fit, study.fitted
    source: dict[str, Any] = {
        "kind": "table" if study.is_table else "sweep",
        "path": str(study.root),
        "convention": study.convention,
    }
    if study.is_table:
        source["sha256"] = hashlib.sha256(study.root.read_bytes()).hexdigest()
        source |= {name: dict(study.raw.attrs.get(name, {})) for name in ("columns", "derived")}
    wanted = [name for name in (*known.law.variables, "N", "D", "C", "depth", "width") if name in rows]
    ranges = {name: (float(rows[name].min()), float(rows[name].max())) for name in dict.fromkeys(wanted)}
    return Card(known, source, Shapes.of(rows), ranges, _versions())


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in ("scalelaw", "numpy", "scipy")}


def write_card(card: Card, path: Path) -> None:
    """The card as a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, card.to_json())


def read_card(path: Path) -> Card:
    """The card that `write_card` wrote; anything else is refused in one line."""
    try:
        facts = json.loads(path.read_text())
        if facts["form"] != FORM:
            raise ValueError(f"its form is {facts['form']!r}, not {FORM!r}")
        law = pick(LAWS, facts["law"], "law")
        known = Fit(
            law=law,
            options=Options(**facts["options"]),
            parameters={name: float("nan") if v is None else float(v) for name, v in facts["parameters"].items()},
            objective=facts["objective"],
            certificate=Certificate.from_json(facts["certificate"]),
            rows=facts["rows"],
            clusters=facts["clusters"],
            excluded=facts["excluded"],
            draws=np.array(facts["draws"], np.float64).reshape(-1, len(law.parameters)),
            bound_share=facts["bound_share"],
            residuals=np.array(facts["residuals"]),
            trunk_residuals=np.array(facts["trunk_residuals"]),
            data_hash=facts["data_hash"],
        )
        shapes = Shapes(**{name: np.nan if v is None else v for name, v in facts["shapes"].items()})
        ranges = {name: (float(low), float(high)) for name, (low, high) in facts["ranges"].items()}
        return Card(known, facts["data"], shapes, ranges, facts["versions"])
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Refusal(f"{path} cannot be read as a fit card: {reason}; give the path of one") from None
    except Refusal:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise Refusal(f"{path} is not a fit card: {what}; write one with scalelaw fit TABLE --card {path}") from None


def study_of(card: Card, folder: Path = Path()) -> Study:
    """The study that the card's fit was made from, refused where its data are gone or have changed.

    They are looked for where the card says, then so seen from the card's folder, then beside the card.
    """
    written = Path(card.source["path"])
    is_table = card.source["kind"] == "table"
    places = [written, folder / written, folder / written.name]
    there = [place for place in places if (place.is_file() if is_table else place.is_dir())]
    if not there:
        raise Refusal(
            f"the card's data {written} are gone: put them back, there or beside the card, or fit another table"
        )
    path = there[0]
    if is_table:
        hashes = {place: hashlib.sha256(place.read_bytes()).hexdigest() for place in there}
        path = next((place for place in there if hashes[place] == card.source["sha256"]), path)
        if hashes[path] != card.source["sha256"]:
            raise Refusal(
                f"{path} has changed since the card was written (sha256 {hashes[path][:12]}, then "
                f"{card.source['sha256'][:12]}): put the old file back, or fit the new one"
            )
    options = asdict(card.known.options)
    bootstrap = options.pop("bootstrap")
    columns = card.source.get("columns", {})
    return Study(path, card.known.law.name, card.source["convention"], bootstrap, columns, options)


def differences(card: Card, again: Fit) -> dict[str, float]:
    """Relative difference of the objective and of every parameter and interval that differs by more than rounding."""
    known = card.known
    off = {"objective": _off(known.objective, again.objective, SAME_OBJECTIVE)}
    errors = np.sqrt(np.diagonal(known.covariance))
    ends, new_ends = known.intervals(), again.intervals()
    for (name, value), error in zip(known.parameters.items(), errors, strict=True):
        off[name] = _off(value, again.parameters[name], SAME, error)
        half = (ends[name][1] - ends[name][0]) / 2
        off[f"the interval of {name}"] = max(
            _off(old, new, SAME, half) for old, new in zip(ends[name], new_ends[name], strict=True)
        )
    return {name: value for name, value in off.items() if value}


def _off(old: float, new: float, same: float, uncertainty: float = 0.0) -> float:
    """The relative difference; nought where it is as good as none."""
    if np.isnan(old) or np.isnan(new):
        return 0.0 if np.isnan(old) and np.isnan(new) else np.inf
    gap = abs(new - old)
    if gap <= same * abs(old) or gap <= SAME_SHARE * uncertainty:
        return 0.0
    return gap / max(abs(old), 1e-300)
