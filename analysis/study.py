"""Everything asked of one sweep's run folders or of one table, each answer computed once when it is first wanted."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from analysis.bakeoff import BakeOff, bake_off
from analysis.conventions import CONVENTIONS, add_counts
from analysis.coordinates import Coordinates, coordinate_check, is_check
from analysis.curves.hold_out import HeldOutScores, hold_out
from analysis.curves.scores import asked, task_names
from analysis.effective_data import PARENT, EffectiveData, effective_data
from analysis.fit import Fit, Options, fit, plain, rows_for
from analysis.forecast import Forecast, held_out_rows, score
from analysis.imported import read
from analysis.isoflop import IsoFlop, isoflop
from analysis.laws import LAWS
from analysis.laws.law import Law
from analysis.laws.powers import CHINCHILLA
from analysis.optimum import Shapes, allocation
from analysis.profile import Profile, profile
from analysis.rates import COLUMNS as RATE_COLUMNS
from analysis.rates import Rates, rate_curves, varies_rate
from analysis.selection import usable
from analysis.table import PART_COLUMNS, load
from analysis.transfer import Transfer, transfer
from analysis.wording import estimate
from harness.counts import counts
from harness.record import Run, read_run, read_runs, read_sweep
from harness.refusal import Refusal, pick
from harness.spec import Spec

Answer = TypeVar("Answer")

LEVEL = 0.90
LEVEL_WORDS = f"{100 * LEVEL:.0f} %"
BESIDE = 300  # replicates at most of what stands beside the sweep's own law: other conventions, other domains
ROWS_A_PARAMETER = 5
IMPORTED = "given"  # the convention of tables that came without parts


@dataclass(frozen=True)
class Study:
    """A sweep folder, or someone's own table, read under one law and one counting convention.

    None is what the sweep's design declares; a table's columns are counted as `given`. `columns` names a table's
    columns, `fitting` holds further fields of `analysis.fit.Options`. What the data cannot answer is refused when it is
    asked for.
    """

    root: Path
    law_name: str | None = None
    convention_name: str | None = None
    bootstrap: int = 1000
    columns: Mapping[str, str] = field(default_factory=dict)
    fitting: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_table(self) -> bool:
        return not self.root.is_dir()

    @cached_property
    def design(self) -> dict[str, Any]:
        if not self.is_table:
            return read_sweep(self.root)
        question = f"Which law do the rows of {self.root.name} carry?"
        return {"name": self.root.stem, "question": question, "convention": IMPORTED}

    @cached_property
    def runs(self) -> list[Run]:
        return [] if self.is_table else read_runs(self.root)

    @property
    def law(self) -> Law:
        return pick(LAWS, self.law_name or self.design.get("law", "chinchilla"), "law")

    @property
    def convention(self) -> str:
        return self.convention_name or self.design.get("convention", "chinchilla")

    @cached_property
    def raw(self) -> pd.DataFrame:
        return read(self.root, self.columns) if self.is_table else load(self.root)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every point of every run, with N, D and C."""
        return add_counts(self.raw, self.convention)

    @cached_property
    def decayed(self) -> pd.DataFrame:
        """Finished rungs; refused where there are none."""
        counts = tuple(name for name in ("N", "D", "C") if name in self.table or not self.is_table)
        phase = self.fitting.get("phase", "decayed")
        rows, _ = usable(self.table, (*counts, self.law.target), phase, held_out=True)
        if rows.empty:
            raise Refusal(f"{self.root} has no finished rung with a loss: launch the sweep, then ask again")
        return rows

    @cached_property
    def fitted(self) -> pd.DataFrame:
        """The rungs that the law's fit sees; all that are not held out, where it cannot be fitted."""
        try:
            return rows_for(self.law, self.table, Options(**self.fitting))[0]
        except Refusal:
            return self.decayed[~self.decayed["held_out"]]

    def everything(self, *names: str) -> pd.DataFrame:
        """Fitted and held-out rungs; refused where one of the columns is not there."""
        for name in names:
            if name not in self.decayed:
                raise Refusal(f"{self.root.name} has no {name}, and this needs it")
        return pd.concat([self.fitted, self.held_out])

    @property
    def loss_words(self) -> str:
        """What an axis with the law's target is called."""
        return self.law.target if self.is_table else "validation loss (nats per token)"

    @property
    def held_out(self) -> pd.DataFrame:
        return self.decayed[self.decayed["held_out"]]

    @property
    def conventions(self) -> list[str]:
        """Those that the table's columns can be counted by."""
        if self.is_table and not set(PART_COLUMNS) <= set(self.raw.columns):
            return [IMPORTED]
        return [name for name in CONVENTIONS if name != IMPORTED]

    @property
    def exponents(self) -> list[str]:
        """Those that a claim may rest on."""
        return list(self.law.judged)

    @cached_property
    def _fits(self) -> dict[str, Fit | Refusal]:
        return {}

    @cached_property
    def _answers(self) -> dict[Any, Any]:
        return {}

    def once(self, question: Callable[["Study"], Answer]) -> Answer:
        """Its answer, worked out the first time that it is asked; a refusal is given again."""
        if question not in self._answers:
            try:
                self._answers[question] = question(self)
            except Refusal as refusal:
                self._answers[question] = refusal
        answer = self._answers[question]
        if isinstance(answer, Refusal):
            raise answer
        found: Answer = answer
        return found

    @cached_property
    def lawless(self) -> str:
        """Why no law is asked of the rungs, and what is; empty where one is, or was named."""
        how = f"scalelaw fit {self.root.name} --rates"
        asked = {f"the best learning rate of each size ({how})": self.varies_rate}
        asked |= {"how far activations move": self.checks_coordinates}
        asked |= {"what its runs owe the runs that they start from": bool(self.children)}
        found = " and ".join(name for name, wanted in asked.items() if wanted)
        if self.law_name or not found:
            return ""
        about = f"no law is asked of {self.root.name}, which is about {found}"
        return f"{about}: name one with --law to fit it all the same"

    @cached_property
    def varies_rate(self) -> bool:
        """Of a sweep as it was laid out, whether or not its runs have ended."""
        return varies_rate(self.raw if self.is_table else pd.DataFrame(map(_place, self.runs)))

    @cached_property
    def checks_coordinates(self) -> bool:
        return is_check(self.raw)

    @cached_property
    def children(self) -> list[Run]:
        """Runs that start from another run's weights."""
        return [run for run in self.runs if run.spec.parent is not None]

    @property
    def fine_tunes(self) -> bool:
        """Whether some of them go on as language models, on text without labels."""
        return any(not run.spec.labels for run in self.children)

    @cached_property
    def rates(self) -> Rates:
        """Loss against learning rate at each size, and the best rate of each; refused where rates were not varied."""
        lost = [_place(run) for run in self.runs if run.done is None and run.failure]
        return rate_curves(self.raw, pd.DataFrame(lost), LEVEL)

    @cached_property
    def coordinates(self) -> Coordinates:
        """How far activations move at each size; refused where that was not measured."""
        return coordinate_check(self.raw, LEVEL)

    @cached_property
    def parents(self) -> pd.DataFrame:
        """The runs that finished ones start from, in whichever sweep beside this one: a row each."""
        names = sorted(self.raw["parent"].dropna().unique())
        return pd.DataFrame([_parent(self.root.parent, name) for name in names], columns=[*PARENT])

    @cached_property
    def effective_data(self) -> EffectiveData:
        """What pre-training is worth at each place; refused where no run was fine-tuned, or its parent is not there."""
        if not self.fine_tunes:
            raise Refusal(f"no run of {self.root.name} goes on from another one's weights: there is nothing to compare")
        return effective_data(self.table, self.parents, LEVEL, min(self.bootstrap, BESIDE))

    @cached_property
    def score_hold_out(self) -> HeldOutScores:
        """Task scores of held-out rungs, or of the largest size, as the others foretell them; refused."""
        tasks = [name for name in task_names(self.table) if not asked(name).shuffled]
        return hold_out(self.table, tasks, level=LEVEL, bootstrap=min(self.bootstrap, BESIDE))

    def fit_under(self, convention: str) -> Fit:
        """The law fitted to the rungs that are not held out, as this convention counts them."""
        if convention not in self._fits:
            try:
                self._fits[convention] = self._fit(convention)
            except Refusal as refusal:
                self._fits[convention] = refusal
        known = self._fits[convention]
        if isinstance(known, Refusal):
            raise known
        return known

    def _fit(self, convention: str) -> Fit:
        """A convention that counts what the law sees as the study's own does shares its fit."""
        if self.lawless:
            raise Refusal(self.lawless)
        counted = add_counts(self.raw, convention)
        if convention == self.convention:
            return fit(self.law, counted, bootstrap=self.bootstrap, **self.fitting)
        with contextlib.suppress(Refusal):
            if fit(self.law, counted, bootstrap=0, **self.fitting).data_hash == self.fit.data_hash:
                return self.fit
        return fit(self.law, counted, bootstrap=min(self.bootstrap, BESIDE), **self.fitting)

    @property
    def fit(self) -> Fit:
        return self.fit_under(self.convention)

    def counting(self) -> dict[str, dict[str, Any]]:
        """Under each counting convention: parameters as [value, low, high], and the exponent of the best size."""
        found: dict[str, dict[str, Any]] = {}
        for name in self.conventions:
            try:
                known = self.fit_under(name)
            except Refusal as refusal:
                found[name] = {"refused": str(refusal)}
                continue
            ends = known.intervals(LEVEL)
            facts: dict[str, Any] = {
                parameter: [plain(value), *map(plain, ends[parameter])] for parameter, value in known.parameters.items()
            }
            if known.law.cheapest is not None:
                rows = add_counts(self.fitted, name)
                a, _ = allocation(known, float(rows["C"].max()), Shapes.of(rows), LEVEL)
                facts["N* exponent"] = a.to_json()
            doubts = {parameter: known.doubt(parameter) for parameter in known.parameters}
            found[name] = facts | {"not_identified": {name: doubt for name, doubt in doubts.items() if doubt}}
        return found

    @property
    def profiled(self) -> list[str]:
        """The judged exponents and the floor: what a profile is usually asked of."""
        return [name for name in self.law.parameters if name == "E" or name in self.law.judged]

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """Profile likelihoods of `profiled`, those left out that have none."""
        found = {}
        for name in self.profiled:
            with contextlib.suppress(Refusal):
                found[name] = profile(self.fit, self.table, name, LEVEL)
        return found

    @cached_property
    def isoflop(self) -> IsoFlop:
        """The compute-optimal allocation by the three approaches, parabolas audited."""
        pair = self.law if self.law.cheapest is not None and set(self.law.variables) == {"N", "D"} else CHINCHILLA
        rows, _ = rows_for(pair, self.table, Options(**self.fitting))
        options = {name: value for name, value in self.fitting.items() if name not in ("phase", "drop_highest_loss")}
        return isoflop(rows, bootstrap=self.bootstrap, law=pair.name, phase=None, **options)

    @cached_property
    def bake_off(self) -> BakeOff:
        """Every law that the table's columns carry against every hold-out split."""
        return self._bake_off(None)

    @cached_property
    def bake_off_in_short(self) -> BakeOff:
        """The same for a page: laws that ask for at least `ROWS_A_PARAMETER` fitted rows a parameter are enough."""
        rows = int((~self.decayed["held_out"]).sum())
        laws = [name for name, law in LAWS.items() if len(law.parameters) * ROWS_A_PARAMETER <= rows]
        if not laws:
            raise Refusal(f"{rows} rows are too few: each law is compared from {ROWS_A_PARAMETER} a parameter on")
        return self._bake_off(laws)

    def _bake_off(self, laws: Sequence[str] | None) -> BakeOff:
        return bake_off(self.table, laws, **self.fitting)

    def foretell(self, specs: Sequence[Spec]) -> list[tuple[float, float, float]]:
        """Loss of rungs that are not trained yet, with the ends of its interval."""
        parts = [{name: getattr(counts(spec), name) for name in PART_COLUMNS} for spec in specs]
        new = add_counts(pd.DataFrame(parts).assign(tokens=[spec.tokens for spec in specs]), self.convention)
        low, high = self.fit.predict_interval(new, LEVEL)
        return list(zip(map(float, self.fit.predict(new)), map(float, low), map(float, high), strict=True))

    @cached_property
    def forecast(self) -> Forecast:
        """The held-out rungs as the fitted ones foretell them; refused where none is finished."""
        phase = self.fitting.get("phase", "decayed")
        held = held_out_rows(self.table, self.law, phase)
        return score(self.fit, self.table, held, LEVEL, phase)

    @cached_property
    def transfers(self) -> dict[str, Transfer]:
        """Domain by domain, how loss there follows the training text; refused where no other domain was scored."""
        return transfer(self.table, level=LEVEL, bootstrap=min(self.bootstrap, BESIDE))


