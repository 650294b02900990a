"""The LightningModule: a variant of the family, a classifier on it where there are labels, its optimiser, its rate.

The rate is a pure function of the step.
"""

from typing import Any

import lightning as L
import torch

from harness.labelled.classifier import Classifier, Examples
from harness.models import build
from harness.schedule import learning_rate
from harness.spec import Spec

EMA_DECAY = 0.95


class GPTModule(L.LightningModule):
    """Trains `spec` one step a batch; `step` counts over the whole run and survives segments and restarts."""

    def __init__(self, spec: Spec, classes: int = 0) -> None:
        super().__init__()
        self.spec = spec
        self.step = 0
        self.model = build(spec)
        self.model.initialise(torch.Generator().manual_seed(spec.seed))
        self.loss_ema = torch.zeros((), device=spec.device)
        self.groups = self.model.parameter_groups()
        self.classifier = Classifier(spec.width, classes) if classes else None
        if self.classifier is not None:
            self.groups.append(self.classifier.group(self.model))
        self.to(spec.device)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": group.parameters,
                    "weight_decay": spec.weight_decay * group.factors.decay if group.decays else 0.0,
                    "eps": spec.epsilon * group.factors.epsilon,
                }
                for group in self.groups
            ],
            lr=spec.learning_rate,
            betas=(spec.beta1, spec.beta2),
            fused=True,
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer  # the same one for every segment, so that its moments go on

    def on_train_batch_start(self, batch: torch.Tensor | Examples, batch_idx: int) -> None:
        rate = learning_rate(self.spec, self.step)
        for group, known in zip(self.optimizer.param_groups, self.groups, strict=True):
            group["lr"] = rate * known.factors.rate

    def loss(self, batch: torch.Tensor | Examples) -> torch.Tensor:
        """What is trained on, of windows [b, t + 1] of text or of examples."""
        if isinstance(batch, torch.Tensor):
            return self.model.loss(batch[:, :-1], batch[:, 1:])
        assert self.classifier is not None
        return self.classifier.loss(self.model, batch, self.spec.lm_weight)

    def training_step(self, batch: torch.Tensor | Examples, batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch)
        with torch.no_grad():
            self.loss_ema.lerp_(loss.detach(), 1 - EMA_DECAY if self.step else 1.0)
        self.step += 1
        return loss

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "classifier": self.classifier.state_dict() if self.classifier is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "loss_ema": self.loss_ema,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        if self.classifier is not None:
            self.classifier.load_state_dict(state["classifier"])
        moments = state["optimizer"]
        # Trunks saved when every model had a group for vectors, even one without any.
        groups = [group for group in moments["param_groups"] if group["params"]]
        self.optimizer.load_state_dict({**moments, "param_groups": groups})
        self.loss_ema = state["loss_ema"].to(self.spec.device, copy=True)
