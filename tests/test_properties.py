"""Properties of every op at any size; hypothesis draws the sizes."""

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, carrying, cut, draw, rank_sets

import loader

# As many sequences that no array is below 8 elements, which would be more programs to compile. For the same reason all
# tests here pass the same options, a state or flags of zeros where they need none.
BATCH = 8
few = settings(max_examples=4, deadline=None)
lengths = st.integers(1, 300)
# Dims that the examples of the manifest do not have, but that fit it: multiples of those that kernels read at run
# time. Each of the others would be one more program to compile.
factors = st.integers(1, 3)


def pieces(op, batch, length, factor, seed, present=None):
    bound = {name for step in op.spec.steps for _, value in getattr(step, "template", ()) for name in value.names}
    sizes = {name: size if name in bound else size * factor for name, size in op.spec.examples[-1].items()}
    ranks = rank_sets(op)[seed % len(rank_sets(op))]
    present = [array.name for array in op.spec.optional] if present is None else present
    return draw(op, {"B": batch, "L": length, **sizes}, present, seed=seed, ranks=ranks)


def run(op, inputs, **keywords):
    given_ = {**inputs, **keywords}
    positional = [given_.pop(array.name) for array in op.spec.required]
    return op(*positional, return_state=True, **given_)


# Of the ops that cost least to compile; FULL=1 runs all of them.
light = pytest.mark.full(
    "draws of hypothesis meet sizes of many programs", but=("rglru", "rotlru", "associative_scan", "selective_scan")
)


@light
@pytest.mark.parametrize("name", carrying())
@few
@given(length=lengths, factor=factors, seed=st.integers(0, 99), data=st.data())
def test_splitting_time_and_carrying_the_state(name, length, factor, seed, data):
    op = loader.get(name)
    inputs = pieces(op, BATCH, length, factor, seed)
    split = data.draw(st.integers(0, length))
    want, want_state = run(op, inputs)
    first, state = run(op, cut(op, inputs, 0, split))
    second, state = run(op, cut(op, inputs, split, length), initial_state=state)
    assert_close(op, mx.concatenate([first, second], axis=1), want, "y")
    assert_close(op, state, want_state, "final_state")


@light
@pytest.mark.parametrize("name", carrying())
@few
@given(length=st.integers(2, 200), seed=st.integers(0, 99), data=st.data())
def test_gradients_pass_through_a_split(name, length, seed, data):
    op = loader.get(name)
    inputs = pieces(op, BATCH, length, 1, seed)
    reset = mx.zeros_like(inputs.pop("reset"))
    split = data.draw(st.integers(1, length - 1))

    def whole(*arrays):
        y, state = run(op, dict(zip(inputs, arrays)), reset=reset)
        return (y**2).sum() + (state**2).sum()

    def halves(*arrays):
        given_ = {**dict(zip(inputs, arrays)), "reset": reset}
        y, state = run(op, cut(op, given_, 0, split))
        z, state = run(op, cut(op, given_, split, length), initial_state=state)
        return (y**2).sum() + (z**2).sum() + (state**2).sum()

    argnums = list(range(len(inputs)))
    for name_, got, want in zip(inputs, *(mx.grad(f, argnums=argnums)(*inputs.values()) for f in (halves, whole))):
        assert_close(op, got, want, f"grad_{name_}")


@light
@pytest.mark.parametrize("name", loader.names())
@few
@given(batch=st.integers(1, 5), length=lengths, seed=st.integers(0, 99))
def test_a_slice_of_the_batch_is_bitwise_the_same(name, batch, length, seed):
    op = loader.get(name)
    inputs = pieces(op, batch, length, 1, seed)
    outputs = run(op, inputs)
    for i in range(batch):
        batched = {array.name for array in op.spec.inputs if array.axis("B") == 0}
        row = {n: x[i : i + 1] if n in batched else x for n, x in inputs.items()}
        assert all(mx.array_equal(got[0], want[i]) for got, want in zip(run(op, row), outputs))


@light
@pytest.mark.parametrize("name", loader.names())
@few
@given(length=lengths, factor=factors, seed=st.integers(0, 99))
def test_runs_repeat_bitwise(name, length, factor, seed):
    op = loader.get(name)
    inputs = pieces(op, BATCH, length, factor, seed)
    floats = [array.name for array in op.spec.inputs if array.name in inputs and array.differentiable]

    def gradients():
        return mx.grad(
            lambda *x: (run(op, {**inputs, **dict(zip(floats, x))})[0] ** 2).sum(), argnums=list(range(len(floats)))
        )(*(inputs[n] for n in floats))

    first, second = (*run(op, inputs), *gradients()), (*run(op, inputs), *gradients())
    assert all(mx.array_equal(x, y) for x, y in zip(first, second))


