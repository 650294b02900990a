"""Each variant computes what its published class computes, sees no future, starts as declared, and trains."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.anatomy import shape_of
from harness.models import VARIANTS, build
from harness.models.attention import causal_attention
from harness.models.family import LanguageModel
from harness.models.kernels import KERNELS
from harness.models.layers import normalise, rotary_tables, rotate, squared_relu
from harness.models.parametrisation import PARAMETRISATIONS
from harness.refusal import Refusal

TINY = {"depth": 2, "width": 24, "heads": 3, "context": 16, "vocab_size": 29, "precision": "fp32", "kernel": "eager"}
TINY |= {"parametrisation": "standard"}

# Every variant, and those that it becomes by its choices.
FAMILY: dict[str, dict[str, Any]] = {variant: {"variant": variant} for variant in VARIANTS} | {
    "neox": {"variant": "neox", "head_width": 8},
    "no qk-norm": {"variant": "modern", "qk_norm": "none"},
    "shared keys": {"variant": "modern", "kv_heads": 1},
    "swiglu": {"variant": "modern", "activation": "swiglu", "qk_norm": "none"},
    "llama": {"variant": "modern", "activation": "swiglu", "norm": "rms", "qk_norm": "none", "kv_heads": 1},
    "qwen3": {"variant": "modern", "activation": "swiglu", "norm": "rms", "kv_heads": 1, "head_width": 10},
    "wide heads": {"variant": "gpt2", "head_width": 10, "mlp_width": 40},
}
every_variant = pytest.mark.parametrize("variant", FAMILY)


def spec(variant: str, **changes: object) -> Any:
    fields = {**TINY, **FAMILY.get(variant, {"variant": variant}), **changes}
    return shape_of({"base_width": fields["width"], "base_depth": fields["depth"], **fields})


def initialised(variant: str, seed: int = 0, **changes: object) -> LanguageModel:
    model = build(spec(variant, **changes))
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def shaken(variant: str, **changes: object) -> LanguageModel:
    """A model none of whose parameters is zero or one, as after training."""
    model, generator = initialised(variant, **changes), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator))
    return model


def batch(model: LanguageModel, windows: int = 3, seed: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(TINY["vocab_size"], (2, windows, TINY["context"]), generator=generator))


# Exactness


@every_variant
def test_loss_is_the_mean_of_token_losses(variant: str) -> None:
    model = shaken(variant)
    tokens_bt, targets_bt = batch(model)
    chances = model(tokens_bt).softmax(-1).gather(-1, targets_bt[..., None])[..., 0]
    torch.testing.assert_close(model.token_losses(tokens_bt, targets_bt), -chances.log())
    torch.testing.assert_close(model.loss(tokens_bt, targets_bt), -chances.log().mean())


@every_variant
def test_a_shorter_window_is_a_prefix(variant: str) -> None:
    model = shaken(variant)
    tokens_bt, _ = batch(model)
    torch.testing.assert_close(model(tokens_bt[:, :7]), model(tokens_bt)[:, :7])


# Causality


@every_variant
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_gradient_from_the_future(variant: str, precision: str) -> None:
    model = shaken(variant, precision=precision, vocab_size=16)
    tokens_bt = torch.arange(16)[None]  # each token once, so its row of the embedding is its position
    for position in range(16):
        model.zero_grad()
        x_btd = model.embed(tokens_bt)
        x_btd.retain_grad()
        y_btd = x_btd
        for block in model.blocks:
            y_btd = block(y_btd, model.training_dtype, *model.tables(16))
        model.logits(y_btd, model.training_dtype)[0, position].float().square().sum().backward()
        reach = x_btd.grad[0].abs().sum(-1)
        assert (reach[position + 1 :] == 0).all()
        assert (reach[: position + 1] > 0).all()


@pytest.mark.parametrize("context", [1, 2, 3, 5, 16, 21, 64])
def test_attention_by_blocks_is_attention(context: int) -> None:
    q, k, v = torch.randn(3, 2, 3, context, 8, generator=torch.Generator().manual_seed(3)).bfloat16()
    whole = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
    torch.testing.assert_close(causal_attention(q, k, v, 8**-0.5).float(), whole, atol=0.02, rtol=0.02)


def test_rotation_sees_only_distance() -> None:
    q_c, k_c = torch.randn(2, 8, generator=torch.Generator().manual_seed(3))
    tables = rotary_tables(32, 8, 10_000.0)
    q_tc, k_tc = (rotate(x_c.expand(1, 32, 1, 8), *tables)[0, :, 0] for x_c in (q_c, k_c))
    scores_ts = q_tc @ k_tc.T
    torch.testing.assert_close(scores_ts[1:, 1:], scores_ts[:-1, :-1])
    assert scores_ts[0].std() > 0.1


# Initialisation


@every_variant
def test_the_seed_decides_everything(variant: str) -> None:
    torch.manual_seed(11)
    first = initialised(variant, seed=4).state_dict()
    torch.manual_seed(12)
    second, third = initialised(variant, seed=4).state_dict(), initialised(variant, seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["embedding"], third["embedding"])


@every_variant
@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_weights_are_drawn_as_declared(variant: str, parametrisation: str) -> None:
    """As `start` says of the base size, the blocks' matrices narrower by the root of what is wider."""
    base = {"base_width": 24, "base_depth": 1} if parametrisation != "standard" else {}
    model = initialised(variant, width=96, depth=3, vocab_size=257, context=64, parametrisation=parametrisation, **base)
    narrower = 0.5 if base else 1.0
    for name, parameter in model.named_parameters():
        mean, deviation = model.start(name)
        if name.startswith("blocks.") and parameter.ndim == 2:
            deviation *= narrower
        assert parameter.mean().item() == pytest.approx(mean, abs=5 * deviation * parameter.numel() ** -0.5)
        assert parameter.std().item() == pytest.approx(deviation, rel=5 * parameter.numel() ** -0.5)


