"""Tokens a second of generation with kept keys and values, against reading the whole window for every token.

Run from the repository root: `python -m benchmarks.generate`. One thread, float32, weights as initialised: a window is
written from its first token to its last. The two ways take turns, a stretch of tokens each, so that whatever else the
machine does falls on both alike. Seconds are of the process on CPU, of the wall on CUDA.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import torch

from harness.anatomy import shape_of
from harness.generate import Settings, generate, next_token
from harness.models import build
from harness.models.family import LanguageModel

VARIANTS = ("gpt2", "modern")
NEVER = -1  # an end of text that no model says
FIRST = 1  # the token that opens the window
STRETCH = 16  # shorter ones would each begin in caches that the other way has filled


def model_of(variant: str, depth: int, width: int, head_width: int, context: int, vocab: int) -> LanguageModel:
    heads = max(1, width // head_width)
    sizes = {"depth": depth, "width": width, "heads": heads, "context": context, "vocab_size": vocab}
    way = {"precision": "fp32", "kernel": "eager", "parametrisation": "standard"}
    spec = shape_of({"variant": variant, **sizes, **way, "base_width": width, "base_depth": depth})
    model = build(spec, "cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]
    model.initialise(torch.Generator().manual_seed(0))
    return model


@torch.inference_mode()
def keeping_nothing(model: LanguageModel, settings: Settings) -> Iterator[int]:
    """What `generate` writes from one token, by reading the whole window each time."""
    generator = torch.Generator().manual_seed(settings.seed)
    device = next(model.parameters()).device
    window = [FIRST]
    for _ in range(settings.tokens):
        window.append(next_token(model(torch.tensor([window], device=device))[0, -1], settings, generator))
        yield window[-1]


def write_a_window(model: LanguageModel) -> tuple[list[float], list[float]]:
    """Seconds of every token of one window, kept and not."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    settings = Settings(tokens=model.context - 1)
    seconds: tuple[list[float], list[float]] = ([], [])
    writers = generate(model, [FIRST], settings, NEVER), keeping_nothing(model, settings)
    for written in range(0, settings.tokens, STRETCH):
        for own, writer in zip(seconds, writers, strict=True):
            for _ in range(min(STRETCH, settings.tokens - written)):
                start = clock()
                next(writer)
                own.append(clock() - start)
    return seconds


def measure(model: LanguageModel, rounds: int) -> dict[str, float]:
    """Medians over the rounds: tokens a second over the whole window, and over its last sixteenth."""
    written = [write_a_window(model) for _ in range(rounds)]
    last = max(1, model.context // 16)
    row = {}
    for name, part in (("window", slice(None)), ("end", slice(-last, None))):
        kept, unkept = ([len(own[part]) / sum(own[part]) for own in way] for way in zip(*written, strict=True))
        row[f"{name}_kept"], row[f"{name}_unkept"] = statistics.median(kept), statistics.median(unkept)
        row[f"{name}_ratio"] = statistics.median(a / b for a, b in zip(kept, unkept, strict=True))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="6,256", help="depth,width")
    parser.add_argument("--head-width", type=int, default=32)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--vocab", type=int, default=256)
    parser.add_argument("--variant", action="append", help=f"default: {', '.join(VARIANTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    depth, width = map(int, options.shape.split(","))
    rows = {}
    for variant in options.variant or VARIANTS:
        model = model_of(variant, depth, width, options.head_width, options.context, options.vocab)
        rows[variant] = measure(model, options.rounds)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"depth {depth}, width {width}, T={options.context}, V={options.vocab}, one thread; tokens a second")
    print(f"{'':<11} {'over a whole window':>30}   {'over its last sixteenth':>30}")
    print(f"{'variant':<11} {'kept':>10} {'unkept':>10} {'ratio':>8}   {'kept':>10} {'unkept':>10} {'ratio':>8}")
    for variant, row in rows.items():
        parts = (
            f"{row[f'{part}_kept']:>10.0f} {row[f'{part}_unkept']:>10.1f} {row[f'{part}_ratio']:>7.1f}x"
            for part in ("window", "end")
        )
        print(f"{variant:<11} {'   '.join(parts)}")


if __name__ == "__main__":
    main()
