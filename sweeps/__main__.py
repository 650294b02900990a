"""The one command: assembles the rooms and computes nothing itself."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from harness import record
from harness.refusal import Refusal, pick
from harness.spec import Spec
from harness.sweep import Resolve, Rung, Sweep, find_sweep

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"

INTERRUPTED = 130


# --- plan, launch, status


def plan(arguments: argparse.Namespace) -> int:
    from harness.layout import refuse_strangers
    from harness.plan import make_plan
    from sweeps import _show

    sweep, rungs = _design(arguments)
    refuse_strangers(rungs, _root(arguments, sweep))
    made = make_plan(rungs, _root(arguments, sweep))
    forecast = _foretell(_root(arguments, sweep), [rung.spec for rung in made.pending])
    workers = _workers(arguments, rungs)
    _print(arguments, _show.plan_json(sweep, made, forecast), lambda: _show.plan(sweep, made, forecast, workers))
    return 0


def launch(arguments: argparse.Namespace) -> int:
    """Trains the sweep, and before it those whose runs it starts from."""
    from harness.parents import unfinished

    sweep, rungs = _design(arguments)
    before = unfinished(sweep, rungs, _results(arguments).absolute(), _resolve(arguments))
    stages = [*before, (sweep, rungs)]
    return next((code for one, theirs in stages if (code := _train(arguments, one, theirs))), 0)


def _train(arguments: argparse.Namespace, sweep: Sweep, rungs: list[Rung]) -> int:
    from harness import launch as launching
    from harness.layout import lay_out
    from harness.plan import make_plan
    from harness.record import forgive, read_runs
    from sweeps import _show

    root, cache = _root(arguments, sweep), _cache(arguments)
    make_plan(rungs, root)
    lay_out(sweep, rungs, root, cache)
    if arguments.retry:
        for run in read_runs(root):
            if run.failure is not None:
                forgive(run.folder)
    workers = _workers(arguments, rungs)
    with _show.live(sweep.name, workers) as show:
        return launching.launch(root, cache, workers, show, arguments.on, arguments.storage)


def status(arguments: argparse.Namespace) -> int:
    from harness.progress import read_progress
    from sweeps import _show

    roots = (
        [_existing(arguments)]
        if arguments.sweep
        else sorted(p.parent for p in _results(arguments).glob("*/sweep.json"))
    )
    found = {root.name: read_progress(root) for root in roots}
    _print(arguments, {name: _show.progress_json(p) for name, p in found.items()}, lambda: _show.status(found))
    return 0


def worker(arguments: argparse.Namespace) -> int:
    from harness.worker import work

    return work(_existing(arguments), _cache(arguments), arguments.run, arguments.parent)


def dashboard(arguments: argparse.Namespace) -> int:
    import importlib.util
    import subprocess

    study = arguments.storage or _existing(arguments) / "optuna.journal"
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise Refusal("the dashboard is not installed: run pip install -c constraints.txt -e '.[dashboard]'")
    if isinstance(study, Path) and not study.exists():
        raise Refusal(f"{study} does not exist: launch the sweep first, or name its --storage")
    return subprocess.run([Path(sys.executable).parent / "optuna-dashboard", study], check=False).returncode


# --- fit, report, compare


def fit(arguments: argparse.Namespace) -> int:
    from sweeps import _laws

    _print(arguments, *_laws.fit(arguments, lambda name: _existing(arguments, name)))
    return 0


def predict(arguments: argparse.Namespace) -> int:
    from sweeps import _laws

    _print(arguments, *_laws.predict(arguments, lambda name: _existing(arguments, name)))
    return 0


def report(arguments: argparse.Namespace) -> int:
    from sweeps import _laws

    _print(arguments, *_laws.report(arguments, lambda name: _existing(arguments, name)))
    return 0


def compare(arguments: argparse.Namespace) -> int:
    from analysis.compare import compare as compare_folders

    sides = [_run_or_sweep(arguments, name) for name in arguments.sides]
    if len(sides) < 2:
        raise Refusal(f"compare {arguments.sides[0]!r} with what? Name two or more runs, or two or more sweeps")
    comparison = compare_folders(*sides, out=Path(arguments.out) if arguments.out else None)
    print(comparison.to_json() if arguments.json else comparison)
    return 0


def generate(arguments: argparse.Namespace) -> int:
    from sweeps import _generate

    _generate.write(arguments, _run_or_sweep(arguments, arguments.run).absolute(), _cache(arguments))
    return 0


def models(arguments: argparse.Namespace) -> int:
    from sweeps import _models

    overrides = dict(_override(text) for text in arguments.set)
    found = _models.find(arguments.names, overrides, arguments.tokens)
    asked = bool(arguments.names or overrides)
    _print(arguments, _models.to_json(found), lambda: _models.show(found, asked))
    return 0


def export(arguments: argparse.Namespace) -> int:
    from sweeps import _exchange

    answer = _exchange.write_out(arguments, _run_or_sweep(arguments, arguments.run).absolute(), _cache(arguments))
    _print(arguments, answer, lambda: _exchange.show_exported(answer))
    return 0


def import_(arguments: argparse.Namespace) -> int:
    from sweeps import _exchange

    answer = _exchange.bring(arguments, _results(arguments).absolute(), _cache(arguments))
    _print(arguments, answer, lambda: _exchange.show_imported(answer))
    return 0


def score(arguments: argparse.Namespace) -> int:
    from sweeps import _score

    folder = Path(arguments.run)
    if not (folder / "config.json").is_file():
        folder = _run_or_sweep(arguments, arguments.run)
    answer = _score.score(arguments, folder.absolute(), _results(arguments).absolute(), _cache(arguments))
    _print(arguments, answer, lambda: _score.show(answer))
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """The main job, small: plan, launch, fit, report."""
    words = ["demo", "--results", str(_results(arguments)), *(["--cache", arguments.cache] if arguments.cache else [])]
    workers = ["--workers", str(arguments.workers)] if arguments.workers else []
    stages = ["plan", *workers], ["launch", *workers], ["fit"], ["report"]
    return next((code for stage, *more in stages if (code := main([stage, *words, *more]))), 0)


# --- what the arguments mean


def _foretell(root: Path, specs: list[Spec]) -> dict[str, tuple[float, float, float]]:
    """What the rungs that stand say of those to come; nothing where they carry no law yet."""
    from analysis.study import Study

    try:
        return dict(zip([spec.run_id for spec in specs], Study(root).foretell(specs), strict=True)) if specs else {}
    except Refusal:
        return {}


def _run_or_sweep(arguments: argparse.Namespace, name: str) -> Path:
    """The folder of a run or of a sweep, by path, by sweep name, or by run id (its beginning is enough)."""
    for folder in (Path(name), _results(arguments) / name):
        if (folder / "sweep.json").is_file() or (folder / "spec.json").is_file():
            return folder
    found = sorted(_results(arguments).glob(f"*/runs/{name}*")) if name.isalnum() else []
    # What was exported and brought in again is the same run, with fewer points.
    own = [folder for folder in found if folder.parent.parent.name != record.IMPORTED] or found
    if len(own) == 1:
        return own[0]
    rule = f"{len(found)} runs begin so: write more of it" if found else "name a run id, a sweep, or the folder of one"
    if len({folder.name for folder in own}) == 1:
        rule = f"it is in {' and '.join(folder.parent.parent.name for folder in own)}: name the folder of one"
    raise Refusal(f"no single run or sweep is called {name!r} under {_results(arguments)}: {rule}")


def _design(arguments: argparse.Namespace) -> tuple[Sweep, list[Rung]]:
    from dataclasses import replace

    from analysis.conventions import CONVENTIONS
    from analysis.laws import LAWS
    from harness.tasks import expanded, find_task

    sweep = find_sweep(arguments.sweep, HERE)
    overrides = dict(_override(text) for text in arguments.set)
    sweep = replace(sweep, overrides=overrides, tasks=expanded(sweep.tasks))
    pick(LAWS, sweep.law, "law")
    pick(CONVENTIONS, sweep.convention, "counting convention")
    for task in sweep.tasks:
        find_task(task)
    return sweep, sweep.rungs(_resolve(arguments))


def _resolve(arguments: argparse.Namespace) -> Resolve:
    """What this machine and cache make of "auto" and of files."""
    from functools import partial

    from harness import machine

    return partial(machine.resolve, cache=_cache(arguments))


def _override(text: str) -> tuple[str, list[Any]]:
    name, sign, values = text.partition("=")
    if not sign or not values:
        raise Refusal(f"--set {text!r} is not FIELD=VALUE[,VALUE...]: write for instance --set width=64,128")
    return name, [_value(name, value) for value in values.split(",")]


def _value(field: str, text: str) -> Any:
    """What JSON reads in it; a field of text keeps what only looks like a number, as a run id may."""
    try:
        value = json.loads(text.replace("_", ""))
    except json.JSONDecodeError:
        return text
    of_text = field in Spec.model_fields and Spec.model_fields[field].annotation in (str, str | None)
    return text if of_text and isinstance(value, int | float) else value


def _results(arguments: argparse.Namespace) -> Path:
    return Path(arguments.results) if arguments.results else RESULTS


def _root(arguments: argparse.Namespace, sweep: Sweep) -> Path:
    return _results(arguments).absolute() / sweep.name


def _existing(arguments: argparse.Namespace, name: str | None = None) -> Path:
    """The results folder of a launched sweep, named by the sweep or by its own path."""
    name = name or arguments.sweep
    for root in (Path(name), _results(arguments) / Path(name).stem):
        if (root / "sweep.json").is_file():
            return root.absolute()
    launched = sorted(path.parent.name for path in _results(arguments).glob("*/sweep.json"))
    raise Refusal(
        f"nothing was launched as {name!r} under {_results(arguments)} "
        f"(there: {', '.join(launched) or 'nothing'}): launch it first, or point --results at its folder"
    )


def _cache(arguments: argparse.Namespace) -> Path:
    from harness.dataset import default_cache

    return Path(arguments.cache).absolute() if arguments.cache else default_cache()


def _workers(arguments: argparse.Namespace, rungs: list[Rung]) -> int:
    """One a core; one in all where a GPU trains, which a single process fills."""
    from harness import machine

    if arguments.workers is not None:
        return int(arguments.workers)
    return 1 if any(rung.spec.device == "cuda" for rung in rungs) else machine.cores()


def _print(arguments: argparse.Namespace, value: Any, show: Callable[[], None]) -> None:
    if arguments.json:
        print(json.dumps(value, indent=1))
    else:
        show()


# --- the words


class Parser(argparse.ArgumentParser):
    """Answers a slip of the tongue as every other mistake is answered: in one line."""

    def error(self, message: str) -> NoReturn:
        raise Refusal(f"{message}; see {self.prog} --help")


Command = Callable[..., argparse.ArgumentParser]  # of a function, what it does, and the words it shares


def parser() -> Parser:
    top = Parser(prog="scalelaw", description="Scaling experiments on the GPT family.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    places = _place_words()

    def command(run: Callable[[argparse.Namespace], int], text: str, *shared: Parser) -> argparse.ArgumentParser:
        name = run.__name__.rstrip("_")  # a word that Python keeps to itself has one more sign
        made = commands.add_parser(name, help=text, description=text, parents=[places, *shared])
        made.set_defaults(run_command=run)
        return made

    _add_sweeps(command)
    _add_answers(command)
    _add_models(command)
    return top


def _add_sweeps(command: Command) -> None:
    """What lays out, trains and watches a sweep."""
    design = _design_words()
    command(plan, "every rung with parameters, FLOPs, seconds and forecast; totals", design)
    made = command(launch, "train what is missing", design)
    made.add_argument("--on", default="local", metavar="EXECUTOR", help="where workers run (default: local)")
    made.add_argument("--storage", metavar="URL", help="Optuna storage (default: a journal beside the runs)")
    made.add_argument("--retry", action="store_true", help="try failed rungs again")

    made = command(status, "what is done, running and failed, and why")
    made.add_argument("sweep", nargs="?", metavar="SWEEP")

    made = command(worker, "one worker by hand, as executors start it")
    made.add_argument("sweep", metavar="SWEEP")
    made.add_argument("--run", metavar="RUN_ID", help="train this rung only")
    made.add_argument("--parent", type=int, metavar="PID", help="end when this process does")

    made = command(demo, "the main job, small: plan, launch, fit, report in a few minutes on two CPU cores")
    _add_workers(made)

    made = command(dashboard, "open the study in optuna-dashboard")
    made.add_argument("sweep", metavar="SWEEP")
    made.add_argument("--storage", metavar="URL", help="the storage that the sweep was launched with")


def _add_answers(command: Command) -> None:
    """What its runs, or a table, say."""
    law = _law_words()
    made = command(fit, "the law, with intervals, of a launched sweep or your own table; or a card made again", law)
    _add_questions(made)
    made = command(predict, "loss, best size, data and shape for a budget, from a fit card or a sweep", law)
    _add_budget(made)
    made.add_argument("--at", nargs="+", default=[], metavar="NAME=VALUE", help="loss there, for instance N=1e9,D=2e10")
    made = command(report, "one self-contained HTML file, with its figures and tables beside it", law)
    made.add_argument("--out", metavar="DIR", help="default: report/ in the results folder, or beside the file")
    made.add_argument("--without", nargs="+", default=[], metavar="SECTION", help="sections to leave out: bake-off")

    made = command(compare, "runs or sweeps: what differs, scores with their noise, loss curves")
    made.add_argument("sides", nargs="+", metavar="RUN|SWEEP")
    made.add_argument("--out", metavar="DIR", help="write the curves there as SVG and PNG")


def _add_models(command: Command) -> None:
    """Models one by one: by name, out, in, and what they write."""
    made = command(generate, "text from a finished run, as it is written")
    made.add_argument("run", metavar="RUN", help="a run id (its beginning is enough), or a run's folder")
    _add_sampling(made)

    made = command(models, "the named models, or a shape of yours: exact parameters and FLOPs, memory, recipe")
    made.add_argument("names", nargs="*", metavar="NAME|FAMILY", help="default: all; write them first")
    setting = "change a field, or describe a shape: depth=12 width=384 heads=6; takes several words"
    made.add_argument("--set", action="extend", nargs="+", default=[], metavar="FIELD=V[,V]", help=setting)
    made.add_argument(
        "--tokens", metavar="D", help="training costs for these, for instance 300B (default: the recipe's)"
    )

    made = command(export, "a finished run as a Hugging Face folder that transformers loads")
    made.add_argument("run", metavar="RUN", help="a run id (its beginning is enough), or a run's folder")
    made.add_argument("--out", metavar="DIR", help="a folder that is not there yet (default: exported/RUN_ID)")

    made = command(score, "old runs, or a Hugging Face folder, on new tasks; the scores join the run table")
    made.add_argument("run", metavar="RUN|SWEEP|FOLDER", help="a run id, a sweep, or a folder with a config.json")
    _add_tasks(made)
    made.add_argument("--corpus", metavar="NAME", help="what a folder was trained on, if you know")
    made.add_argument("--tokenizer", metavar="NAME|FILE", help="a folder's, if it has no tokenizer.json")

    made = command(import_, "a Hugging Face folder on this disk as a run of results/imported, scored at once if asked")
    _add_folder(made)


def _add_tasks(words: argparse.ArgumentParser) -> None:
    words.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="lm_wiki, sciq@k=4, a suite, ...")
    theirs = "tasks of EleutherAI's lm-evaluation-harness (the extra lm-eval), as columns lm_eval_TASK/..."
    words.add_argument("--lm-eval", nargs="+", default=[], metavar="TASK", help=theirs)
    words.add_argument("--include", metavar="DIR", help="a folder with YAML files of further tasks for it")
    words.add_argument("--limit", type=_positive, metavar="N", help="documents of each of its tasks, at most")


def _place_words() -> Parser:
    words = Parser(add_help=False)
    words.add_argument("--results", metavar="DIR", help="where results folders lie (default: results/)")
    words.add_argument(
        "--cache", metavar="DIR", help="where token files lie (default: $SCALELAW_CACHE, ~/.cache/scalelaw)"
    )
    words.add_argument("--json", action="store_true", help="machine-readable output")
    return words


def _design_words() -> Parser:
    words = Parser(add_help=False)
    words.add_argument("sweep", metavar="SWEEP", help="a name in sweeps/ or a path to a .py file")
    words.add_argument("--set", action="append", default=[], metavar="FIELD=V[,V]", help="override a field")
    _add_workers(words)
    return words


def _add_workers(words: argparse.ArgumentParser) -> None:
    words.add_argument("--workers", type=_positive, metavar="N", help="default: one a core, one on a GPU")


def _law_words() -> Parser:
    words = Parser(add_help=False)
    words.add_argument(
        "sweep",
        metavar="SWEEP|TABLE|CARD",
        help="a launched sweep, a .csv, .parquet or .jsonl, or a card (.json); write it first, since --columns, "
        "--budget, --at and --profile take all the words that follow them",
    )
    words.add_argument("--law", metavar="LAW", help="default: the sweep's own, chinchilla for a table")
    words.add_argument("--convention", metavar="NAME", help="how N, D and C are counted; default: the sweep's own")
    words.add_argument("--bootstrap", type=_count, metavar="N", help="replicates (default: 1000); 0: no intervals")
    columns = "what a table calls its columns: params='Model Size',flops=FLOP,loss=loss; takes several words"
    words.add_argument("--columns", nargs="+", default=[], metavar="NAME=COLUMN", help=columns)
    words.add_argument("--objective", metavar="NAME", help="huber (default), lad, log_squares or squares")
    words.add_argument("--delta", type=float, metavar="X", help="width of Huber's function in log loss (default: 1e-3)")
    words.add_argument("--weights", metavar="COLUMN", help="a weight for each row")
    words.add_argument("--noise", metavar="COLUMN", help="each row's known standard deviation, in the target's units")
    words.add_argument("--drop-highest-loss", type=_count, metavar="K", help="leave out the K rows of highest loss")
    words.add_argument("--seed", type=_count, metavar="N", help="of the bootstrap (default: 0)")
    words.add_argument("--phase", metavar="NAME", help="fit the rows of this phase, or of `all` (default: decayed)")
    return words


def _add_questions(words: argparse.ArgumentParser) -> None:
    """What else a fit can be asked; the names are those of `_laws.QUESTIONS`."""
    _add_budget(words)
    words.add_argument("--holdout", action="store_true", help="score the rows that are held out")
    words.add_argument("--conventions", action="store_true", help="the law under every counting convention")
    words.add_argument("--profile", nargs="+", metavar="NAME", help="profile likelihood of parameters, or of `all`")
    words.add_argument("--isoflop", action="store_true", help="compute-optimal allocation by approaches 1, 2 and 3")
    words.add_argument("--bake-off", action="store_true", help="every law against hold-out splits of the rows")
    words.add_argument("--rates", action="store_true", help="the best learning rate of each size, and what others cost")
    scores = "task scores of held-out rungs, or of the largest size, as curves through the others foretell them"
    words.add_argument("--scores", action="store_true", help=scores)
    effective = "what pre-training is worth to fine-tuned runs: gains, and the data that they would need without it"
    words.add_argument("--effective-data", action="store_true", help=effective)
    words.add_argument("--card", type=_card, metavar="FILE.json", help="write the fit card there")
    words.add_argument("--out", metavar="DIR", help="write the report and its figures there")


def _add_budget(words: argparse.ArgumentParser) -> None:
    budget = "the optimum for these, with intervals; takes several words"
    words.add_argument("--budget", type=float, nargs="+", metavar="FLOPS", help=budget)


def _add_sampling(words: argparse.ArgumentParser) -> None:
    words.add_argument("--prompt", default="", metavar="TEXT", help="default: a new document; -: standard input")
    words.add_argument("--tokens", type=_positive, default=256, metavar="N", help="at most so many (default: 256)")
    temperature = "0: the likeliest token; 1 (default): the model's own chances"
    words.add_argument("--temperature", type=float, default=1.0, metavar="T", help=temperature)
    words.add_argument("--top-k", type=int, metavar="K", help="draw among the K likeliest tokens")
    words.add_argument("--top-p", type=float, default=1.0, metavar="P", help="and the fewest that hold share P")
    words.add_argument("--seed", type=_count, default=0, metavar="N", help="of the first sample (default: 0)")
    words.add_argument("--samples", type=_positive, default=1, metavar="N", help="so many, from successive seeds")
    words.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if any")


def _add_folder(words: argparse.ArgumentParser) -> None:
    words.add_argument("folder", metavar="FOLDER", help="config.json, weights and tokenizer.json; write it first")
    words.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="score it: lm_kjv, lm_wiki, ...")
    words.add_argument("--corpus", metavar="NAME", help="what it was trained on, if you know")
    words.add_argument("--tokens", type=_tokens, metavar="D", help="how many tokens of it, if you know: laws need it")
    words.add_argument("--context", type=_positive, metavar="T", help="score it in a shorter context than its own")
    words.add_argument("--tokenizer", metavar="NAME|FILE", help="default: the folder's tokenizer.json")


def _tokens(text: str) -> int:
    try:
        count = round(float(text.replace("_", "")))
    except (ValueError, OverflowError):
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens, for instance 300e9")
    return count


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _card(text: str) -> str:
    if Path(text).suffix != ".json":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json, by which a card is known: name it so")
    return text


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def main(words: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our letters shows others, not a traceback
    try:
        arguments = parser().parse_args(words)
        code = int(arguments.run_command(arguments))
        sys.stdout.flush()  # a reader that has left is noticed here, not when Python ends
        return code
    except Refusal as refusal:
        print(f"scalelaw: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still flushes at its end
        return 0
    except OSError as error:
        place = error.filename or "a file"
        print(f"scalelaw: {place}: {error.strerror or error}; give a place that can be used", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
