"""loader.associative_scan and its op: every operator, named or not, against float64 and MLX's own scans."""

import itertools
import math

import mlx.core as mx
import numpy as np
import pytest
from oracle import KERNELS_VMAP, assert_close, draw, first, poisoned, truth
from test_reference import twin
from test_transforms import Lazy

import loader
from loader import associative_scan
from loader.operators import OPERATORS

NAMES = tuple(OPERATORS)
MLX = dict(add=mx.cumsum, mul=mx.cumprod, max=mx.cummax, min=mx.cummin, logaddexp=mx.logcumsumexp)
each_operator = pytest.mark.parametrize("name", NAMES)
CALLS = [(("initial_state", "reset"), "float32"), ((), "bfloat16")]
each_way = pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])


def compose(earlier, later):
    return later[0] * earlier[0], later[0] * earlier[1] + later[1]


def one_by_one(fn, x, reverse=False):
    """The prefixes of a list."""
    items = x[::-1] if reverse else x
    found = list(itertools.accumulate(items, fn))
    return found[::-1] if reverse else found


# The op.


def drawn(name, length, present=(), dtype="float32"):
    op = loader.get("associative_scan")
    inputs = draw(op, {"B": 2, "L": length, "D": 33}, present, {"x": dtype}, seed=length)
    if name == "mul":  # long products of normal numbers leave float32's range
        inputs["x"] = mx.where(inputs["x"] < 0, -1, 1).astype(inputs["x"].dtype) * mx.exp(0.1 * inputs["x"])
        inputs["x"] = inputs["x"].astype(getattr(mx, dtype))
    return inputs


def run(op, inputs, cotangents, **options):
    names = [n for n in inputs if n != "reset"]

    def function(*arrays):
        given = {**inputs, **dict(zip(names, arrays))}
        return op(given.pop("x"), return_state=True, **given, **options)

    outputs, gradients = mx.vjp(function, [inputs[n] for n in names], cotangents)
    return outputs, dict(zip(names, gradients))


def check(name, inputs, reverse):
    op, options = poisoned("associative_scan"), {"operator": NAMES.index(name), "reverse": reverse}
    x = inputs["x"]
    rng = np.random.default_rng(1)
    cotangents = [
        mx.array(rng.normal(size=shape).astype(np.float32)).astype(dtype)
        for shape, dtype in ((x.shape, x.dtype), ((x.shape[0], x.shape[2]), mx.float32))
    ]
    outputs, gradients = run(op, inputs, cotangents, **options)
    want_outputs, want_gradients = truth(op, inputs, cotangents, **options)
    for got, want, what in zip(outputs, want_outputs, ("y", "final_state")):
        assert_close(op, got, want, what)
    for key, want in want_gradients.items():
        assert gradients[key].dtype == inputs[key].dtype
        assert_close(op, gradients[key], want, f"grad_{key}")


@each_operator
@each_way
@pytest.mark.parametrize("length", first(1, [63, 1, 260], "each operator and length is a program of its own"))
@pytest.mark.parametrize("present, dtype", first(1, CALLS, "each dtype and option is a program of its own"))
def test_parity(name, reverse, length, dtype, present):
    check(name, drawn(name, length, present, dtype), reverse)


@each_operator
@each_way
def test_reference_is_the_recurrence(name, reverse):
    op = loader.get("associative_scan")
    for present in ((), ("initial_state", "reset")):
        inputs = drawn(name, 33, present)
        options = {"operator": NAMES.index(name), "reverse": reverse}
        with mx.stream(mx.cpu):
            inputs = {n: x if n == "reset" else x.astype(mx.float64) for n, x in inputs.items()}
            got = op._reference(**inputs, **options)
            want = twin("associative_scan")(**{n: np.array(x) for n, x in inputs.items()}, **options)
            for x, y in zip(got, want):
                # MLX's exp is no better than this in float64.
                limit = 1e-6 if name == "logaddexp" else 1e-12
                np.testing.assert_allclose(np.array(x), y, rtol=limit, atol=limit)


