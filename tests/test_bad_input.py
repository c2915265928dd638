"""Every wrong call: (call, error, message). No kernel may run, and nothing may crash."""

import re

import mlx.core as mx
import numpy as np
import pytest
from oracle import draw, option_sets

import loader
from loader.expression import Scope

A, B = mx.ones((2, 16, 64)), mx.ones((2, 16, 64))
STATE, RESET = mx.ones((2, 64)), mx.zeros((2, 16), dtype=mx.bool_)
rglru, packed = loader.get("rglru"), loader.reset_from_cu_seqlens


def gla(**options):
    x = mx.ones((1, 4, 2, 8))
    return loader.get("gla")(x, x, x, x[..., 0], **options)


def scan(**options):
    return loader.get("associative_scan")(A, **options)


CALLS = [
    (lambda: rglru(), TypeError, "[rglru] expected 2 arrays (a, b) but got 0; a and b are missing."),
    (lambda: rglru(A), TypeError, "[rglru] expected 2 arrays (a, b) but got 1; b is missing."),
    (lambda: rglru(b=B), TypeError, "[rglru] expected 2 arrays (a, b) but got 1; a is missing."),
    (lambda: rglru(A, B, b=B), TypeError, "[rglru] expected b once but got it both by position and by name."),
    (lambda: rglru(A, bb=B), TypeError, "[rglru] has no keyword 'bb'. Did you mean 'b'?"),
    (lambda: rglru(A, b=None), TypeError, "expected b to be an mlx.core.array but got NoneType"),
    (lambda: rglru(a=A, b=B[:1]), ValueError, "expected b to have shape (B, L, D) = (2, 16, 64) but got (1, 16, 64)"),
    (lambda: rglru(A, B, STATE), TypeError, "[rglru] expected 2 arrays (a, b) but got 3."),
    (
        lambda: rglru(A, B, inital_state=STATE),
        TypeError,
        "has no keyword 'inital_state'. Did you mean 'initial_state'?",
    ),
    (lambda: rglru(A, np.ones((2, 16, 64))), TypeError, "expected b to be an mlx.core.array but got ndarray"),
    (lambda: rglru([1.0], B), TypeError, "expected a to be an mlx.core.array but got list; convert it with mx.array"),
    (lambda: rglru(None, B), TypeError, "expected a to be an mlx.core.array but got NoneType"),
    (lambda: rglru(A, B, reset=[True]), TypeError, "expected reset to be an mlx.core.array but got list"),
    (
        lambda: rglru(A, B.astype(mx.int32)),
        TypeError,
        "expected b to have dtype float32 or float16 or bfloat16 but got int32",
    ),
    (
        lambda: rglru(A.astype(mx.bool_), B),
        TypeError,
        "expected a to have dtype float32 or float16 or bfloat16 but got bool",
    ),
    (lambda: rglru(A, B.astype(mx.complex64)), TypeError, "but got complex64"),
    (
        lambda: rglru(A, B, initial_state=STATE.astype(mx.bfloat16)),
        TypeError,
        "expected initial_state to have dtype float32",
    ),
    (lambda: rglru(A, B, reset=RESET.astype(mx.int32)), TypeError, "expected reset to have dtype bool but got int32"),
    (
        lambda: rglru(A, B[:, :, :32]),
        ValueError,
        "[rglru] expected b to have shape (B, L, D) = (2, 16, 64) but got (2, 16, 32).",
    ),
    (lambda: rglru(A, B[:1]), ValueError, "expected b to have shape (B, L, D) = (2, 16, 64) but got (1, 16, 64)"),
    (lambda: rglru(A, B[:, :8]), ValueError, "expected b to have shape (B, L, D) = (2, 16, 64) but got (2, 8, 64)"),
    (lambda: rglru(A[0], B), ValueError, "expected a to have shape (B, L, D) but got (16, 64)."),
    (lambda: rglru(A, B[None]), ValueError, "expected b to have shape (B, L, D) but got (1, 2, 16, 64)."),
    (lambda: rglru(mx.array(1.0), B), ValueError, "expected a to have shape (B, L, D) but got ()."),
    (
        lambda: rglru(A, B, initial_state=STATE[:, :8]),
        ValueError,
        "initial_state to have shape (B, D) = (2, 64) but got (2, 8)",
    ),
    (
        lambda: rglru(A, B, initial_state=STATE[0]),
        ValueError,
        "expected initial_state to have shape (B, D) but got (64,).",
    ),
    (
        lambda: rglru(A, B, reset=RESET[:1]),
        ValueError,
        "expected reset to have shape (B, L) = (2, 16) but got (1, 16).",
    ),
    (lambda: rglru.step(A, B), ValueError, "[rglru.step] expected a to have shape (B, D) but got (2, 16, 64)"),
    (lambda: rglru.step(A[:, 0]), TypeError, "[rglru] expected 2 arrays (a, b) but got 1; b is missing."),
    (lambda: rglru.reference(A, B[:1]), ValueError, "[rglru] expected b to have shape"),
    (lambda: rglru.forward(A, B[:1]), ValueError, "[rglru] expected b to have shape"),
    (lambda: loader.get("rglr"), ValueError, "there is no op 'rglr'; expected one of"),
    (lambda: loader.get("rglr"), ValueError, "Did you mean 'rglru'?"),
    (lambda: loader.get("rglru", backend="vulkan"), loader.BackendError, "expected LOADER_BACKEND to be one of"),
    (lambda: loader.load("no/such/manifest.yaml"), loader.ManifestError, "manifest.yaml:1: cannot be read"),
    (lambda: loader.load("no\0such"), loader.ManifestError, "cannot be read: embedded null byte"),
    (lambda: rglru(A, B, return_state="x"), TypeError, "[rglru] expected return_state to be a bool but got 'x'"),
    (lambda: rglru(A, B, return_state=1), TypeError, "[rglru] expected return_state to be a bool but got 1"),
    (lambda: rglru(A, B, return_state=None), TypeError, "[rglru] expected return_state to be a bool but got None"),
    (
        lambda: rglru(A, B, stream="x"),
        TypeError,
        "[rglru] expected stream to be an mx.Stream or a device such as mx.cpu",
    ),
    (lambda: rglru.forward(A, B, stream=0), TypeError, "[rglru] expected stream to be an mx.Stream"),
    (lambda: rglru.reference(A, B, return_state=0), TypeError, "[rglru] expected return_state to be a bool"),
    (
        lambda: gla(scale=10**400),
        TypeError,
        "[gla] expected scale to be a float, finite and within float32 but got an int",
    ),
    (lambda: gla(scale=1e39), TypeError, "[gla] expected scale to be a float, finite and within float32 but got 1e+39"),
    (lambda: gla(scale=float("nan")), TypeError, "expected scale to be a float, finite and within float32 but got nan"),
    (lambda: gla(scale=-np.inf), TypeError, "expected scale to be a float, finite and within float32 but got -inf"),
    (lambda: gla(scale=True), TypeError, "expected scale to be a float, finite and within float32 but got True"),
    (
        lambda: gla(scale=mx.array(1.0)),
        TypeError,
        "expected scale to be a float, finite and within float32 but got array",
    ),
    (
        lambda: scan(operator=2**40),
        TypeError,
        "[associative_scan] expected operator to be a int of 32 bits but got 1099511",
    ),
    (lambda: scan(operator=1.0), TypeError, "[associative_scan] expected operator to be a int of 32 bits but got 1.0"),
    (lambda: scan(reverse=1), TypeError, "[associative_scan] expected reverse to be a bool but got 1"),
    (lambda: packed(None, 3), TypeError, "expected cu_seqlens to hold integers, in 1-d, but got None"),
    (
        lambda: packed([False, True], 1),
        TypeError,
        "expected cu_seqlens to hold integers, in 1-d, but got [False, True]",
    ),
    (lambda: packed(mx.array([False, True]), 1), TypeError, "expected cu_seqlens to hold integers, in 1-d"),
    (lambda: packed([0, 1.0], 1), TypeError, "expected cu_seqlens to hold integers, in 1-d, but got [0, 1.0]"),
    (lambda: packed([[0, 1]], 1), TypeError, "expected cu_seqlens to hold integers, in 1-d, but got [[0, 1]]"),
    (lambda: packed(mx.array([[0, 1]]), 1), TypeError, "expected cu_seqlens to hold integers, in 1-d"),
    (lambda: packed("01", 1), TypeError, "expected cu_seqlens to hold integers, in 1-d, but got 01"),
    (lambda: packed([0, 3], 3.0), TypeError, "expected length to be an integer but got 3.0"),
    (lambda: packed([0, 3], None), TypeError, "expected length to be an integer but got None"),
    (lambda: packed([0, 1], True), TypeError, "expected length to be an integer but got True"),
    (lambda: packed([0], 2**31), ValueError, "expected length to lie between 0 and 2147483647 but got 2147483648"),
    (lambda: packed([0], -1), ValueError, "expected length to lie between 0 and 2147483647 but got -1"),
    (lambda: packed([], 3), ValueError, "expected cu_seqlens to rise from 0 to at most 3, the length, but got []"),
    (
        lambda: packed([1, 3], 3),
        ValueError,
        "expected cu_seqlens to rise from 0 to at most 3, the length, but got [1, 3]",
    ),
    (
        lambda: packed([0, 4], 3),
        ValueError,
        "expected cu_seqlens to rise from 0 to at most 3, the length, but got [0, 4]",
    ),
    (lambda: packed([0, 2, 1], 3), ValueError, "expected cu_seqlens to rise from 0 to at most 3, the length"),
]


