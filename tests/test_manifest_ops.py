"""A manifest of its own that uses every key: several kernels a pass, renamed parameters, workspace, saved
arrays, sums, variants, options, either rank, optional inputs, a condition, a looser bound."""

import itertools
from pathlib import Path

import mlx.core as mx
import pytest
from oracle import assert_close, draw, first, truth

import loader

MANIFEST = Path(__file__).parent / "manifests" / "mix" / "manifest.yaml"


def reference(x, w, half=None, shift=None, scale=1.0, square=False):
    wide = x.dtype if x.dtype == mx.float64 else mx.float32
    y = scale * w.astype(wide) * x.astype(wide)
    y = y * y if square else y
    y = y if shift is None else y + shift.astype(wide)
    state = mx.zeros((x.shape[0], x.shape[2]), wide) if half is None else mx.concatenate([half, half], axis=1)
    return y.astype(x.dtype), state


@pytest.fixture(scope="module")
def mix():
    return loader.load(MANIFEST, references={"mix": reference})["mix"]


MIXED = {"x": "bfloat16", "w": "float32", "shift": "float16"}
# (length, whether w has rows, square, dtypes), the two that differ in all of them first.
MIXES = sorted(
    itertools.product([5, 1], [True, False], [False, True], [{}, MIXED]),
    key=lambda case: case not in ((5, True, False, {}), (1, False, True, MIXED)),
)


@pytest.mark.parametrize("length, rows, square, dtypes", first(2, MIXES, "each compiles four variants of its own"))
def test_mix(mix, length, rows, square, dtypes):
    for present in ((), ("half",), ("shift",), ("half", "shift")):
        inputs = draw(mix, {"B": 3, "L": length, "D": 34}, present, dtypes)
        if rows:
            inputs["w"] = mx.repeat(inputs["w"][None], length, axis=0) * mx.arange(1, length + 1)[:, None]
        names = list(inputs)

        def function(*arrays, names=names):
            given = dict(zip(names, arrays))
            return mix(given.pop("x"), given.pop("w"), return_state=True, scale=0.7, square=square, **given)

        outputs = function(*inputs.values())
        cotangents = [mx.random.normal(y.shape).astype(y.dtype) for y in outputs]
        outputs, gradients = mx.vjp(function, list(inputs.values()), cotangents)
        want_outputs, want_gradients = truth(mix, inputs, cotangents, scale=0.7, square=square)
        for got, want in zip(outputs, want_outputs):
            assert_close(mix, got, want, "output")
        for name, got in zip(names, gradients):
            assert got.dtype == inputs[name].dtype
            assert_close(mix, got, want_gradients[name], f"grad_{name}")


def test_variants_choose_by_condition(mix):
    sizes = {"B": 1, "L": 4, "D": 2}
    inputs = draw(mix, sizes)
    assert [type(step).__name__ for step in mix.plan(inputs, (1.0, False)).backward] == ["Launch", "Sum", "Sum"]
    inputs["w"] = mx.ones((4, 2))
    plan = mix.plan(inputs, (1.0, False))
    assert [type(step).__name__ for step in plan.backward] == ["Launch", "Sum"]
    assert plan.forward[0].arguments["threadgroup"] == (32, 1, 1)
    plan = mix.plan(draw(mix, {**sizes, "L": 1}), (1.0, False))
    assert plan.forward[0].arguments["threadgroup"] == (96, 1, 1)


def test_conditions_and_ranks_are_checked(mix):
    with pytest.raises(ValueError, match=r"\[mix\] expected D to be even \(D = 3\)"):
        mix(mx.ones((1, 2, 3)), mx.ones((3,)))
    with pytest.raises(ValueError, match=r"\[mix\] expected w to have shape \(D\) or \(L, D\) but got \(1, 1, 1\)"):
        mix(mx.ones((1, 2, 4)), mx.ones((1, 1, 1)))
    with pytest.raises(ValueError, match=r"expected half to have shape \(B, D // 2\) = \(1, 2\) but got \(1, 3\)"):
        mix(mx.ones((1, 2, 4)), mx.ones((4,)), half=mx.ones((1, 3)))


def test_options_are_typed(mix):
    x, w = mx.ones((1, 2, 4)), mx.ones((4,))
    assert mx.allclose(mix(x, w, scale=2), mix.reference(x, w, scale=2))
    for name, value in itertools.product(("scale", "square"), ("1", 2.5j)):
        with pytest.raises(TypeError, match=rf"\[mix\] expected {name} to be a"):
            mix(x, w, **{name: value})


def test_step_takes_ranks_apart(mix):
    y, state = mix.step(mx.ones((2, 4)), mx.ones((4,)), half=mx.ones((2, 2)))
    assert y.shape == (2, 4) and mx.array_equal(state, mx.ones((2, 4)))


def test_without_a_reference_kernels_still_run():
    mix = loader.load(MANIFEST)["mix"]
    mix(mx.ones((1, 2, 4)), mx.ones((4,)))
    with pytest.raises(loader.LoaderError, match="no plain-MLX reference"):
        mix.reference(mx.ones((1, 2, 4)), mx.ones((4,)))
