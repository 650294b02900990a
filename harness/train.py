"""Trains one trunk and its rungs under Lightning's Trainer: specs in, points and done.json out."""

import logging
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from harness import checkpoint, machine, record, weights
from harness.counts import counts
from harness.dataset import Integers, WindowOrder, batch
from harness.labelled.classifier import Examples, classification, gathered
from harness.labelled.windows import Lesson, lesson_of
from harness.layout import refuse_other_text
from harness.module import GPTModule
from harness.parents import facts_of, find_parent, transfer
from harness.record import Json, Point
from harness.schedule import learning_rate, phase
from harness.spec import Spec
from harness.tasks import LanguageModelling, Task, find_task

SAVE_SECONDS = 30.0  # a killed worker loses at most so much training
BEAT_SECONDS = 1.0
CHECK_STEPS = 32  # between looks at whether the loss is finite

for noisy in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
    logging.getLogger(noisy).setLevel(logging.ERROR)


class Preempted(Exception):
    """Asked to stop; the state is saved and another worker can go on from it."""


class Diverged(Exception):
    """The loss is no longer a number, or worse than guessing."""


@dataclass(frozen=True)
class Data:
    """Everything that a trunk reads: its own text and each task's."""

    data_hash: str
    order: WindowOrder
    read: Callable[[Integers], torch.Tensor | Examples]  # the training windows of these numbers
    own: tuple[Task, Any]  # with what it has loaded
    tasks: list[tuple[Task, Any]]
    lesson: Lesson | None  # where it has labels


def load_data(spec: Spec, tasks: Sequence[str], cache: Path, frozen: Mapping[str, Json]) -> Data:
    """Opens every text; refuses one that is not what the sweep was laid out on."""
    own = LanguageModelling(spec.corpus)
    others = [find_task(name) for name in tasks if name != own.name]
    dataset = own.dataset(spec, cache)
    texts = {spec.text: dataset.facts}
    texts |= {f"{task.name} for {spec.text}": task.facts(spec, cache) for task in others}
    lesson = lesson_of(spec, cache) if spec.labels else None
    if lesson is not None:
        texts[lesson.name] = lesson.facts
    for text in texts.keys() & frozen.keys():
        refuse_other_text(text, texts[text]["data_hash"], frozen[text]["data_hash"])
    train_tokens = dataset.train_tokens if lesson is None else lesson.train_tokens
    return Data(
        data_hash=dataset.data_hash,
        order=WindowOrder(train_tokens, spec.context, spec.unique_tokens, spec.seed),
        read=partial(gathered, lesson.train) if lesson else partial(_windows, np.array(dataset.train), spec.context),
        own=(own, own.load(spec, cache)),
        tasks=[(task, task.load(spec, cache)) for task in others],
        lesson=lesson,
    )


def _windows(tokens: np.ndarray, context: int, numbers: Integers) -> torch.Tensor:
    return torch.from_numpy(batch(tokens, numbers, context))


class Batches:
    """The batches of steps [start, stop): what a step reads depends on nothing but the seed and the step."""

    def __init__(self, spec: Spec, data: Data, start: int, stop: int) -> None:
        self.spec, self.data, self.start, self.stop = spec, data, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[torch.Tensor | Examples]:
        windows_a_step = self.spec.batch_tokens // self.spec.context
        for step in range(self.start, self.stop):
            windows = self.data.order.windows(step * windows_a_step, (step + 1) * windows_a_step)
            yield self.data.read(windows)