@each_way
def test_products_beside_zeros_have_exact_gradients(reverse):
    inputs = drawn("mul", 150, ("initial_state",))
    inputs["x"][:, ::40] = 0
    inputs["x"][0, 41:43] = 0
    check("mul", inputs, reverse)


@each_operator
@each_way
def test_splitting_time_and_carrying_the_state(name, reverse):
    op, options = loader.get("associative_scan"), {"operator": NAMES.index(name), "reverse": reverse}
    inputs = drawn(name, 200, ("initial_state", "reset"))
    x, reset, state = inputs["x"], inputs["reset"], inputs["initial_state"]
    want = op(x, initial_state=state, reset=reset, return_state=True, **options)
    pieces = [slice(0, 77), slice(77, 200)]
    found = {}
    for piece in reversed(pieces) if reverse else pieces:
        found[piece.start], state = op(
            x[:, piece], initial_state=state, reset=reset[:, piece], return_state=True, **options
        )
    assert_close(op, mx.concatenate([found[0], found[77]], axis=1), want[0], "y")
    assert_close(op, state, want[1], "final_state")


OPERATIONS = [("logaddexp", False), ("mul", True), *itertools.product(NAMES, (False, True))]


@pytest.mark.parametrize("name, reverse", first(2, dict.fromkeys(OPERATIONS), "each operation is programs of its own"))
def test_a_reset_forgets_even_infinity_and_nan(name, reverse):
    op, options = loader.get("associative_scan"), {"operator": NAMES.index(name), "reverse": reverse}
    x, reset = drawn(name, 200)["x"], mx.zeros((2, 200), dtype=mx.bool_)
    x[:, 100] = x[:, 102] = mx.array([mx.inf, mx.nan, -mx.inf] * 11)
    starts = (69, 129) if reverse else (70, 130)
    reset[:, mx.array(starts)] = True
    y = op(x, reset=reset, **options)
    gradient = mx.grad(lambda x: op(x, reset=reset, **options).sum())(x)
    for clean in (slice(0, 70), slice(130, 200)):
        assert_close(op, y[:, clean], op(x[:, clean], **options), "y")
        if op.engine.NAME != "reference":  # mx.where passes NaN back to what it did not choose
            want = mx.grad(lambda x: op(x, **options).sum())(x[:, clean])
            assert_close(op, gradient[:, clean], want, "gradient")


def test_the_state_of_no_step_is_the_identity():
    op = loader.get("associative_scan")
    for number, (_, identity) in enumerate(OPERATORS.values()):
        y, state = op(mx.zeros((2, 0, 3)), operator=number, return_state=True)
        assert y.shape == (2, 0, 3) and mx.array_equal(state, mx.full((2, 3), identity))


def test_an_unknown_number_is_refused():
    with pytest.raises(ValueError, match=r"\[associative_scan\] expected operator to be 0 \(add\).*\(operator = 5\)"):
        loader.get("associative_scan")(mx.zeros((1, 2, 3)), operator=5)


def test_one_input_under_vmap_and_grad():
    """MLX passes a function of one array that array where it passes others a tuple."""
    reference = loader.get("associative_scan")._reference

    def forward(given, shapes):
        return [*reference(given["x"]), mx.zeros(shapes[2])]

    def backward(given, shapes):
        cotangents = [given["grad_y"], given["grad_final_state"]]
        return [*mx.vjp(reference, [given["x"]], cotangents)[1], mx.zeros(shapes[1])]

    lazy = Lazy({"associative_scan_forward": forward, "associative_scan_backward": backward})
    op = lazy.op(loader.get("associative_scan"))
    x = mx.random.normal((3, 2, 9, 5))
    assert mx.allclose(mx.vmap(op, in_axes=1, out_axes=1)(x), mx.cumsum(x, axis=2), atol=1e-5)
    assert lazy.calls[-1] == ("associative_scan_forward", (6, 9, 5))
    want = mx.grad(lambda x: (mx.cumsum(x, axis=2) ** 2).sum())(x)
    for gradient in (mx.vmap(mx.grad(lambda x: (op(x) ** 2).sum())), mx.grad(lambda x: (mx.vmap(op)(x) ** 2).sum())):
        assert mx.allclose(gradient(x), want, atol=1e-4)
        assert lazy.calls[-1] == ("associative_scan_backward", (6, 9, 5))