@light
@pytest.mark.parametrize("name", carrying())
@few
@given(lengths=st.lists(st.integers(1, 80), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_a_packed_batch_equals_the_sequences_apart(name, lengths, seed):
    op = loader.get(name)
    inputs = pieces(op, BATCH, sum(lengths), 1, seed)
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    reset = mx.array([[t in starts for t in range(sum(lengths))]] * BATCH)
    y, _ = run(op, inputs, reset=reset)
    fresh = {**inputs, "initial_state": mx.zeros_like(inputs["initial_state"]), "reset": mx.zeros_like(reset)}
    apart = [run(op, cut(op, fresh, s, s + n))[0] for s, n in zip(starts, lengths)]
    assert_close(op, y, mx.concatenate(apart, axis=1), "y")


@light
@pytest.mark.parametrize("name", carrying())
@few
@given(length=st.integers(1, 40), seed=st.integers(0, 99))
def test_steps_equal_the_scan(name, length, seed):
    op = loader.get(name)
    inputs = pieces(op, BATCH, length, 1, seed)
    want, want_state = run(op, inputs)
    state, ys = inputs.pop("initial_state"), []
    for t in range(length):
        row = {
            array.name: inputs[array.name]
            if array.axis("L") is None
            else mx.take(inputs[array.name], t, array.axis("L"))
            for array in op.spec.inputs
            if array.name in inputs
        }
        positional = [row.pop(array.name) for array in op.spec.required]
        y, state = op.step(*positional, initial_state=state, **row)
        ys.append(y)
    assert_close(op, mx.stack(ys, axis=1), want, "y")
    assert_close(op, state, want_state, "final_state")


def test_the_first_chunk_meets_no_state_of_its_own_making():
    """Where its state is 0 it is not kept, and a chunk reads the next one's in its place: that leaves no trace."""
    gla = loader.get("gla")
    for seed, _ in enumerate(rank_sets(gla)):
        inputs = pieces(gla, 2, 40, 1, seed, ())
        later = (mx.arange(40) >= 31).reshape(1, 40, 1, 1)
        poisoned = {**inputs, "v": mx.where(later, mx.nan, inputs["v"])}
        (y, _), (want, _) = run(gla, poisoned), run(gla, inputs)
        assert mx.isnan(y[:, 31:]).all() and mx.array_equal(y[:, :16], want[:, :16])


def test_a_reset_forgets_even_infinity_and_nan():
    rglru = loader.get("rglru")
    a, b = mx.full((1, 40, 3), 0.5), mx.ones((1, 40, 3))
    b[0, 3] = mx.array([mx.inf, mx.nan, -mx.inf])
    a[0, 17] = mx.array([mx.nan, mx.inf, 1.0])
    reset = mx.zeros((1, 40), dtype=mx.bool_)
    reset[0, 20] = True
    y = rglru(a, b, reset=reset)
    assert mx.array_equal(y[:, 20:], rglru(a[:, 20:], b[:, 20:]))
    gradients = mx.grad(lambda a, b: rglru(a, b, reset=reset)[:, 20:].sum(), argnums=(0, 1))(a, b)
    assert all(mx.isfinite(g[:, 20:]).all() for g in gradients)


@few
@given(length=lengths, seed=st.integers(0, 99), scale=st.floats(-4, 4))
def test_rglru_is_linear_in_its_input_and_state(length, seed, scale):
    op = loader.get("rglru")
    one, two = (pieces(op, 2, length, 1, seed + i) for i in (0, 100))
    two["a"], two["reset"] = one["a"], one["reset"]
    mixed = {n: x if n in ("a", "reset") else x + scale * two[n] for n, x in one.items()}
    for got, x, y in zip(run(op, mixed), run(op, one), run(op, two)):
        assert_close(op, got, x + scale * y, "sum")


@few
@given(length=lengths, seed=st.integers(0, 99))
def test_rglru_backward_is_the_scan_reversed(length, seed):
    """grad_b runs the same recurrence from the last step to the first, with the gates one step later."""
    op = loader.get("rglru")
    inputs = pieces(op, 2, length, 1, seed, ())
    a, b, cotangent = inputs["a"], inputs["b"], mx.random.normal(inputs["b"].shape)
    _, (grad_b,) = mx.vjp(lambda b: op(a, b), [b], [cotangent])
    later = mx.concatenate([a[:, 1:], mx.zeros_like(a[:, :1])], axis=1)
    assert_close(op, grad_b[:, ::-1], op(later[:, ::-1], cotangent[:, ::-1]), "grad_b")