@pytest.mark.parametrize("call, kind, message", CALLS, ids=[f"{i}-{c[2][:40]}" for i, c in enumerate(CALLS)])
def test_wrong_calls(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call()


def test_every_input_is_checked(op):
    """For every op of the manifest: an input of a wrong dtype, rank or size raises an error that names it."""
    sizes = {"B": 2, "L": 4, **op.spec.examples[-1]}
    for present in option_sets(op):
        inputs = draw(op, sizes, present)
        for array in op.spec.inputs:
            if array.name not in inputs:
                continue
            good = inputs[array.name]
            wrong = [
                (good.astype(mx.int8), TypeError),
                (good[..., None, None, None], ValueError),
            ]
            others = [a for a in op.spec.inputs if a.name in inputs and a is not array]
            if any(array.shapes[0][0].text == axis.text for other in others for axis in other.shapes[0]):
                wrong.append((mx.concatenate([good, good], axis=0), ValueError))
            for bad, kind in wrong:
                given = {**inputs, array.name: bad}
                positional = [given.pop(a.name) for a in op.spec.required]
                with pytest.raises(
                    kind, match=rf"\[{op.spec.name}\] expected {'.*' if kind is ValueError else array.name}"
                ):
                    op(*positional, **given)


def test_empty_sizes_give_empty_results(op):
    for name in ("B", "L", *op.spec.examples[-1]):
        for present in option_sets(op):
            dims = {"B": 2, "L": 3, **op.spec.examples[-1], name: 0}
            inputs = draw(op, dims, present)
            given = dict(inputs)
            positional = [given.pop(a.name) for a in op.spec.required]
            outputs = op(*positional, return_state=True, **given)
            scope = Scope(dims, {}, {})
            shapes = [tuple(axis(scope) for axis in array.shapes[0]) for array in op.spec.outputs]
            assert [y.shape for y in outputs] == shapes
            if name == "L":
                state = outputs[-1]
                assert mx.array_equal(state, inputs.get("initial_state", inputs.get("h0", mx.zeros(state.shape))))
            mx.eval(mx.grad(lambda *x, given=given: op(*x, return_state=True, **given)[0].sum())(*positional))
            forward = op.forward(*positional, return_state=True, **given)
            assert [y.shape for y in forward] == shapes