# As published: matrices, what enters the stream, the embedding and the head, at depth L and width d.
PUBLISHED_STARTS: dict[str, Callable[[int, int], tuple[float, float, float, float | None]]] = {
    "gpt1": lambda L, d: (0.02, 0.02, 0.02, None),  # Radford et al. 2018, section 4.1
    "gpt2": lambda L, d: (0.02, 0.02 / (2 * L) ** 0.5, 0.02, None),  # Radford et al. 2019, section 2.3
    "gpt3": lambda L, d: (0.02, 0.02 / (2 * L) ** 0.5, 0.02, None),  # arXiv 2005.14165: as GPT-2
    "neox": lambda L, d: ((0.4 / d) ** 0.5, 2 / L / d**0.5, (0.4 / d) ** 0.5, (0.4 / d) ** 0.5),  # arXiv 2204.06745
    "chinchilla": lambda L, d: (0.02, 0.02 / (2 * L) ** 0.5, 0.02, None),  # not printed: as GPT-2
    "modern": lambda L, d: (d**-0.5, 0.0, 1.0, 0.0),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("depth", "width"), [(2, 64), (8, 64), (2, 128)])
def test_weights_start_as_published(variant: str, depth: int, width: int) -> None:
    weights = initialised(
        variant, depth=depth, width=width, heads=2, head_width=width // 2, vocab_size=211
    ).state_dict()
    inner, output, embedding, head = PUBLISHED_STARTS[variant](depth, width)
    for name, deviation in (("query_key_value", inner), ("hidden", inner), ("attention_output", output)):
        assert weights[f"blocks.1.{name}.weight"].std().item() == pytest.approx(deviation, rel=0.05)
    assert weights["blocks.1.hidden_output.weight"].std().item() == pytest.approx(output, rel=0.05)
    assert weights["embedding"].std().item() == pytest.approx(embedding, rel=0.05)
    assert ("head.weight" in weights) == (head is not None)
    if head is not None:
        assert weights["head.weight"].std().item() == pytest.approx(head, rel=0.05)


@every_variant
@pytest.mark.parametrize(("depth", "width"), [(1, 24), (6, 24), (2, 96)])
def test_a_new_model_bets_evenly(variant: str, depth: int, width: int) -> None:
    """Its loss is log V, and half the variance of its logits more, which is small."""
    model = initialised(variant, depth=depth, width=width)
    inputs = batch(model, 8)
    spread = model(inputs[0]).var(-1).mean()
    evenly = torch.tensor(float(TINY["vocab_size"])).log()
    assert spread < 0.6
    torch.testing.assert_close(model.loss(*inputs), evenly + spread / 2, rtol=0.03, atol=0)


@pytest.mark.parametrize("depth", [1, 4, 16])
@pytest.mark.parametrize("width", [24, 96])
def test_the_stream_enters_at_one_and_depth_does_not_blow_it_up(depth: int, width: int) -> None:
    model = initialised("modern", depth=depth, width=width)
    x_btd = model.embed(batch(model)[0])
    torch.testing.assert_close(x_btd.square().mean(-1), torch.ones(3, 16), rtol=1e-4, atol=1e-4)
    for block in model.blocks:
        torch.testing.assert_close(block(x_btd, torch.float32, *model.tables(16)), x_btd)


@pytest.mark.parametrize("width", [24, 96])
def test_gpt2_stream_grows_alike_at_any_depth(width: int) -> None:
    spreads = []
    for depth in (2, 8, 24):
        model = initialised("gpt2", depth=depth, width=width)
        x_btd = start_btd = model.embed(batch(model)[0])
        for block in model.blocks:
            x_btd = block(x_btd, torch.float32)
        spreads.append((x_btd - start_btd).std().item())
    assert max(spreads) < 1.5 * min(spreads)


def test_a_model_that_was_not_initialised_says_nan() -> None:
    model = build(spec("modern"))
    assert model(batch(model)[0]).isnan().all()


@every_variant
def test_only_matrices_decay(variant: str) -> None:
    model = initialised(variant)
    groups = model.parameter_groups()
    grouped = [parameter for group in groups for parameter in group.parameters]
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters()}
    assert len(grouped) == len(list(model.parameters()))
    names = {id(p): name for name, p in model.named_parameters()}
    for group in groups:
        for parameter in group.parameters:
            assert group.decays == (parameter.ndim == 2)
            assert group.decays != ("norm" in names[id(parameter)] or "bias" in names[id(parameter)])


