"""What scoring costs: the default suite beside training, and what shared prefixes and batches save.

Side by side in one process of one thread: a training step, the suite, and the suite's requests one at a time.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch

from harness import machine
from harness.dataset import default_cache
from harness.likelihood import Request, answer
from harness.models.family import LanguageModel
from harness.module import GPTModule
from harness.spec import Spec
from harness.tasks import Choice, expanded, find_task
from harness.tasks.choice import Deck
from sweeps.zero_shot import SWEEP

ALONE = 32  # requests a task that are scored one at a time; their time is scaled up to all


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def train(module: GPTModule, tokens_bt: torch.Tensor) -> None:
    module.training_step(tokens_bt, 0).backward()
    module.optimizer.step()
    module.optimizer.zero_grad()


def one_at_a_time(model: LanguageModel, decks: Sequence[Deck]) -> float:
    """Seconds that all requests of a task take when each is read from its beginning, by itself."""
    requests: list[Request] = [request for deck in decks for request in (*deck.asked, *deck.bare)]
    some = requests[:: max(1, len(requests) // ALONE)]
    return seconds(lambda: [answer(model, [request], "cpu") for request in some]) * len(requests) / len(some)


def measure(spec: Spec, suite: str, rounds: int) -> None:
    module = GPTModule(spec)
    tokens_bt = torch.randint(spec.vocab_size, (spec.batch_tokens // spec.context, spec.context + 1))
    tasks = [(task, task.load(spec, default_cache())) for task in map(find_task, expanded([suite]))]
    train(module, tokens_bt)  # what is compiled once is no part of a step
    steps, scoring, alone, shared = [], [], [], []
    for _ in range(rounds):
        steps += [seconds(lambda: train(module, tokens_bt)) for _ in range(8)]
        spent = {task.name: seconds(lambda t=task, x=loaded: t.score(module.model, x, "cpu")) for task, loaded in tasks}
        scoring.append(sum(spent.values()))
        choices = [(task, loaded) for task, loaded in tasks if isinstance(task, Choice)]
        shared.append(sum(spent[task.name] for task, _ in choices))
        alone.append(sum(one_at_a_time(module.model, loaded) for _, loaded in choices))
    step, suite_seconds = statistics.median(steps), statistics.median(scoring)
    checkpoints = len(spec.eval_steps)
    share = checkpoints * suite_seconds / (step * spec.steps)
    saved = statistics.median(a / b for a, b in zip(alone, shared, strict=True))
    print(
        f"({spec.depth}, {spec.width})  step {1e3 * step:7.1f} ms   {suite} {suite_seconds:6.2f} s   "
        f"{checkpoints} checkpoints of {spec.steps} steps: {100 * share:5.1f} % of training   "
        f"questions one at a time: {saved:.1f}x",
        flush=True,
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--suite", default="default")
    words.add_argument("--rounds", type=int, default=3)
    arguments = words.parse_args()
    torch.set_num_threads(1)
    largest = {}
    for rung in SWEEP.rungs(machine.resolve):
        largest[rung.spec.depth, rung.spec.width] = max(
            rung.spec, largest.get((rung.spec.depth, rung.spec.width), rung.spec), key=lambda spec: spec.tokens
        )
    for spec in largest.values():
        measure(spec, arguments.suite, arguments.rounds)


if __name__ == "__main__":
    main()
