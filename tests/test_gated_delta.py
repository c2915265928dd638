"""gated_delta at the sizes that models have: both gates, shared keys, rates up to 2, and MLX's own op."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import assert_close, call, check, draw, poisoned

import loader

op = loader.get("gated_delta")
LENGTHS = (1, 5, 63, 64, 65, 300)
# Dk, Dv, Hk, H, the rank of g (0: one a step), the dtype of the activations, lengths
CASES = [
    (10, 6, 2, 4, 0, "float32", (41,)),
    (32, 64, 1, 4, 0, "float32", LENGTHS),
    (64, 32, 2, 4, 1, "float16", (5, 64)),
    (96, 128, 2, 2, 0, "bfloat16", (65,)),
    (128, 96, 1, 2, 1, "float32", (63,)),
    (256, 256, 1, 1, 0, "float32", (65,)),
]


def inputs_of(dims, length, rank=0, dtype="float32", batch=1, present=("initial_state",)):
    sizes = {"B": batch, "L": length, **dict(zip(("Dk", "Dv", "Hk", "H"), dims))}
    inputs = draw(op, sizes, present, dict.fromkeys("qkv", dtype), ranks={"g": rank})
    # Keys of norm about 1 keep the state bounded up to rates of 2.
    inputs["k"] = (inputs["k"] * 5 / max(dims[0], 25) ** 0.5).astype(inputs["k"].dtype)
    inputs["beta"] = 2 * inputs["beta"]
    return inputs


@pytest.mark.full("each size makes programs of its own, and test_parity.py has one")
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[:6])))
def test_parity(case):
    *dims, rank, dtype, lengths = case
    for length in lengths:
        # Two sequences, as arrays of fewer than 8 elements would be more programs to compile.
        check(poisoned("gated_delta"), inputs_of(dims, length, rank, dtype, batch=2))


@pytest.mark.full("test_parity has the same in other sizes")
def test_gates_of_one():
    """DeltaNet: the state loses only overwritten values."""
    inputs = inputs_of(CASES[1][:4], 500)
    inputs["g"] = mx.ones_like(inputs["g"])
    check(poisoned("gated_delta"), inputs)


def test_a_step_with_rate_0_and_gate_1_leaves_the_state_alone():
    inputs = inputs_of(CASES[1][:4], 100, batch=2)
    skipped = mx.arange(100) % 3 == 1
    kept = mx.array(np.flatnonzero(~np.array(skipped)))
    masked = inputs | {
        "g": mx.where(skipped[:, None], 1, inputs["g"]),
        "beta": mx.where(skipped[:, None], 0, inputs["beta"]),
    }
    dense = {name: x if name == "initial_state" else mx.take(x, kept, axis=1) for name, x in inputs.items()}
    o, state = call(op, op, masked)
    want, want_state = call(op, op, dense)
    assert_close(op, mx.take(o, kept, axis=1), want, "o")
    assert_close(op, state, want_state, "final_state")


@pytest.mark.parametrize("length", [1, 65])
def test_equals_mlx(length):
    inputs = inputs_of(CASES[1][:4], length, batch=2)
    *arrays, state = inputs.values()
    want, want_state = mx.fast.gated_delta_update(*arrays, initial_state=state, stream=mx.cpu)
    o, final = call(op, op, inputs)
    assert_close(op, o, want, "o")
    assert_close(op, final, want_state, "final_state")


@pytest.mark.full("each gate has programs of its own")
@pytest.mark.parametrize("rank", [0, 1])
def test_erase_in_the_dtype_of_the_keys(rank):
    """16 bits both: one gate a step keeps them in that dtype. An erase key that is k leaves the op as it is."""
    inputs = inputs_of((33, 20, 2, 4), 70, rank, "bfloat16", batch=2, present=("erase", "initial_state", "reset"))
    inputs["erase"] = inputs["erase"].astype(mx.bfloat16)
    check(poisoned("gated_delta"), inputs)
    inputs["erase"] = inputs["k"]
    got = call(op, op, inputs)
    del inputs["erase"]
    for x, y in zip(got, call(op, op, inputs)):
        assert mx.array_equal(x, y)
