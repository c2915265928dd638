"""One sequence over several processes on this machine, against one process. Few processes run many cases each."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import ranks
from oracle import call, draw, first, needs_kernels, rank_sets

import loader
from loader import parallel
from loader.parallel import transitions
from loader.parallel.piece import Piece
from loader.parallel.transitions import TRANSITIONS, UNSPLIT
from loader.spec import STATE

# The ops whose kernels make the final state alone, and the adjoint of the initial one.
ALONE = [name for name in loader.names() if any(variant.state for variant in loader.get(name).spec.variants)]
RANKED = [(name, ranks) for name in ALONE for ranks in rank_sets(loader.get(name))]
# This process sees one of them: conftest.py.
GPUS = len(list(Path("/dev").glob("nvidia[0-9]*")))


def found(results):
    """What the ranks of `ranks.start` found, by case; each must have ended well and have found the same cases."""
    for code, result, complaint in results:
        assert code == 0 and isinstance(result, dict), f"{result}\n{complaint}"
    assert len({tuple(result) for _, result, _ in results}) == 1
    return {case: {rank: r[case] for rank, (_, r, _) in enumerate(results) if r[case]} for case in results[0][1]}


@pytest.mark.parametrize(
    "count, how",
    first(1, [(3, "reference"), (4, "reference"), (2, "kernels")], "every rank runs every op"),
)
def test_every_op_as_in_one_process(count, how):
    cases = found(ranks.start(count, "parity", how, backend="reference" if how == "reference" else None))
    assert {case.split()[0] for case in cases} == set(loader.names()) - UNSPLIT.keys()
    assert not {case: wrong for case, wrong in cases.items() if wrong}


@pytest.mark.gpu
@pytest.mark.parametrize("count", [2, 4])
def test_every_op_over_several_gpus(count):
    if GPUS < count:
        pytest.skip(f"needs {count} GPUs")
    cases = found(ranks.start(count, "parity", "kernels", network="nccl"))
    assert {case.split()[0] for case in cases} == set(loader.names()) - UNSPLIT.keys()
    assert not {case: wrong for case, wrong in cases.items() if wrong}


@pytest.mark.parametrize("count", first(1, [2, 4], "more ranks run the same graphs"))
def test_inside_of_models_and_graphs(count):
    """On the lazy engine: there the graph decides what runs, and when."""
    cases = found(ranks.start(count, "graphs", backend="reference"))
    assert len(cases) == 9
    assert not {case: wrong for case, wrong in cases.items() if wrong}


@pytest.mark.full("MLX's compiler of C++ takes long")
def test_under_compile():
    assert found(ranks.start(2, "graphs", "compiled", backend="reference")) == {"compiled": {}}


def test_a_rank_that_fails_ends_the_others():
    *others, (code, _, complaint) = ranks.start(3, "failing")
    assert code == 1 and "ValueError: this text has no tokens" in complaint
    for rank, (code, result, _) in enumerate(others):
        assert code == 0
        if loader.get("rglru").engine.LAZY:
            assert "lost" in result["error"]
        else:
            assert result["error"].startswith(f"[rglru over time] rank {rank} of 3 expected every rank to come")


@pytest.mark.full("three processes and then one train a model")
def test_the_demo_trains_as_one_process_does():
    for code, result, complaint in ranks.start(3, "training"):
        assert code == 0, complaint
        assert len(result["alone"]) == 12 and result["alone"][5] < result["alone"][0] - 0.5
        assert result["over time"] == pytest.approx(result["alone"], rel=1e-3)


def test_every_op_says_how_its_time_is_cut(op):
    """An op that fails here is new: name its `transition` in the manifest, or see loader/parallel/transitions.py."""
    name = op.spec.name
    assert [bool(op.spec.transition), name in TRANSITIONS, name in UNSPLIT].count(True) == 1


def test_an_op_whose_time_cannot_be_cut_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"\[gated_delta_chunk_state\] cannot run over time: its g adds up"):
        parallel.over_time(loader.get("gated_delta_chunk_state"))
    monkeypatch.delitem(TRANSITIONS, "ssd")
    with pytest.raises(ValueError, match=r"\[ssd\] cannot run over time: expected its manifest to name a `transition`"):
        parallel.over_time(loader.get("ssd"))


def test_one_process_is_the_op_itself():
    op, x = loader.get("rglru"), mx.random.uniform(shape=(2, 5, 8))
    y, state = parallel.over_time(op)(x, x, initial_state=x[:, 0], return_state=True)
    want, last = op(x, x, initial_state=x[:, 0], return_state=True)
    assert mx.array_equal(y, want) and mx.array_equal(state, last)
    assert mx.array_equal(parallel.shard(x), x) and mx.array_equal(parallel.gather(x), x)
    assert mx.array_equal(parallel.halo(x, 2), mx.zeros((2, 2, 8)))
    assert parallel.add_up({"x": x})["x"] is x


@needs_kernels
@pytest.mark.parametrize("name", first(1, ["gla", "gated_delta"], "each op is programs of its own"))
def test_a_piece_runs_what_is_asked_for_and_nothing_twice(name):
    op = loader.get(name)
    inputs = draw(op, {"B": 2, "L": 70, **op.spec.examples[-1]}, ["initial_state", "reset"])
    piece, made = Piece(op, inputs, (1.0,)), op.plan(inputs, (1.0,))
    state = piece.leaving()
    assert len(piece._done) == len(made.forward) - 1
    assert mx.array_equal(state, call(op, op, inputs)[1])
    results = piece.forward(inputs["initial_state"])
    assert len(piece._done) == len(made.forward)
    cotangents = [mx.random.normal(y.shape) for y in results[:2]]
    adjoint = piece.entering(results, cotangents)
    assert len(made.forward) < len(piece._done) < len(made.forward) + len(made.backward) - 2
    gradients = piece.backward(results, cotangents)
    assert len(piece._done) == len(made.forward) + len(made.backward)
    assert mx.array_equal(gradients["initial_state"], adjoint)


@needs_kernels
@pytest.mark.parametrize("length", [70, 5])
@pytest.mark.parametrize("name, ranks", first(1, RANKED, "each op and rank is programs of its own"))
def test_a_state_alone_is_that_of_the_whole_pass_and_takes_no_memory(name, ranks, length):
    op = loader.get(name)
    optional = ["initial_state", "reset"]
    inputs = draw(op, {"B": 2, "L": length, **op.spec.examples[-1]}, optional, ranks=ranks)
    piece, made = Piece(op, inputs, (1.0,)), op.plan(inputs, (1.0,))
    results = piece.forward(inputs["initial_state"])
    cotangents = [mx.random.normal(y.shape) for y in results[:2]]
    for alone, whole in (
        (piece.final_state(), results[1]),
        (piece.adjoint(results, cotangents), piece.backward(results, cotangents)["initial_state"]),
    ):
        assert mx.allclose(alone, whole, rtol=0, atol=1e-5)
    for steps, left in ((made.state, STATE), (made.adjoint, "grad_initial_state")):
        shapes = dict(zip(steps[-1].outputs, steps[-1].arguments["output_shapes"]))
        assert shapes.pop(left) == inputs["initial_state"].shape
        assert set(shapes.values()) <= {(1,), (2, inputs["q"].shape[2] * 2, 33, 33)}


@needs_kernels
@pytest.mark.parametrize("ranks", rank_sets(loader.get("gated_delta")))
def test_the_transition_is_what_the_steps_do_to_a_state(ranks):
    op = loader.get("gated_delta")
    inputs = draw(op, {"B": 2, "L": 20, **op.spec.examples[-1]}, ["initial_state", "reset"], ranks=ranks)
    inputs["reset"] = mx.zeros_like(inputs["reset"])
    state, piece = inputs["initial_state"], Piece(op, inputs, (1.0,))
    moved = state @ piece.beside("transition") + piece.final_state(initial_state=mx.zeros_like(state))
    assert mx.allclose(moved, piece.final_state(), rtol=0, atol=1e-5)


def test_products_hold_float32_where_a_gpu_multiplies_in_tf32():
    rng = np.random.default_rng(0)
    x, y = (mx.array(rng.normal(size=(5, 33, 33)).astype(np.float32)) for _ in "xy")
    parts = transitions.parts(x)
    assert mx.array_equal(sum(parts[::-1]), x)
    for part in parts:
        assert not np.any(np.array(part).view(np.uint32) & 0x1FFF)  # TF32 keeps 10 bits of the mantissa
    want = np.array(x, np.float64) @ np.array(y, np.float64)
    assert np.abs(np.array(transitions.multiply(parts, transitions.parts(y))) - want).max() < 1e-5
