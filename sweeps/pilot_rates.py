"""Where does the best learning rate lie at the ends of the studies of its transfer? Steps of a factor two, one seed."""

from harness.sweep import Sweep, over
from sweeps.rates_width import BASE, DEPTHS, WIDTHS

RATES = tuple(2.0**exponent for exponent in range(-12, -3))

SWEEP = Sweep(
    name="pilot_rates",
    question="Between which learning rates does the best one lie, over width and over depth?",
    base=BASE,
    axes=[
        over("parametrisation", "standard", "completep"),
        over("depth width", (2, WIDTHS[0]), (2, WIDTHS[-1]), (DEPTHS[-1], WIDTHS[0])),
        over("learning_rate", *RATES),
    ],
)
