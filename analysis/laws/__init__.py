"""The catalogue of scaling laws: a new law is one file here and one line below."""

from analysis.laws.chinchilla import CHINCHILLA
from analysis.laws.coupled import COUPLED
from analysis.laws.law import Law
from analysis.laws.power import POWERS
from analysis.laws.shifted_power import SHIFTED_POWER

LAWS: dict[str, Law] = {law.name: law for law in (CHINCHILLA, COUPLED, SHIFTED_POWER, *POWERS)}
