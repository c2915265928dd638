"""Gates at the ends of their range, options other than the defaults, and resets after infinity and NaN."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import assert_close, call, draw, needs_kernels, poisoned, rank_sets, truth, truth_in_pieces

import loader

RESETS = [name for name in loader.names() if any(array.name == "reset" for array in loader.get(name).spec.inputs)]


def timed_ranks(op):
    """Of `rank_sets` those that choose among shapes that have time."""
    timed = {array.name for array in op.spec.inputs if array.axis("L") is not None}
    return [ranks for ranks in rank_sets(op) if ranks.keys() <= timed]


# op, {input: values to take in turn}, options. exp(delta A) of ssd and selective_scan is 1, 1 - 1e-7, 1e-30, 0.
DECAYS = {"delta": [1.0, 0.0, 1.0, 0.5], "A": [-1e-7, -69.0, -200.0, 0.0, -1.0]}
CASES = [
    ("rglru", {"a": [0.0, -0.8, 1.0, 1e-30, 1 - 1e-7]}, {}),
    ("rotlru", {"a": [0.0, -0.8, 1.0, 1e-30, 1 - 1e-7]}, {}),
    ("rotlru", {"a": [0.9, 1.0], "cos": [1.0, 0.0, 0.6], "sin": [0.0, -1.0, 0.8]}, {}),
    ("gla", {"g": [0.0, -0.8, 1.0, 1e-30, 1 - 1e-7]}, {"scale": 0.5}),
    ("gla", {"g": [1.0, 1.0, -1.0, 1.0, 1 - 1e-7, 1.0, 1.0]}, {}),
    ("gated_delta", {"g": [0.0, -0.8, 1.0, 1e-30, 1 - 1e-7]}, {"scale": 0.5}),
    ("gated_delta", {"g": [1.0], "beta": [0.0, 2.0, 1.0, 0.5]}, {}),
    ("dplr", {"g": [0.0, -0.8, 1.0, 1e-30, 1 - 1e-7]}, {"scale": 0.5}),
    ("gated_delta_chunk_state", {"g": [0.0, -0.8, 1.0, -1e-7, -9.0, 2.0]}, {}),
    ("gated_delta_chunk_state", {"g": [-200.0]}, {}),
    ("ssd", DECAYS, {}),
    ("selective_scan", DECAYS, {}),
    ("selective_scan", {"delta": [-30.0, -8.0, -1.0, 0.0, 3.0]}, {"delta_softplus": True}),
    ("selective_scan", {"delta": [-0.1, 0.2], "z": [-90.0, -5.0, 0.0, 90.0]}, {}),
    ("rglru_gated", {"delta": [0.0, 1.0, 8.0, 1e-6], "A": [1 - 1e-7, 0.5, 1e-30, 0.9995]}, {}),
    ("rglru_gated", {"delta": [0.0, 1.0, 1e-6], "A": [1.0, 0.999999]}, {}),
    ("rglru_gated", {"delta": [0.0, 1.0, 50.0, 1e-6], "A": [0.0, 0.5]}, {}),
    ("rglru_gated", {"delta": [0.0, 1.0, 1e-3], "A": [0.999, 0.9999]}, {"sqrt_grad_limit": 10.0}),
]


def gradients(op, inputs, cotangents, **options):
    names = [array.name for array in op.spec.inputs if array.name in inputs and array.differentiable]

    def function(*arrays):
        return call(op, op, {**inputs, **dict(zip(names, arrays)), **options})

    outputs, found = mx.vjp(function, [inputs[name] for name in names], cotangents)
    return outputs, dict(zip(names, found))


def in_turn(like, values):
    return mx.array(np.resize(np.array(values, np.float32), like.shape))


def with_and_without_reset():
    """The first case of every op without optional inputs and with all, the others with all."""
    first = {name: i for i, (name, *_) in reversed(list(enumerate(CASES)))}
    for i, case in enumerate(CASES):
        for with_reset in (False, True) if first[case[0]] == i else (True,):
            yield pytest.param(*case, with_reset, id=f"{case[0]}-{i}-{'reset' if with_reset else 'whole'}")


@pytest.mark.full("resets make programs of their own", but=("rglru", "rotlru", "gla"))
@pytest.mark.parametrize("name, values, options, with_reset", list(with_and_without_reset()))
def test_parity(name, values, options, with_reset):
    op = poisoned(name)
    present = [array.name for array in op.spec.optional] if with_reset else ()
    for ranks in rank_sets(op):
        inputs = draw(op, {"B": 2, "L": 150, **op.spec.examples[-1]}, present, ranks=ranks)
        inputs |= {key: in_turn(inputs[key], value) for key, value in values.items()}
        check(op, inputs, options)


def check(op, inputs, options):
    rng = np.random.default_rng(2)
    outputs = call(op.reference, op, {**inputs, **options})
    cotangents = [mx.array(rng.normal(size=y.shape).astype(np.float32)) for y in outputs]
    outputs, found = gradients(op, inputs, cotangents, **options)
    want_outputs, want = truth(op, inputs, cotangents, **options)
    for array, got, expected in zip(op.spec.outputs, outputs, want_outputs):
        assert_close(op, got, expected, array.name)
    for key, expected in want.items():
        assert mx.isfinite(found[key]).all()
        assert_close(op, found[key], expected, f"grad_{key}")


# op, sizes, ranks. Heads as models have them, but for their values, which do not meet one another. The sums over time
# that are grad_A may all happen to cancel where heads are few.
LONG = [
    ("rglru", {"D": 33}, {}),
    ("selective_scan", {"D": 33, "N": 16}, {}),
    ("ssd", {"H": 4, "Dh": 33, "G": 2, "N": 1}, {}),
    ("ssd", {"H": 6, "Dh": 8, "G": 1, "N": 128}, {"A": 1}),
    ("gla", {"H": 3, "Hk": 3, "Dk": 60, "Dv": 17}, {}),
    ("gla", {"H": 1, "Hk": 1, "Dk": 128, "Dv": 16}, {"g": 1}),
    ("gated_delta", {"H": 1, "Hk": 1, "Dk": 128, "Dv": 16}, {}),
    ("gated_delta", {"H": 1, "Hk": 1, "Dk": 128, "Dv": 16}, {"g": 1}),
]


@needs_kernels
@pytest.mark.full("long sequences take long in float64", but=("rglru",))
@pytest.mark.parametrize("name, sizes, ranks", LONG, ids=lambda value: value if isinstance(value, str) else None)
def test_long_memory_of_half_activations(name, sizes, ranks):
    """Decays of 0.9995 over 8192 steps, gates in float32 beside activations in bfloat16. States stay within float32's
    bound."""
    op = poisoned(name)
    kept = {"rglru": ("a",), "gla": ("g",), "gated_delta": ("g",)}.get(name, ("delta", "A"))
    dtypes = {array.name: "float32" if array.name in kept else "bfloat16" for array in op.spec.required}
    inputs = draw(op, {"B": 1, "L": 8192, **sizes}, (), dtypes, ranks=ranks)
    slow = {"a": 0.9995, "g": 0.9995, "delta": 0.0005, "A": -1.0}
    slow = {key: value for key, value in slow.items() if key in kept}
    inputs |= {key: mx.full(inputs[key].shape, value) for key, value in slow.items()}
    if name == "gated_delta":  # keys of norm about 1 keep the state bounded
        inputs["k"] = inputs["k"] * (5 / max(sizes["Dk"], 25) ** 0.5)
    rng = np.random.default_rng(3)
    outputs = call(op, op, inputs)
    cotangents = [mx.array(rng.normal(size=y.shape).astype(np.float32)).astype(y.dtype) for y in outputs]
    outputs, found = gradients(op, inputs, cotangents)
    want_outputs, want = truth_in_pieces(op, inputs, cotangents)
    for array, got, expected in zip(op.spec.outputs, outputs, want_outputs):
        assert_close(op, got, expected, array.name)
    for key, expected in want.items():
        assert_close(op, found[key], expected, f"grad_{key}", inputs)


def geometric(a, count):
    """1 + a + a^2 + ..., `count` terms."""
    return count if a == 1 else -np.expm1(count * np.log(a)) / (1 - a)


@needs_kernels
@pytest.mark.full("long sequences take long in float64")
@pytest.mark.parametrize("gate", [0.9999, 1.0])
@pytest.mark.parametrize("name", ["gla", "gated_delta"])
def test_a_state_that_fades_slowly(name, gate):
    """Constant inputs over 65,536 steps, where each chunk errs alike, against sums in closed form."""
    op, length = poisoned(name), 65536
    values = {"q": 0.7, "k": 0.3, "v": 0.9, "g": gate, "beta": 1e-3}
    q, k, v, g, beta = (np.float64(np.float32(x)) for x in values.values())
    write, kept = (beta * k, g * (1 - beta * k * k)) if name == "gated_delta" else (k, g)
    steps = np.arange(1, length + 1)
    state = write * v * geometric(kept, steps)
    adjoint = q * geometric(kept, steps[::-1])
    for ranks in rank_sets(op):
        inputs = draw(op, {"B": 1, "L": length, **op.spec.examples[0]}, ranks=ranks)
        inputs = {key: mx.full(x.shape, values[key]) for key, x in inputs.items()}
        cotangents = [mx.ones((1, length, 1, 1)), mx.zeros((1, 1, 1, 1))]
        (o, final), found = gradients(op, inputs, cotangents)
        wanted = [(o, q * state), (final, state[-1:]), (found["q"], state), (found["v"], write * adjoint)]
        wanted.append((found["g"], kept / g * adjoint * np.append(0, state[:-1])))
        for got, want in wanted:
            assert_close(op, got.flatten(), mx.array(want), name)


@pytest.mark.full("resets make programs of their own", but=("rglru", "gla"))
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name, ranks", [(name, ranks) for name in RESETS for ranks in timed_ranks(loader.get(name))])
def test_a_reset_forgets_what_is_not_finite(name, ranks, bad):
    """One step of every input with a time axis is spoilt; outputs and gradients from the reset on do not change."""
    op, length, at = loader.get(name), 300, 140
    inputs = draw(op, {"B": 2, "L": length, **op.spec.examples[-1]}, ("initial_state",), ranks=ranks)
    timed = [a.name for a in op.spec.inputs if a.name in inputs and a.axis("L") is not None]
    for key in timed:
        inputs[key][:, at - 2] = bad
    inputs["reset"] = mx.broadcast_to(mx.arange(length) == at, (2, length))
    after = {
        key: x[:, at:] if key in timed else x for key, x in inputs.items() if key not in ("initial_state", "reset")
    }
    y, state = call(op, op, inputs)
    want, want_state = call(op, op, after)
    assert_close(op, y[:, at:], want, "y")
    assert_close(op, state, want_state, "final_state")

    cotangents = [mx.zeros_like(y), mx.ones_like(state)]
    cotangents[0][:, at:] = 1
    _, found = gradients(op, inputs, cotangents)
    _, expected = gradients(op, after, [mx.ones_like(want), mx.ones_like(want_state)])
    for key in timed:
        assert_close(op, found[key][:, at:], expected[key], f"grad_{key}")


UP_AND_DOWN = [1e6] * 8 + [1e-6] * 8


@pytest.mark.parametrize(
    "gates, values",
    [
        ([1e6] * 10 + [0.0] * 6, [0.0] * 9 + [1e-30] + [0.0] * 6),
        ([1e6] * 10 + [1e-6] * 10, [1e-30] + [0.0] * 399),
        ([1e-6, 1e6], [1.0] + [0.0] * 399),
        (UP_AND_DOWN, [1e-30]),
        (UP_AND_DOWN, [1e-20] + [0.0] * 399),
        ([1e20] * 2 + [1.0] * 6 + [1e-20] * 2 + [1.0] * 6, [1e-10] + [0.0] * 399),
    ],
)
@pytest.mark.parametrize("name", ["rglru", "rotlru", "associative_scan"])
def test_products_of_gates_may_leave_the_range_of_float(name, gates, values):
    """The recurrence itself stays in range. Gradients are the same recurrence from the end."""
    op, length = loader.get(name), 400
    a, b = (np.resize(np.array(x, np.float32), length) for x in (gates, values))
    # A quarter turn each step leaves one of a pair 0.
    turn = 1j if name == "rotlru" else 1
    if name == "associative_scan":
        a[0], b = b[b > 0][0], np.zeros_like(b)
    h, want = float(name == "associative_scan"), []
    for gate, value in zip(a.astype(np.float64), b.astype(np.float64)):
        h = turn * gate * h + value
        want.append(h)
    assert np.abs(want).max() < 3e38

    def timed(*columns):
        return mx.array(np.stack(columns, 1).astype(np.float32))[None]

    def close(got, want):
        parts = np.array(got, np.float64)[0]
        found = parts[:, 0] + 1j * parts[:, 1] if name == "rotlru" else parts[:, 0]
        np.testing.assert_array_less(np.abs(found - want), 2e-5 * np.abs(want) + 1e-36)

    if name == "associative_scan":
        outputs, _ = gradients(op, {"x": timed(a)}, [timed(a * 0), mx.zeros((1, 1))], operator=1)
        return close(outputs[0], want)
    quarter = {"cos": timed(0 * a), "sin": timed(0 * a + 1)} if name == "rotlru" else {}
    wide = (b, 0 * b) if name == "rotlru" else (b,)
    cotangents = [timed(*wide), mx.zeros((1, len(wide)))]
    outputs, _ = gradients(op, {"a": timed(a), **quarter, "b": timed(*wide)}, cotangents)
    close(outputs[0], want)
    given = {"a": timed(np.roll(a[::-1], 1)), **quarter, "b": timed(*wide)}
    cotangents[0] = timed(*(x[::-1] for x in wide))
    _, found = gradients(op, given, cotangents)
    close(found["b"], np.conj(want[::-1]))