def _place(run: Run) -> dict[str, Any]:
    """Where a run lies among others of a rate sweep."""
    return {name: getattr(run.spec, name) for name in RATE_COLUMNS}


def _parent(results: Path, name: str) -> dict[str, Any]:
    """Where a parent ended; refused where no sweep of the results folder holds it finished."""
    for run in map(read_run, sorted(results.glob(f"*/runs/{name}"))):
        if run.done is not None:
            bpb = run.points[-1].scores.get(f"lm_{run.spec.corpus}/bpb", float("nan"))
            return {"run_id": name, "corpus": run.spec.corpus, "tokens": run.spec.tokens, "bpb": bpb}
    raise Refusal(
        f"parent={name} is no finished run under {results}: launch its sweep, or pass --results DIR for the folder "
        "where it is"
    )


def law_in_words(study: Study) -> dict[str, str]:
    """Parameter -> value and interval; where the data do not identify it, that, and no number."""
    known = study.fit
    intervals = known.intervals(LEVEL)
    return {name: parameter_in_words(known, name, *intervals[name]) for name in known.law.parameters}


def parameter_in_words(known: Fit, name: str, low: float, high: float) -> str:
    if not known.identified(name):
        return f"not identified: {known.doubt(name)}"
    value, ends = estimate(known.parameters[name], low, high)
    return f"{value} ({ends})"
