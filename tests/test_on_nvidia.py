"""The manifest's choices for NVIDIA GPUs, run by the engine in use, which takes what tensor cores would do as Metal: a
CPU runs all threads of a group between two barriers, in an order in which a barrier that lacks shows."""

import mlx.core as mx
import pytest
from oracle import assert_close, call, check, draw, model_dtypes, planned_as, run, truth_in_pieces

import loader

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")
# Heads of whole tiles, and of two of them.
SIZES = {"H": 2, "Hk": 1, "Dk": 64, "Dv": 128, "D": 40, "G": 1, "Dh": 64, "N": 16, "K": 4}
# Where the first shape, or the states of selective_scan, would take other kernels: A has a number a head.
RANKS = {"ssd": {"A": 1}}
STATES = {"ssd": 128}


@pytest.mark.full("it compiles programs of its own", but=("gla",))
@pytest.mark.parametrize("name", ["gla", "gated_delta", "dplr", "selective_scan", "ssd", "short_conv"])
def test_parity(name):
    """Five chunks, the last of them ragged, in the dtypes of models: bfloat16 beside float32 gates."""
    op = planned_as(loader.get(name), "cuda")
    present = [array.name for array in op.spec.optional]
    sizes = {dim: size for dim, size in SIZES.items() if dim in op.spec.examples[0]}
    sizes |= {"N": STATES[name]} if name in STATES else {}
    check(op, draw(op, {"B": 2, "L": 150, **sizes}, present, model_dtypes(op), ranks=RANKS.get(name)))


def test_selective_scan_of_many_channels():
    """So many that a thread has four states."""
    op = planned_as(loader.get("selective_scan"), "cuda")
    present = [array.name for array in op.spec.optional]
    check(op, draw(op, {"B": 264, "L": 70, "D": 9, "N": 13}, present, model_dtypes(op)))


@pytest.mark.full("it compiles programs of its own")
def test_ssd_of_many_spans():
    """So many that a threadgroup walks over two of them, with heads of whole tiles and with small ones: three sequences
    36 times."""
    op, times = planned_as(loader.get("ssd"), "cuda"), 36
    for present, heads in (([array.name for array in op.spec.optional], (64, 64)), ([], (8, 33))):
        sizes = {"B": 3, "L": 520, "H": 2, "G": 1, **dict(zip(("Dh", "N"), heads))}
        inputs = draw(op, sizes, present, model_dtypes(op), ranks=RANKS["ssd"])
        key, shaped = mx.random.key(1), call(op.reference, op, inputs)
        cotangents = [mx.random.normal(y.shape, key=key).astype(y.dtype) for y in shaped]
        many = {name: x if name == "A" else mx.concatenate([x] * times) for name, x in inputs.items()}
        outputs, gradients = run(op, many, [mx.concatenate([x] * times) for x in cotangents])
        want_outputs, want_gradients = truth_in_pieces(op, inputs, cotangents)
        assert_close(op, gradients.pop("A") / times, want_gradients["A"], "grad_A", inputs)
        results = [("y", outputs[0], want_outputs[0]), ("final_state", outputs[1], want_outputs[1])]
        results += [(f"grad_{name}", got, want_gradients[name]) for name, got in gradients.items()]
        for name, got, want in results:
            for part in mx.split(got, times):
                assert_close(op, part, want, name, inputs)


@pytest.mark.full("it compiles programs of its own")
@pytest.mark.parametrize("L", [9, 64, 200])
@pytest.mark.parametrize("Dk, Dv, optional", [(64, 64, True), (128, 192, False)])
def test_gla_of_small_and_large_states(L, Dk, Dv, optional):
    """Large ones come with several slices of keys and of values, in chunks of 64 steps; the last may be half of one."""
    op = planned_as(loader.get("gla"), "cuda")
    present = [array.name for array in op.spec.optional] if optional else []
    check(op, draw(op, {"B": 2, "L": L, "H": 2, "Hk": 1, "Dk": Dk, "Dv": Dv}, present, model_dtypes(op)))


@pytest.mark.full("it compiles programs of its own")
@pytest.mark.parametrize("Dk, Dv", [(64, 64), (64, 128)])
def test_gates_of_gla_do_not_cross_a_reset(Dk, Dv):
    """A gate that is no number changes nothing on the other side of a reset, in its chunk or another."""
    op = planned_as(loader.get("gla"), "cuda")
    drawn = draw(op, {"B": 1, "L": 150, "H": 1, "Hk": 1, "Dk": Dk, "Dv": Dv}, (), model_dtypes(op))
    for bad, at in [(10, 40), (31, 32), (70, 100), (20, 10), (50, 40)]:
        other = slice(at, None) if bad < at else slice(0, at)
        found = []
        for gate in (0.5, float("nan")):
            g = mx.array(drawn["g"])
            g[:, bad] = gate
            inputs = {**drawn, "g": g, "reset": mx.arange(150)[None] == at}

            def function(v, inputs=inputs):
                return op(**{**inputs, "v": v}, return_state=True)

            y, state = function(inputs["v"])
            cotangents = [mx.zeros_like(y), mx.zeros_like(state)]
            cotangents[0][:, other] = 1
            (grad_v,) = mx.vjp(function, [inputs["v"]], cotangents)[1]
            found.append([y[:, other], grad_v[:, other], *([state] if bad < at else [])])
        assert all(mx.array_equal(x, y) for x, y in zip(*found)), (bad, at)