class Segment(L.Callback):
    """Watches one stretch of a trunk or of a cool-down: measures, saves, beats, and stops it when it must."""

    def __init__(self, trunk: "Trunk", spec: Spec, saved_at: Path) -> None:
        self.trunk, self.spec, self.saved_at = trunk, spec, saved_at
        self.eval_steps = set(spec.eval_steps[:-1])  # the last one is measured when the rung is finished
        self.synced_steps = self.eval_steps | {spec.branch_step, spec.steps}
        self.saved = self.beaten = time.monotonic()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.batch_started = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        trunk, now, step = self.trunk, time.monotonic(), self.trunk.module.step
        if self.spec.device == "cuda" and (step % CHECK_STEPS == 0 or step in self.synced_steps):
            torch.cuda.synchronize()  # else the clock would see launches, not work
        trunk.seconds += time.perf_counter() - self.batch_started
        if step in self.eval_steps:
            trunk.measure(self.spec)
        if step % CHECK_STEPS == 0 and not math.isfinite(float(trunk.module.loss_ema)):
            raise Diverged(f"training loss is {float(trunk.module.loss_ema)} at step {step}")
        if now - self.beaten > BEAT_SECONDS:
            trunk.beat(self.spec)
            self.beaten = now
        if trunk.stop.is_set() or now - self.saved > SAVE_SECONDS:
            trunk.save(self.saved_at, self.spec)
            self.saved = now
        if trunk.stop.is_set():
            raise Preempted


