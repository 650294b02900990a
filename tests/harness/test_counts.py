"""The closed forms are the built modules and torch's FLOP count; wrong shapes are refused."""

import random
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from harness.anatomy import ANATOMIES, Shape, check_shape, shape_of
from harness.counts import counts
from harness.models import VARIANTS, build
from harness.refusal import Refusal


def shape(
    variant: str, depth: int, width: int, heads: int, context: int = 8, vocab_size: int = 11, **more: Any
) -> Shape:
    fields = {"depth": depth, "width": width, "heads": heads, "context": context, "vocab_size": vocab_size}
    build = {"precision": "fp32", "kernel": "eager", "parametrisation": "standard"}
    return shape_of({"variant": variant, "base_width": width, "base_depth": depth, **build, **fields, **more})


def random_shapes(variant: str) -> list[Shape]:
    """Twenty-four cuts of the variant, with every choice that its anatomy leaves."""
    draw, anatomy, shapes = random.Random(variant), ANATOMIES[variant], []
    for _ in range(24):
        heads = draw.choice([1, 2, 3, 4, 6])
        head_width = 8 * draw.randint(1, 5) if anatomy.rotary_fraction else draw.randint(1, 20)
        context = draw.randint(2, 40)
        more: dict[str, Any] = {
            "activation": draw.choice(anatomy.activations),
            "norm": draw.choice(anatomy.norms),
            "qk_norm": draw.choice(anatomy.qk_norms),
        }
        if draw.random() < 0.5:
            more |= {"head_width": head_width, "mlp_width": draw.randint(1, 90)}
        if anatomy.grouped:
            more["kv_heads"] = draw.choice([part for part in range(1, heads + 1) if heads % part == 0])
        if anatomy.banded:
            more["window"] = draw.randint(1, context)
        width = draw.randint(2, 90) if "head_width" in more else heads * head_width
        shapes.append(shape(variant, draw.randint(1, 4), width, heads, context, draw.randint(2, 99), **more))
    return shapes


def test_every_variant_has_its_anatomy() -> None:
    assert VARIANTS.keys() == ANATOMIES.keys()


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_are_those_of_the_module(variant: str) -> None:
    for spec in random_shapes(variant):
        parts, sizes = counts(spec), {n: p.numel() for n, p in build(spec, "meta").named_parameters()}
        norms = sum(size for name, size in sizes.items() if "norm" in name)
        blocks = sum(size for name, size in sizes.items() if name.startswith("blocks.") and "norm" not in name)
        assert parts.params_embedding == sizes["embedding"]
        assert parts.params_position == sizes.get("position", 0)
        assert parts.params_head == sizes.get("head.weight", 0)
        assert (parts.params_norm, parts.params_block) == (norms, blocks)
        assert parts.params == sum(sizes.values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_flops_are_those_torch_counts(variant: str) -> None:
    for spec in random_shapes(variant):
        tokens_bt = torch.zeros(3, spec.context, dtype=torch.int64, device="meta")
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            build(spec, "meta").loss(tokens_bt, tokens_bt).backward()
        # Relative positions are projected once a step, and no gradient flows into the waves that they are made of.
        once = 4 * spec.depth * spec.context * spec.width * spec.heads * spec.head_width
        once *= ANATOMIES[variant].positions == "relative"
        assert counter.get_total_flops() == counts(spec).flops * tokens_bt.numel() + once


def test_odd_heads_cannot_rotate() -> None:
    with pytest.raises(Refusal, match=r"width=18 with heads=2 gives heads of 9.*use width=20"):
        check_shape(shape("modern", 1, 18, 2))
    check_shape(shape("modern", 1, 20, 2))
    check_shape(shape("gpt2", 1, 18, 2))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_refused_shape_names_one_that_is_not(variant: str) -> None:
    with pytest.raises(Refusal, match=r"width=20 is not divisible by heads=3.*use heads=2"):
        build(shape(variant, 1, 20, 3))
    check_shape(shape(variant, 1, 20, 2))


def test_unknown_variant_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refusal, match="did you mean 'modern'"):
        counts(shape("modem", 1, 4, 2))


def test_counting_needs_no_torch() -> None:
    code = "import sys, harness.counts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