# Training


def train(model: LanguageModel, steps: int) -> list[float]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    losses = []
    for step in range(steps):
        tokens_bt, _ = batch(model, 8, seed=step % 2)
        loss = model.loss(tokens_bt, (tokens_bt * 7 + 3) % TINY["vocab_size"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@every_variant
def test_a_rule_of_one_token_is_learnt(variant: str) -> None:
    losses = train(initialised(variant), 120)
    assert losses[-1] < 0.1 * losses[0]


@every_variant
def test_bf16_stays_near_fp32(variant: str) -> None:
    exact, rounded = (shaken(variant, precision=precision) for precision in ("fp32", "bf16"))
    inputs = batch(exact)
    exact.loss(*inputs).backward()
    rounded.loss(*inputs).backward()
    for (name, a), b in zip(exact.named_parameters(), rounded.parameters(), strict=True):
        assert b.dtype == b.grad.dtype == torch.float32
        assert torch.cosine_similarity(a.grad.flatten(), b.grad.flatten(), dim=0) > 0.999, name


@every_variant
def test_scores_do_not_depend_on_precision(variant: str) -> None:
    exact, rounded = (shaken(variant, precision=precision) for precision in ("fp32", "bf16"))
    assert torch.equal(exact.token_losses(*batch(exact)), rounded.token_losses(*batch(exact)))


@pytest.mark.parametrize(
    ("own", "plain"),
    [
        (partial(normalise, epsilon=1e-6), lambda x: x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()),
        (squared_relu, lambda x: x.clamp(min=0).square()),
    ],
)
def test_own_gradients_are_the_derivatives(own: Callable[[Tensor], Tensor], plain: Callable[[Tensor], Tensor]) -> None:
    x, weights = torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(6))
    values, slopes = [], []
    for function in (own, plain):
        leaf = x.clone().requires_grad_()
        y = function(leaf)
        (y * weights).sum().backward()
        values.append(y)
        slopes.append(leaf.grad)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*slopes)


# Kernels


@pytest.mark.parametrize(("field", "wrong"), [("kernel", "compild"), ("precision", "bf61")])
def test_unknown_ways_to_compute_are_refused(field: str, wrong: str) -> None:
    with pytest.raises(Refusal, match=f"no {field} is called '{wrong}': did you mean"):
        build(spec("modern", **{field: wrong}))


@every_variant
def test_without_a_compiler_training_runs_eager_and_says_so(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.warns(RuntimeWarning, match="needs a C\\+\\+ compiler.*training runs eager"):
        fallen = initialised(variant, kernel="compiled")
    eager = initialised(variant)
    assert torch.equal(fallen.loss(*batch(eager)), eager.loss(*batch(eager)))


def test_without_fast_bf16_the_step_is_the_same_up_to_rounding() -> None:
    """A processor without bfloat16 instructions, as oneDNN can be told to be, trains to the same losses."""
    code = (
        "import torch; from tests.harness import test_models as t; torch.set_num_threads(1);"
        "print(*t.train(t.initialised('modern', precision='bf16'), 12))"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    there, here = [float(word) for word in answer.stdout.split()], train(initialised("modern", precision="bf16"), 12)
    assert there == pytest.approx(here, rel=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns of its own doings while it traces
@every_variant
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_is_eager(variant: str, precision: str) -> None:
    eager, compiled = (shaken(variant, precision=precision, kernel=kernel) for kernel in KERNELS)
    inputs = batch(eager)
    tolerance = {"fp32": 1e-4, "bf16": 3e-2}[precision]
    losses = [model.loss(*inputs) for model in (eager, compiled)]
    torch.testing.assert_close(*losses, rtol=tolerance, atol=0)
    for loss in losses:
        loss.backward()
    for (name, a), b in zip(eager.named_parameters(), compiled.parameters(), strict=True):
        assert (a.grad - b.grad).norm() <= tolerance * a.grad.norm(), name


@pytest.mark.slow
@pytest.mark.parametrize("kept_bytes", [0, 100])
def test_a_library_torn_by_a_kill_is_compiled_again(tmp_path: Path, kept_bytes: int) -> None:
    code = (
        "import torch; from tests.harness import test_models as t; torch.set_num_threads(1);"
        "model = t.initialised('gpt2', depth=1, kernel='compiled'); print(model.loss(*t.batch(model)).item())"
    )
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    whole = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    torn = next(tmp_path.rglob("*.main.so"))
    torn.write_bytes(torn.read_bytes()[:kept_bytes])
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == whole
    assert torn.stat().st_size > kept_bytes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns of its own doings while it traces
def test_what_was_compiled_before_changes_nothing() -> None:
    def losses() -> list[float]:
        return train(initialised("modern", precision="bf16", kernel="compiled"), 5)

    alone = losses()
    for width, heads, windows in [(12, 3, 2), (48, 3, 3), (24, 6, 4)]:
        other = initialised("modern", width=width, heads=heads, precision="bf16", kernel="compiled")
        other.loss(*batch(other, windows)).backward()
    assert losses() == alone