class Trunk:
    """One shape trained once; at each budget a cool-down branches off, is measured and left, and the trunk goes on."""

    def __init__(self, root: Path, specs: Sequence[Spec], design: Json, cache: Path, stop: threading.Event) -> None:
        torch.set_num_threads(1)  # more lose to barriers, and another number may change the last bits
        self.root, self.stop = root, stop
        self.specs = sorted(specs, key=lambda spec: spec.tokens)
        self.folder = record.trunk_folder(root, specs[0].trunk_id)
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder, *(record.run_folder(root, spec.run_id) for spec in specs)):
            record.sweep_out(folder)
        parent = find_parent(specs[0], root.parent, cache) if specs[0].parent else None
        self.data = load_data(specs[0], design["tasks"], cache, design["data"])
        self.module = GPTModule(specs[0], self.data.lesson.classes if self.data.lesson else 0)
        self.parent: Json = {}
        if parent is not None:
            self.parent = {"parent": facts_of(parent, design.get("parents", {}))}
            transfer(parent, self.module.model, specs[0].transferred)
        self.seconds = self.eval_seconds = 0.0
        if specs[0].kernel == "compiled":
            self._compile()

    def _compile(self) -> None:
        """Compiles before the clock starts: one batch forth and back, of which nothing stays."""
        (tokens_bt,) = Batches(self.specs[0], self.data, 0, 1)
        assert isinstance(tokens_bt, torch.Tensor)  # with labels nothing is compiled
        self.module.loss(tokens_bt.to(self.specs[0].device)).backward()  # type: ignore[no-untyped-call]
        self.module.optimizer.zero_grad()

    def train(self) -> None:
        """Every rung in turn; a rung that diverges fails alone, a trunk that diverges fails what is left of it."""
        if not self._resume(latest=self.specs[0].branch_step):
            record.keep_points(self.folder, until_step=0)
            checkpoint.remove(self.folder / "cooldown.ckpt")
        for position, spec in enumerate(self.specs):
            try:
                if not self._resume_cooldown(spec):
                    self._run(spec, spec.branch_step, self.folder / "trunk.ckpt")
                    self.save(self.folder / "trunk.ckpt", spec)
            except Diverged as error:
                for failed in self.specs[position:]:
                    record.fail(record.run_folder(self.root, failed.run_id), str(error), kind="diverged")
                return
            try:
                self._run(spec, spec.steps, self.folder / "cooldown.ckpt")
                self._finish(spec)
            except Diverged as error:
                record.fail(record.run_folder(self.root, spec.run_id), str(error), kind="diverged")
            checkpoint.remove(self.folder / "cooldown.ckpt")
            if spec is not self.specs[-1] and not self._resume(latest=spec.branch_step):
                raise RuntimeError(f"{self.folder / 'trunk.ckpt'} was lost while its trunk was training: launch again")

    def _run(self, spec: Spec, until: int, saved_at: Path) -> None:
        """One Trainer over the steps from here to `until`."""
        module = self.module
        module.spec = spec
        if module.step >= until:
            return
        trainer = L.Trainer(
            accelerator="gpu" if spec.device == "cuda" else "cpu",
            devices=1,
            max_epochs=1,
            gradient_clip_val=spec.clip_norm,
            callbacks=[Segment(self, spec, saved_at)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            plugins=[LightningEnvironment()],  # inside a SLURM job too, a worker is one process that answers for itself
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit(module, Batches(spec, self.data, module.step, until))

    def _resume(self, latest: int) -> bool:
        """Goes on from the trunk's saved state, unless there is none or it is past the step `latest`."""
        state = checkpoint.load(self.folder / "trunk.ckpt")
        if state is None or state["step"] > latest:
            return False
        self._restore(state)
        record.keep_points(self.folder, until_step=self.module.step)
        return True

    def _resume_cooldown(self, spec: Spec) -> bool:
        state = checkpoint.load(self.folder / "cooldown.ckpt")
        if state is None or state["run_id"] != spec.run_id:
            return False
        self._restore(state)
        return True

    def _restore(self, state: checkpoint.State) -> None:
        self.module.restore(state)
        self.seconds = state["seconds"]
        self.eval_seconds = state.get("eval_seconds", 0.0)  # trunks saved before it was kept

    def save(self, path: Path, spec: Spec) -> None:
        checkpoint.save(path, {**self.module.state(), **self.clocks(), "run_id": spec.run_id})

    def clocks(self) -> dict[str, float]:
        """Time of training steps and of scoring up to here, of which a branch shares its trunk's."""
        return {"seconds": self.seconds, "eval_seconds": self.eval_seconds}

    def beat(self, spec: Spec) -> None:
        step = self.module.step
        record.beat(
            self.folder,
            run_id=spec.run_id,
            step=step,
            steps=spec.steps,
            phase="cool-down" if step > spec.branch_step else phase(spec, step),
            tokens_per_second=step * spec.batch_tokens / max(self.seconds, 1e-9),
        )

    def measure(self, spec: Spec) -> Point:
        """Scores the model as it stands on every task and appends the point to the trunk's."""
        step, started = self.module.step, time.perf_counter()
        scores: dict[str, float] = {}
        for task, loaded in (self.data.own, *self.data.tasks):
            scores |= task.score(self.module.model, loaded, spec.device)
        if self.data.lesson is not None and self.module.classifier is not None:
            asked = self.data.lesson.held_out
            learnt = classification(self.module.model, self.module.classifier, asked, spec.device)
            scores |= {f"{spec.labels}/{metric}": value for metric, value in learnt.items()}
        self.eval_seconds += time.perf_counter() - started
        loss = scores[f"{self.data.own[0].name}/nll"]
        train_loss = float(self.module.loss_ema)
        if not (math.isfinite(loss) and math.isfinite(train_loss)):
            raise Diverged(f"validation loss is {loss} and training loss {train_loss} at step {step}")
        point = Point(
            step=step,
            tokens=step * spec.batch_tokens,
            phase=phase(spec, step),
            learning_rate=learning_rate(spec, max(0, step - 1)),
            train_loss=train_loss,
            seconds=self.seconds,
            scores={name: value for name, value in scores.items() if math.isfinite(value)},
        )
        if point.phase != "decayed":
            record.append_point(self.folder, point)
        return point

    def _finish(self, spec: Spec) -> None:
        """Measures the decayed model and commits the rung."""
        self.module.to(spec.device)  # the Trainer leaves it on the CPU when it ends
        last = self.measure(spec)
        loss = last.scores[f"{self.data.own[0].name}/nll"]
        if not spec.labels and loss >= math.log(spec.vocab_size):  # with labels it is another text than was learnt
            raise Diverged(f"final loss {loss:.3f} is no better than guessing among {spec.vocab_size} tokens")
        folder = record.run_folder(self.root, spec.run_id)
        points = [point for point in record.read_points(self.folder) if point.step in spec.eval_steps[:-1]]
        rate = spec.tokens / self.seconds
        record.forgive(folder)
        weights.save(weights.weights_file(folder, spec), self.module.model)
        if self.module.classifier is not None:
            weights.save(weights.classifier_file(folder, spec), self.module.classifier)
        record.finish(
            folder,
            [*points, last],
            {
                "run_id": spec.run_id,
                "device": spec.device,
                "device_name": machine.device_name(spec.device),
                **self.clocks(),
                "tokens_per_second": rate,
                "mfu": rate * counts(spec).flops / machine.peak_flops(spec.device, spec.precision),
                "data_hash": self.data.data_hash,
                **self.parent,
                **machine.provenance(),
            },
        )
