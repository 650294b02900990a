"""What is knowing speeches worth when other prose is learned: children of every parent, and the same from scratch.

Each is trained to several ends, so that an analysis can stop it where it does best.
"""

from harness.parents import children_of
from harness.sweep import Fields, Sweep, over
from sweeps.transfer_parents import SWEEP as PARENTS

# Bytes of the domain (D_F) -> tokens after which a child ends, and a run from scratch, which needs longer where its
# text can be learnt by heart. Where neither can reach its lowest loss in time, both end alike.
ENDS = {
    10_240: ((25_600, 51_200, 102_400, 307_200), (51_200, 102_400, 307_200, 921_600, 1_843_200)),
    20_480: ((25_600, 51_200, 102_400, 307_200), (102_400, 307_200, 409_600, 921_600, 1_843_200)),
    30_720: ((25_600, 51_200, 102_400, 307_200, 921_600), (102_400, 153_600, 307_200, 614_400, 921_600, 1_843_200)),
    61_440: (
        (),
        (307_200, 921_600, 1_228_800, 2_764_800, 5_529_600),
    ),  # to read off what less text is worth to children
    102_400: ((307_200, 921_600), (307_200, 921_600)),
    307_200: ((307_200, 921_600), (307_200, 921_600)),
}
WIDE, MOST_EPOCHS = 64, 20  # beyond which what is so wide has learnt its text by heart
SHALLOW, MOST_TOKENS = 1, 2_764_800  # beyond which one layer is not worth its price


def wanted(run: Fields) -> bool:
    if run["width"] >= WIDE and run["tokens"] > MOST_EPOCHS * run["unique_tokens"]:
        return False
    if run["depth"] <= SHALLOW and run["tokens"] > MOST_TOKENS:
        return False
    children, from_scratch = ENDS[run["unique_tokens"]]
    return run["tokens"] in (children if run["parent"] else from_scratch)


SWEEP = Sweep(
    name="transfer",
    question="What are speeches worth, in data of the King James Bible and of Wikipedia, to who learns these?",
    base={
        "epochs": lambda run: max(1.0, run["tokens"] / run["unique_tokens"]),
        "batch_tokens": 512,
        "warmup_tokens": 20_480,
        "learning_rate": lambda run: round(0.005 * (32 / run["width"]) ** 0.5, 6),  # the parents'
        "eval_tokens": 16_384,
        "device": "cpu",
        "precision": "fp32",
        "kernel": "eager",
    },
    axes=[
        children_of(PARENTS, from_scratch=True),
        over("corpus", "kjv", "wiki"),
        over("unique_tokens", *ENDS),
        over("tokens", *sorted({end for ends in ENDS.values() for side in ends for end in side})),
    ],
    where=wanted,
    parents=[PARENTS],
    tasks=("lm_sotu",),
)