# Named operators on arrays.


def paths(name, axis, reverse):
    """The two ways of a call: kernels, and the same operator in MLX, which is taken where arrays have no values."""

    def scan(x):
        return associative_scan(name, x, axis=axis, reverse=reverse)

    return scan, mx.compile(scan)


@each_operator
@each_way
@pytest.mark.parametrize("shape, axis", [((37,), 0), ((5, 37), 1), ((37, 5), -2), ((2, 37, 3, 4), 1), ((3, 2, 140), 2)])
def test_any_axis(name, reverse, shape, axis):
    x = mx.random.uniform(-1.2, 1.2, shape)
    want = MLX[name](x, axis=axis, reverse=reverse)
    for scan in paths(name, axis, reverse):
        np.testing.assert_allclose(scan(x), want, rtol=1e-5, atol=1e-5)
    if not KERNELS_VMAP:
        return
    rows = mx.vmap(lambda x: associative_scan(name, x, axis=axis, reverse=reverse))(mx.stack([x, x / 2]))
    np.testing.assert_allclose(rows[0], want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["add", "mul", "max", "min"])
@pytest.mark.parametrize("dtype", [mx.int32, mx.int8, mx.uint32, mx.int64])
def test_integers(name, dtype):
    x = mx.random.randint(1, 3, (2, 21)).astype(dtype)
    got = associative_scan(name, x, axis=1)
    assert got.dtype == dtype and mx.array_equal(got, MLX[name](x, axis=1))


@each_operator
@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_halves_are_rounded_once(name, dtype):
    x = mx.random.uniform(0.9, 1.1, (300, 40)).astype(dtype)
    want = MLX[name](x.astype(mx.float32), axis=0)
    for scan in paths(name, 0, False):
        got = scan(x)
        assert got.dtype == dtype
        assert_close(loader.get("associative_scan"), got, want, name)


@each_operator
def test_gradients_of_both_paths(name):
    x = drawn(name, 150)["x"]
    op, cotangents = loader.get("associative_scan"), [mx.random.normal(x.shape), mx.zeros((2, 33))]
    _, want = truth(op, {"x": x}, cotangents, operator=NAMES.index(name))
    for scan in paths(name, 1, False):
        got = mx.grad(lambda x, scan=scan: (scan(x) * cotangents[0]).sum())(x)
        assert_close(op, got, want["x"], "gradient")


