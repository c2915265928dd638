"""dplr as RWKV-7 has it: heads of 64, decays from 0.545 on, removal and replacement keys, and long sequences."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import as_on_metal, assert_close, call, check, poisoned

import loader

op = loader.get("dplr")


def inputs_of(length, batch=1, heads=2, keys=64, dtype=mx.float32, seed=0):
    """r, k~, v, -kk, kk * a' and w of RWKV-7: kk has norm 1, and a' and the gates of the keys lie in (0, 1)."""
    rng = np.random.default_rng(seed)
    shape = (batch, length, heads, keys)
    q, k, v = (rng.normal(size=shape) * size for size in (1, keys**-0.5, 1))
    kk = rng.normal(size=shape)
    kk /= np.linalg.norm(kk, axis=-1, keepdims=True)
    rate, gate = rng.uniform(0, 1, shape), np.exp(-0.606531 * rng.uniform(0, 1, shape))
    found = {"q": q, "k": k, "v": v, "a": -kk, "b": kk * rate, "g": gate}
    found = {name: mx.array(x.astype(np.float32)) for name, x in found.items()}
    found |= {name: found[name].astype(dtype) for name in "qkvab"}
    return found | {"initial_state": mx.array(rng.normal(size=(batch, heads, keys, keys)).astype(np.float32))}


def half_steps(inputs):
    """The arguments of gated_delta that do the same in 2 L steps: one reads, decays and writes b, the next writes k."""
    q, k, v, a, b, g = (inputs[name] for name in "qkvabg")

    def turns(first, second):
        return mx.stack([first, second], axis=2).reshape(len(first), -1, *first.shape[2:])

    zeros, ones = mx.zeros_like(k), mx.ones_like(g)
    arrays = turns(zeros, q), turns(b, k), turns(mx.zeros_like(v), v), turns(g, ones), mx.ones(turns(k, k).shape[:3])
    return arrays, turns(-a / g, zeros)


@pytest.mark.parametrize("length", [33, 300])
def test_rwkv7(length):
    check(poisoned("dplr"), inputs_of(length, 2))


@pytest.mark.full("what a CPU does step by step is in chunks elsewhere, programs of its own")
@pytest.mark.parametrize("keys, dtype", [(64, mx.float32), (128, mx.bfloat16)])
def test_rwkv7_in_chunks(keys, dtype):
    for length in (33, 300):
        check(as_on_metal(op), inputs_of(length, 2, 1, keys, dtype))


@pytest.mark.full("each dtype and size is a program of its own")
@pytest.mark.parametrize("keys, dtype", [(64, mx.bfloat16), (256, mx.float16)])
def test_rwkv7_of_other_heads(keys, dtype):
    for length in (5, 100):
        check(poisoned("dplr"), inputs_of(length, 2, 1, keys, dtype))


@pytest.mark.full("gated_delta of these sizes is a program of its own")
def test_equals_the_delta_rule_on_half_steps():
    inputs = inputs_of(300)
    arrays, erase = half_steps(inputs)
    o, state = call(op, op, inputs)
    want, want_state = loader.get("gated_delta")(
        *arrays, erase=erase, initial_state=inputs["initial_state"], return_state=True
    )
    assert_close(op, o, want[:, 1::2], "o")
    assert_close(op, state, want_state, "final_state")


@pytest.mark.full("long sequences take long in float64")
def test_long_sequences():
    inputs = inputs_of(2048, 1, 1)
    inputs["g"] = mx.full(inputs["g"].shape, 0.9995)
    check(poisoned("dplr"), inputs)
    check(as_on_metal(op), inputs)


def test_a_step_with_gate_1_and_nothing_to_write_leaves_the_state_alone():
    inputs = inputs_of(65, 2)
    skipped = (mx.arange(65) % 3 == 1)[:, None, None]
    masked = inputs | {name: mx.where(skipped, 0, inputs[name]) for name in "kb"}
    masked["g"] = mx.where(skipped, 1, inputs["g"])
    kept = mx.array([t for t in range(65) if t % 3 != 1])
    dense = {name: x if name == "initial_state" else mx.take(x, kept, axis=1) for name, x in inputs.items()}
    (o, state), (want, want_state) = call(op, op, masked), call(op, op, dense)
    assert_close(op, mx.take(o, kept, axis=1), want, "o")
    assert_close(op, state, want_state, "final_state")
