"""Milliseconds of a training step: a plain nanoGPT-style module (eager, fp32) against the harness's variants.

Run from the repository root: `python -m benchmarks.train_step`. One thread; every contender takes one step in turn, so
that whatever else the machine does falls on all of them alike. A step is forward, backward, clipping and AdamW.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.anatomy import shape_of
from harness.models import build
from harness.models.family import Build

LEARNING_RATE = 1e-3
SHAPES = ((4, 128), (6, 256))
PLAIN = "plain"
CONTENDERS = {
    "gpt2 fp32 eager": ("gpt2", "fp32", "eager"),
    "gpt2 bf16 compiled": ("gpt2", "bf16", "compiled"),
    "modern fp32 eager": ("modern", "fp32", "eager"),
    "modern bf16 compiled": ("modern", "bf16", "compiled"),
}


class PlainBlock(nn.Module):
    """GPT-2's block as it is usually written."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x_btd: Tensor) -> Tensor:
        batch, context, width = x_btd.shape
        parts = self.attention(self.norm_1(x_btd)).split(width, dim=2)
        q_bhtc, k_bhtc, v_bhtc = (part.view(batch, context, self.heads, -1).transpose(1, 2) for part in parts)
        y_bhtc = F.scaled_dot_product_attention(q_bhtc, k_bhtc, v_bhtc, is_causal=True)
        x_btd = x_btd + self.projection(y_bhtc.transpose(1, 2).reshape(batch, context, width))
        y_btd: Tensor = x_btd + self.mlp(self.norm_2(x_btd))
        return y_btd


class PlainGPT(nn.Module):
    """The baseline: learned positions, tied head, all logits, cross-entropy over them."""

    def __init__(self, depth: int, width: int, heads: int, context: int, vocab_size: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(PlainBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab_size, bias=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)
        self.tokens.weight = self.head.weight

    def loss(self, tokens_bt: Tensor, targets_bt: Tensor) -> Tensor:
        positions_t = torch.arange(tokens_bt.shape[1], device=tokens_bt.device)
        x_btd = self.blocks(self.tokens(tokens_bt) + self.positions(positions_t))
        return F.cross_entropy(self.head(self.norm(x_btd)).flatten(0, 1), targets_bt.flatten())


def make_step(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], fused: bool | None, tokens_bt: Tensor
) -> Callable[[], None]:
    """One training step on the same batch each time; `fused` as AdamW understands it, None for its default."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), fused=fused)
    targets_bt = tokens_bt.roll(-1, dims=1)

    def step() -> None:
        loss(tokens_bt, targets_bt).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if tokens_bt.is_cuda:
            torch.cuda.synchronize()

    return step


class Case(NamedTuple):
    depth: int
    width: int
    heads: int
    context: int
    vocab_size: int
    step_tokens: int
    device: str

    def build(self, variant: str, precision: str, kernel: str) -> Build:
        """What `harness.models.build` wants to know."""
        shape = {"depth": self.depth, "width": self.width, "heads": self.heads}
        shape |= {"context": self.context, "vocab_size": self.vocab_size}
        scales = {"parametrisation": "standard", "base_width": self.width, "base_depth": self.depth}
        way = {"precision": precision, "kernel": kernel}
        return cast(Build, shape_of({"variant": variant, **shape, **scales, **way}))


def contenders(case: Case, names: list[str]) -> dict[str, Callable[[], None]]:
    """The steps to compare, the plain module first. nanoGPT fuses AdamW on CUDA alone, so the baseline does too."""
    generator = torch.Generator().manual_seed(0)
    batch = case.step_tokens // case.context
    tokens_bt = torch.randint(case.vocab_size, (batch, case.context), generator=generator).to(case.device)
    plain = PlainGPT(case.depth, case.width, case.heads, case.context, case.vocab_size).to(case.device)
    steps = {PLAIN: make_step(plain, plain.loss, True if case.device == "cuda" else None, tokens_bt)}
    for name in names:
        variant, precision, kernel = CONTENDERS[name]
        model = build(case.build(variant, precision, kernel), case.device)
        model.initialise(torch.Generator().manual_seed(0))
        steps[name] = make_step(model, model.loss, True, tokens_bt)
    return steps


def measure(steps: dict[str, Callable[[], None]], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of every step: of this process on CPU, where others share the core; of the wall on CUDA."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    for step in steps.values():
        for _ in range(3):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = clock()
            step()
            seconds[name].append(clock() - start)
    return seconds


def compare(case: Case, names: list[str], rounds: int) -> list[dict[str, object]]:
    """A row for each contender: median and smallest milliseconds, and how many times faster than the plain module."""
    seconds = measure(contenders(case, names), rounds, case.device)
    rows: list[dict[str, object]] = []
    for name, values in seconds.items():
        ratios = [plain / own for plain, own in zip(seconds[PLAIN], values, strict=True)]
        row = {"model": name, "median_ms": 1e3 * statistics.median(values), "least_ms": 1e3 * min(values)}
        rows.append(case._asdict() | row | {"times_as_fast": statistics.median(ratios)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", action="append", help="depth,width (default 4,128 and 6,256)")
    parser.add_argument("--head-width", type=int, default=32)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--vocab", type=int, default=256)
    parser.add_argument("--step-tokens", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", action="append", choices=CONTENDERS, help="contenders beside the plain one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shapes = [tuple(map(int, text.split(","))) for text in options.shape] if options.shape else SHAPES
    rows = []
    for depth, width in shapes:
        heads = max(1, width // options.head_width)
        case = Case(depth, width, heads, options.context, options.vocab, options.step_tokens, device)
        rows += compare(case, options.only or list(CONTENDERS), options.rounds)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{device}, one thread, T={options.context}, {options.step_tokens} tokens a step, V={options.vocab}")
    print(f"{'depth':>5} {'width':>5}  {'model':<22} {'median ms':>10} {'least ms':>10} {'times as fast':>14}")
    for row in rows:
        numbers = f"{row['median_ms']:>10.1f} {row['least_ms']:>10.1f} {row['times_as_fast']:>14.2f}"
        print(f"{row['depth']:>5} {row['width']:>5}  {row['model']:<22} {numbers}")


if __name__ == "__main__":
    main()