@each_way
@pytest.mark.parametrize("name, best", [("max", np.argmax), ("min", np.argmin)])
def test_the_gradient_goes_to_the_first_that_won(name, best, reverse):
    """Of equals, infinities among them, and of NaNs."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (200, 33)).astype(np.float32)
    x[:3] = x[-3:] = -np.inf if name == "max" else np.inf
    x[150, ::2] = x[155] = np.nan
    cotangent = rng.normal(size=x.shape).astype(np.float32)
    want = np.zeros_like(x)
    order = range(200)[::-1] if reverse else range(200)
    for at, t in enumerate(order):
        seen = x[list(order)[: at + 1]]
        winner = np.asarray(order)[best(seen, axis=0)]  # NumPy's argmax is the first too, and the first NaN
        np.add.at(want, (winner, np.arange(33)), cotangent[t])
    for scan in paths(name, 0, reverse):
        got = mx.grad(lambda x, scan=scan: (mx.where(mx.array(cotangent) == 0, 0, scan(x)) * cotangent).sum())
        np.testing.assert_allclose(got(mx.array(x)), want, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(scan(mx.array(x)), MLX[name](mx.array(x), axis=0, reverse=reverse))


def test_logaddexp_of_infinities():
    x = mx.array([-mx.inf, -mx.inf, 0.0, -mx.inf, 1.0, 300.0, -300.0, mx.inf, mx.inf, 2.0])
    for scan in paths("logaddexp", 0, False):
        np.testing.assert_allclose(scan(x), np.logaddexp.accumulate(np.array(x)), rtol=1e-6)
        assert mx.isfinite(mx.grad(lambda x, scan=scan: scan(x)[:7].sum())(x)).all()
        assert mx.isfinite(mx.grad(lambda x, scan=scan: mx.where(mx.isfinite(x), scan(x), 0).sum())(x)).all()


@each_way
@pytest.mark.parametrize("gap", [14.0, 16.0, 17.0, 20.0, 80.0])
def test_logaddexp_near_zero(gap, reverse):
    """Every value, of which the first is 0 and the others are small, to 1e-5 of itself; so the gradient."""
    op = loader.get("associative_scan")
    x = np.full((1000, 33), -gap, np.float32)
    x[1::3, 1::2] = -np.inf
    x[0] = x[400] = 0
    reset = np.arange(1000) == 400
    if reverse:
        x, reset = x[::-1].copy(), reset[::-1].copy()
    given = {"x": mx.array(x)[None], "reset": mx.array(reset)[None]}
    cotangents = [mx.ones((1, 1000, 33)), mx.zeros((1, 33))]
    (y, _), gradient = run(op, given, cotangents, operator=NAMES.index("logaddexp"), reverse=reverse)
    order = slice(None, None, -1 if reverse else 1)
    for part in (slice(0, 400), slice(400, 1000)):
        wide = x[order][part].astype(np.float64)
        small = np.cumsum(np.exp(wide[1:]), axis=0)
        got = np.array(y)[0][order][part]
        assert not got[0].any()
        np.testing.assert_allclose(got[1:], np.log1p(small), rtol=1e-5)
        shares = 1 / (1 + np.concatenate([0 * small[:1], small]))
        want = np.exp(wide) * np.cumsum(shares[::-1], axis=0)[::-1]
        np.testing.assert_allclose(np.array(gradient["x"])[0][order][part], want, rtol=1e-5, atol=1e-37)


@each_operator
def test_a_pytree_of_a_name(name):
    elems = {"a": mx.random.uniform(shape=(9, 2)), "b": (mx.random.uniform(shape=(9,)), [mx.ones((9, 1, 3))])}
    got = associative_scan(name, elems)
    for x, y in ((elems["a"], got["a"]), (elems["b"][0], got["b"][0]), (elems["b"][1][0], got["b"][1][0])):
        np.testing.assert_allclose(y, MLX[name](x, axis=0), rtol=1e-5)
    assert isinstance(got["b"], tuple) and isinstance(got["b"][1], list)


# Maps.


@each_way
@pytest.mark.parametrize("shape, axis", [((150,), 0), ((3, 150, 5), 1), ((2, 150, 40), -2)])
def test_affine_maps(shape, axis, reverse):
    a, b = mx.random.uniform(-1.1, 1.1, shape), mx.random.normal(shape)
    rows = [np.moveaxis(np.array(x, dtype=np.float64), axis, 0) for x in (a, b)]
    want = [np.moveaxis(np.stack(x), 0, axis) for x in zip(*one_by_one(compose, list(zip(*rows)), reverse))]

    def scan(*pair):
        return associative_scan("affine", pair, axis=axis, reverse=reverse)

    cotangents = [mx.random.normal(shape), mx.random.normal(shape)]
    _, gradients = mx.vjp(lambda *pair: associative_scan(compose, pair, axis=axis, reverse=reverse), [a, b], cotangents)
    for function in (scan, mx.compile(scan)):
        found, got = mx.vjp(function, [a, b], cotangents)
        for x, y in zip((*found, *got), (*want, *gradients)):
            assert_close(loader.get("rglru"), x, mx.array(np.array(y, np.float32)), "affine")


def test_affine_keeps_each_dtype():
    a, b = mx.random.uniform(shape=(100, 40)), mx.random.normal((100, 40)).astype(mx.bfloat16)
    want = associative_scan("affine", (a, b.astype(mx.float32)))
    for scan in (associative_scan, mx.compile(associative_scan)):
        got = scan("affine", (a, b))
        assert [x.dtype for x in got] == [mx.float32, mx.bfloat16]
        assert all(mx.allclose(x, y, rtol=0.02, atol=0.02) for x, y in zip(got, want))
    _, states = associative_scan("affine", (mx.array([2, 3, 4]), mx.array([1, 10, 100])))
    assert states.tolist() == [1, 13, 152]


# Callables.


@each_way
@pytest.mark.parametrize("length", range(35))
def test_a_callable_that_does_not_commute(length, reverse):
    matrices = mx.random.normal((length, 3, 3))
    fn = lambda a, b: a @ b  # noqa: E731
    want = one_by_one(fn, list(np.array(matrices, dtype=np.float64)), reverse)
    got = associative_scan(fn, matrices, reverse=reverse)
    np.testing.assert_allclose(got, np.array(want).reshape(length, 3, 3), rtol=1e-4, atol=1e-4 * 3.0**length)


def test_a_callable_is_called_log_times_on_linear_work():
    for length in (2, 3, 64, 1000, 1023, 1024, 1025):
        calls = []

        def fn(a, b, calls=calls):
            calls.append(a.shape[1])
            return a + b

        x = mx.random.randint(0, 9, (2, length))
        assert mx.array_equal(associative_scan(fn, x, axis=1), mx.cumsum(x, axis=1))
        assert sum(calls) <= 2 * length and len(calls) <= 2 * math.log2(length)


def test_a_callable_under_transformations():
    a, b = mx.random.uniform(shape=(4, 50)), mx.random.normal((4, 50))

    def loss(a, b):
        return (associative_scan(compose, {"m": (a, b)}["m"], axis=-1)[1] ** 2).sum()

    def plain(a, b):
        return (mx.stack([h for _, h in one_by_one(compose, list(zip(a.T, b.T)))]) ** 2).sum()

    want = mx.grad(plain, argnums=(0, 1))(a, b)
    rows = mx.vmap(mx.grad(loss, argnums=(0, 1)))(a, b)
    for gradients in (mx.grad(loss, argnums=(0, 1))(a, b), mx.compile(mx.grad(loss, argnums=(0, 1)))(a, b), rows):
        for x, y in zip(gradients, want):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


def test_axes_count_from_the_end_of_each_array():
    elems = {"wide": mx.ones((2, 3, 5)), "flat": mx.ones((5,))}
    got = associative_scan(lambda a, b: {k: a[k] + b[k] for k in a}, elems, axis=-1)
    assert got["wide"][1, 2].tolist() == got["flat"].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("fn", [*NAMES, lambda a, b: a + b])
@pytest.mark.parametrize("shape, axis", [((0,), 0), ((2, 0, 3), 1), ((0, 4), 1), ((4, 0), 0)])
def test_no_elements(fn, shape, axis):
    for reverse in (False, True):
        assert associative_scan(fn, mx.zeros(shape), axis=axis, reverse=reverse).shape == shape
    assert mx.grad(lambda x: associative_scan(fn, x, axis=axis).sum())(mx.zeros(shape)).shape == shape


X = mx.ones((3, 4))


@pytest.mark.parametrize(
    "call, kind, message",
    [
        (lambda: associative_scan("add", []), ValueError, "expected elems to hold an array but it holds none"),
        (lambda: associative_scan("add", {"a": ()}), ValueError, "expected elems to hold an array"),
        (lambda: associative_scan("add", {"a": [X, 1.0]}), TypeError, "expected elems.a.1 to be .*array but got float"),
        (lambda: associative_scan("add", np.ones(3)), TypeError, "expected elems to be an .*array but got ndarray"),
        (
            lambda: associative_scan("add", {"b": [None]}),
            TypeError,
            "elems.b.0 to be .*array but got NoneType",
        ),
        (
            lambda: associative_scan("add", {"a": X, "b": [mx.ones((2, 4))]}),
            ValueError,
            r"expected elems.b.0 to have the same length along axis 0 as elems.a, 3, but got 2",
        ),
        (lambda: associative_scan("add", X, axis=2), ValueError, r"expected elems to have an axis 2 but .* \(3, 4\)"),
        (lambda: associative_scan("add", (X, mx.ones(3)), axis=-2), ValueError, "elems.1 to have an axis -2"),
        (lambda: associative_scan("add", mx.array(1.0)), ValueError, r"elems to have an axis 0 but its shape is \(\)"),
        (lambda: associative_scan("add", X, axis=1.0), TypeError, "expected axis to be an int but got 1.0"),
        (lambda: associative_scan("affin", (X, X)), ValueError, "got 'affin'. Did you mean 'affine'?"),
        (lambda: associative_scan(None, X), ValueError, "expected fn to be a callable or one of add, mul"),
        (lambda: associative_scan("affine", X), ValueError, r"expected elems to be a pair \(a, b\) of arrays"),
        (lambda: associative_scan("affine", {"a": X, "b": X}), ValueError, "expected elems to be a pair"),
        (
            lambda: associative_scan("affine", (X, X[:, :2])),
            ValueError,
            r"expected elems.1 to have elems.0's shape \(3, 4\) but got \(3, 2\)",
        ),
        (
            lambda: associative_scan("logaddexp", {"a": X.astype(mx.int32)}),
            TypeError,
            "expected elems.a to have a float dtype",
        ),
        (lambda: associative_scan(lambda a, b: (a, b), X), ValueError, "expected fn to return a pytree of elems but"),
        (
            lambda: associative_scan(lambda a, b: {"k": a["k"].sum()}, {"k": X}),
            ValueError,
            r"expected fn to return elems.k as it got it, \(1, 4\) .*float32, but got \(\)",
        ),
        (lambda: associative_scan(lambda a, b: 1.0, X), ValueError, "float32, but got float"),
    ],
)
def test_wrong_calls(call, kind, message):
    with pytest.raises(kind, match=rf"\[associative_scan\] .*{message}"):
        call()


# Packed sequences.


@pytest.mark.parametrize("kind", [list, tuple, np.array, mx.array])
def test_reset_from_cu_seqlens(kind):
    assert loader.reset_from_cu_seqlens(kind([0, 3, 3, 5]), 5).tolist() == [[True, False, False, True, False]]
    assert loader.reset_from_cu_seqlens(kind([0, 2, 2]), 2).tolist() == [[True, False]]
    assert loader.reset_from_cu_seqlens(kind([0]), 0).shape == (1, 0)


@pytest.mark.parametrize("number", [int, np.int32, np.uint64, mx.array])
def test_bounds_of_any_integers_and_a_padded_tail(number):
    """What is not packed, at the end, is cut off from the last sequence."""
    bounds = [number(bound) for bound in (0, 2, 3)]
    assert loader.reset_from_cu_seqlens(bounds, number(3)).tolist() == [[True, False, True]]
    assert loader.reset_from_cu_seqlens(bounds, 5).tolist() == [[True, False, True, True, False]]
    assert loader.reset_from_cu_seqlens([number(0)], 2).tolist() == [[True, False]]
    reset, x = loader.reset_from_cu_seqlens(bounds, 5), mx.arange(1, 6, dtype=mx.float32)[None, :, None]
    assert loader.get("rglru")(mx.ones((1, 5, 1)), x, reset=reset).flatten().tolist() == [1, 3, 3, 4, 9]


@pytest.mark.parametrize("bounds", [[], [1, 5], [0, 6], [0, 3, 2, 5]])
def test_bounds_that_do_not_rise_to_the_length(bounds):
    with pytest.raises(ValueError, match=r"\[reset_from_cu_seqlens\] expected cu_seqlens to rise from 0 to .* 5"):
        loader.reset_from_cu_seqlens(bounds, 5)


@pytest.mark.parametrize("bounds", [[0, 2.5, 5], mx.array([0.0, 5.0]), mx.array([[0, 5]]), mx.array(5)])
def test_bounds_that_are_no_integers(bounds):
    with pytest.raises(TypeError, match="expected cu_seqlens to hold integers"):
        loader.reset_from_cu_seqlens(bounds, 5)
