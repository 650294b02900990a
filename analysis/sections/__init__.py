"""The catalogue of a report's sections: a new one is a function in a file here, its figures, and an entry below."""

from analysis.curves.scores import zero_shot_names
from analysis.figures.layers import has_layers
from analysis.figures.lm_domains import domains_of
from analysis.figures.positions import texts_of
from analysis.incontext import shot_tasks
from analysis.sections import bakeoff, effective_data, held_out, law, optimum, provenance, rates, rungs, tasks, transfer
from analysis.sections.section import Section, lawful
from analysis.table import PART_COLUMNS

SECTIONS: dict[str, Section] = {
    "rates": Section("Learning rate across size", rates.rates, ("rates",), asks=lambda study: study.varies_rate),
    "coordinates": Section(
        "Coordinate check", rates.coordinates, ("coordinates",), asks=lambda study: study.checks_coordinates
    ),
    "fine-tuned": Section(
        "Fine-tuned against from scratch",
        effective_data.effective_data,
        ("gain", "effective_data"),
        asks=lambda study: study.fine_tunes,
    ),
    "layers": Section(
        "Transferred blocks", tasks.transferred_layers, ("layers",), "sweep", asks=lambda study: has_layers(study.raw)
    ),
    "tasks": Section(
        "Task scores",
        tasks.zero_shot_scores,
        ("zero_shot", "over_training"),
        "sweep",
        asks=lambda study: bool(zero_shot_names(study.raw)),
    ),
    "in-context": Section(
        "Examples in the context",
        tasks.in_context_scores,
        ("shots", "aggregate", "arithmetic"),
        "sweep",
        asks=lambda study: bool(shot_tasks(study.raw)),
    ),
    "other-text": Section(
        "Other text",
        tasks.other_text,
        ("lm_domains",),
        "sweep",
        asks=lambda study: lawful(study) and len(domains_of(study.raw)) > 1,
    ),
    "positions": Section(
        "Position in the context",
        tasks.along_the_context,
        ("positions",),
        "sweep",
        asks=lambda study: bool(texts_of(study.raw)),
    ),
    "overlap": Section("Overlap with the training text", tasks.overlap, of="sweep", asks=tasks.has_overlap),
    "law": Section("The law", law.law, ("size", "data", "residuals", "surface"), asks=lawful),
    "held-out": Section("Held out", held_out.held_out, ("forecast",), asks=lawful),
    "optimum": Section("Best choices", optimum.optimum, needs=("C",), asks=lawful),
    "profile": Section("How sure", law.profiles, ("profiles",), asks=lawful),
    "conventions": Section(
        "Counting conventions", law.conventions, ("exponents",), needs=tuple(PART_COLUMNS), asks=lawful
    ),
    "isoflop": Section("IsoFLOP", optimum.isoflops, ("isoflop",), needs=("N", "D", "C"), asks=lawful),
    "bake-off": Section("Bake-off", bakeoff.bakeoff, ("bakeoff",), needs=("N", "D", "C"), asks=lawful),
    "transfer": Section(
        "Zero-shot transfer", transfer.transfer, ("transfer_loss", "transfer_compute"), "sweep", asks=lawful
    ),
    "rungs": Section("Rungs", rungs.rungs, ("training",), "sweep"),
    "failures": Section("Failures", rungs.failures, of="sweep"),
    "provenance": Section("Data and provenance", provenance.provenance, of="sweep"),
    "table": Section("The table", provenance.own_table, of="table"),
    "recreate": Section("Make this page again", provenance.recreate),
}
