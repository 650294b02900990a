"""The catalogue of scaling laws: a new law is one declaration here or in a file of its own, and one line below."""

from analysis.laws.broken import BROKEN
from analysis.laws.coupled import COUPLED, GEMSTONES_COUPLED, KAPLAN
from analysis.laws.downstream import ERROR, LOSS_TO_LOSS, SIGMOID
from analysis.laws.law import Law
from analysis.laws.powers import (
    CHINCHILLA,
    CHINCHILLA_TIED,
    ENVELOPE,
    GADRE,
    GEMSTONES,
    KAPLAN_ALONE,
    POWERS,
    TRANSFERRED,
)
from analysis.laws.repeated import REPEATED
from analysis.laws.shape import SHAPE, SHAPE_COUPLED

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        CHINCHILLA,
        CHINCHILLA_TIED,
        COUPLED,
        KAPLAN,
        *KAPLAN_ALONE,
        *POWERS,
        ENVELOPE,
        *BROKEN,
        GEMSTONES,
        GEMSTONES_COUPLED,
        SHAPE,
        SHAPE_COUPLED,
        REPEATED,
        GADRE,
        LOSS_TO_LOSS,
        SIGMOID,
        ERROR,
        TRANSFERRED,
    )
}
