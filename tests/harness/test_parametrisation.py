"""The rules for size: standard at the base, and beyond it activations that move alike at every width and depth."""

from typing import Any

import pytest
import torch

from harness.anatomy import shape_of
from harness.models import VARIANTS, build
from harness.models.family import LanguageModel
from harness.models.parametrisation import PARAMETRISATIONS, parametrise
from harness.tasks.coordinates import activations

BASE = {"depth": 2, "width": 32, "heads": 2, "context": 16, "vocab_size": 29, "base_width": 32, "base_depth": 2}
BASE |= {"precision": "fp32", "kernel": "eager", "variant": "modern", "qk_norm": "none", "head_width": 16}


def spec(**changes: Any) -> Any:
    fields = {**BASE, **changes}
    return shape_of({"heads": fields["width"] // 16, **{k: v for k, v in fields.items() if k != "heads"}})


def model_of(**changes: Any) -> LanguageModel:
    model = build(spec(**changes))
    model.initialise(torch.Generator().manual_seed(0))
    return model


def trained(steps: int = 6, rate: float = 0.02, **changes: Any) -> tuple[LanguageModel, LanguageModel]:
    """(at the start, after some steps of Adam with each group's own rate and epsilon)."""
    start, model = model_of(**changes), model_of(**changes)
    groups = [
        {"params": group.parameters, "lr": rate * group.factors.rate, "eps": 1e-8 * group.factors.epsilon}
        for group in model.parameter_groups()
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.95))
    for step in range(steps):
        tokens_bt = torch.randint(29, (32, 16), generator=torch.Generator().manual_seed(step))
        loss = model.loss(tokens_bt, (tokens_bt * 7 + 3) % 29)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return start, model


def moved(**changes: Any) -> dict[str, float]:
    """Root mean square change of each activation."""
    start, model = trained(**changes)
    tokens_bt = torch.randint(29, (64, 16), generator=torch.Generator().manual_seed(99))
    with torch.no_grad():
        before, after = activations(start, tokens_bt), activations(model, tokens_bt)
    return {part: (after[part] - before[part]).square().mean().sqrt().item() for part in after}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("parametrisation", ["mup", "completep"])
def test_at_the_base_only_attention_differs(variant: str, parametrisation: str) -> None:
    changes = {"variant": variant}
    plain, ruled = model_of(parametrisation="standard", **changes), model_of(parametrisation=parametrisation, **changes)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), ruled.parameters(), strict=True))
    for group in ruled.parameter_groups():
        assert (group.factors.rate, group.factors.decay, group.factors.epsilon) == (1, 1, 1)
    assert (ruled.scales.branch, ruled.scales.logits, ruled.scales.attention) == (1, 1, 1 / 16)
    assert plain.scales.attention == 16**-0.5


def test_normalised_queries_and_keys_meet_as_ever() -> None:
    """Their size does not follow width, and products of at most 1 over head_width would leave every share alike."""
    scales = [parametrise(spec(qk_norm="rms", parametrisation=name)).attention for name in PARAMETRISATIONS]
    assert scales == [16**-0.5] * 3


@pytest.mark.parametrize(("wider", "deeper"), [(1, 4), (4, 1), (8, 8)])
def test_rules_are_the_published_ones(wider: int, deeper: int) -> None:
    """arXiv 2505.01618, table 1, alpha = 1."""
    rules = parametrise(spec(parametrisation="completep", width=32 * wider, depth=2 * deeper))
    hidden = rules.factors("blocks.0.hidden.weight", 2)
    assert rules.branch == 1 / deeper
    assert rules.logits == 1 / wider
    assert hidden.deviation**2 == pytest.approx(1 / wider)
    assert (hidden.rate, hidden.decay, hidden.epsilon) == (1 / wider, wider, 1 / (wider * deeper))
    assert rules.factors("blocks.0.norm_hidden.weight", 1).rate == 1
    assert rules.factors("blocks.0.norm_hidden.weight", 1).epsilon == 1 / (wider * deeper)
    for end in (("embedding", 2), ("head.weight", 2), ("norm.weight", 1)):
        assert (rules.factors(*end).rate, rules.factors(*end).decay, rules.factors(*end).deviation) == (1, 1, 1)
        assert rules.factors(*end).epsilon == 1 / wider


def test_mup_is_completep_at_one_depth() -> None:
    wide = {"width": 256, "depth": 8}
    mup = parametrise(spec(parametrisation="mup", **wide, base_depth=8))
    assert mup == parametrise(spec(parametrisation="completep", **wide, base_depth=8))


def test_the_optimiser_is_given_every_factor() -> None:
    from harness.module import GPTModule
    from harness.schedule import learning_rate
    from harness.spec import make_spec

    fields = {"depth": 4, "width": 64, "heads": 4, "unique_tokens": 102_400, "tokens": 102_400, "warmup_tokens": 1_024}
    module = GPTModule(make_spec(fields | {"parametrisation": "completep", "base_width": 16, "base_depth": 1}))
    module.on_train_batch_start(torch.empty(0), 0)
    names = {id(parameter): name for name, parameter in module.model.named_parameters()}
    for group in module.optimizer.param_groups:
        for parameter in group["params"]:
            hidden = names[id(parameter)].startswith("blocks.")
            assert group["lr"] == pytest.approx(learning_rate(module.spec, 0) * (0.25 if hidden else 1))
            assert group["weight_decay"] == pytest.approx(0.1 * (4 if hidden else 1))
            assert group["eps"] == pytest.approx(1e-8 / (16 if hidden else 4))


def test_completep_moves_alike_at_every_width_where_standard_does_not() -> None:
    grown = {
        name: [moved(parametrisation=name, width=width) for width in (32, 256)] for name in ("standard", "completep")
    }
    for part in ("first_block", "last_block", "logits"):
        narrow, wide = (sizes[part] for sizes in grown["completep"])
        assert 0.5 < wide / narrow < 2, part
    narrow, wide = (sizes["logits"] for sizes in grown["standard"])
    assert wide / narrow > 2


def test_completep_moves_alike_at_every_depth_where_standard_does_not() -> None:
    grown = {
        name: [moved(parametrisation=name, depth=depth) for depth in (2, 16)] for name in ("standard", "completep")
    }
    shallow, deep = (sizes["last_block"] for sizes in grown["completep"])
    assert 0.5 < deep / shallow < 2
    shallow, deep = (sizes["last_block"] for sizes in grown["standard"])
    assert deep / shallow > 2


def test_a_stream_grows_alike_at_every_depth_under_completep() -> None:
    """Weights of one size in every block: what all blocks add together does not grow with their number."""
    spreads = []
    for depth in (2, 16):
        model = model_of(parametrisation="completep", depth=depth)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("_output.weight"):
                    parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
            tokens_bt = torch.randint(29, (8, 16), generator=generator)
            seen = activations(model, tokens_bt)
        spreads.append((seen["last_block"] - seen["embedding"]).std().item())
    assert spreads[1] < 1.5 * spreads[0]


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_every_parameter_is_in_one_group(parametrisation: str) -> None:
    model = model_of(parametrisation=parametrisation, width=64, depth=4)
    grouped = [id(parameter) for group in model.parameter_groups() for parameter in group.parameters]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
