"""Learning rate and activations across size."""

from analysis.coordinates import LEVEL_POWER
from analysis.rates import Curve, nats
from analysis.sections.section import Body, Grid, Line, three_digits
from analysis.study import LEVEL_WORDS, Study
from analysis.wording import estimate, percent


def rates(study: Study) -> Body:
    """The best learning rate of each size, its drift, and what the smallest size's best rate costs elsewhere."""
    found = study.rates
    ends = f"{LEVEL_WORDS} interval"
    header = [found.axis, "best rate", ends, "lowest tried", "loss there", "at the base rate", "excess", ends, "share"]
    header += ["seeds", "rates", "failed"]
    grids = [
        Grid(f"Best learning rates, {name}", header, [_curve(curve) for curve in found.of(name)])
        for name in found.parametrisations
    ]
    base = found.curves[0].size
    notes = [
        *found.words(),
        f"The base rate is the best rate of {found.axis} {base} under the same parametrisation. An excess whose "
        "interval begins at 0 cannot be told from none.",
    ]
    return Body(notes, grids, [*found.doubts(), *found.notes])


def _curve(curve: Curve) -> Line:
    unknown = ["not known", ""]
    best, ends = estimate(curve.vertex.value, curve.vertex.low, curve.vertex.high)
    loss = f"{curve.loss.value:.4f}"
    known = [*unknown] if curve.vertex.doubt else [best, ends]
    cells = [str(curve.size), *known, three_digits(curve.lowest_tried), "" if curve.vertex.doubt else loss]
    if curve.excess.doubt:
        cells += ["not known", "", "", ""]
    else:
        cells += [f"{curve.at_base:.4f}", *nats(curve.excess), percent(curve.share)]
    return Line([*cells, str(curve.seeds), str(len(curve.losses.x_k)), str(len(curve.failed))])


def coordinates(study: Study) -> Body:
    """How far activations move in a few steps, against size."""
    found = study.coordinates
    sizes = list(dict.fromkeys(size for part in found.last for size in part.sizes))
    lines = []
    for part in found.last:
        changes = dict(zip(part.sizes, part.change, strict=True))
        power, ends = estimate(part.power.value, part.power.low, part.power.high)
        cells = [part.parametrisation, part.name, *(f"{changes[s]:.3g}" if s in changes else "" for s in sizes)]
        lines.append(Line([*cells, power, ends, part.verdict]))
    header = [
        "parametrisation",
        "activation",
        *(f"{found.axis} {size}" for size in sizes),
        "x",
        f"{LEVEL_WORDS} interval",
    ]
    notes = [
        *found.words(),
        f"Root mean square change since initialisation, fitted by change ~ {found.axis}^x through the sizes; the "
        f"interval is from how far they lie off that line. Level: x within {LEVEL_POWER:.2f} of nought, a factor √2 "
        "over eight times the size.",
    ]
    return Body(notes, [Grid(f"After {found.last[0].steps} steps", [*header, "verdict"], lines)])
