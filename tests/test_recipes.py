"""Every recipe against its own loop in float64: outputs, states, every gradient, in pieces, packed and by steps."""

import re
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from oracle import BOUNDS
from recipe_loops import CASES

from loader import recipes

_WHY = "its sizes are programs of its own"
_SHARING = ("linear_attention", "linear_attention_normalised", "mlstm", "mamba3", "mamba3_mimo", "hgrn2", "rwkv6")


def cases(light):
    """The cases, of which those whose names are not `light` are for the exhaustive tests."""
    marked = [pytest.param(c, id=c.name, marks=() if c.name in light else pytest.mark.full(_WHY)) for c in CASES]
    return pytest.mark.parametrize("case", marked)


each = cases(_SHARING)
_TINY = 1e-30  # the imaginary part that an element gets, and by which that of the loss is its derivative
_ELEMENTS = 40  # whose gradients are compared, of each array


def recipe_of(case):
    return getattr(recipes, case.recipe or case.name)


def timed(case):
    return {name for name, axes in case.shapes.items() if "L" in axes.split()}


def reset_of(batch, length, seed=3):
    return np.random.default_rng(seed).random((batch, length)) < 0.1


def loop(case, arrays, state, reset):
    """The output and each array of the state of the loop."""
    wide = {
        name: np.float64(x) if "B" in case.shapes[name].split() else np.broadcast_to(x, (len(reset), *x.shape))
        for name, x in arrays.items()
    }
    o, final = case.loop(wide, tuple(np.float64(x) for x in state), reset, timed(case))
    return o, *final


def call(case, arrays, state, reset=None):
    """As `loop`, of the recipe."""
    o, final = recipe_of(case)(*arrays, initial_state=packed(state), reset=reset, return_state=True, **case.options)
    return o, *case.plain(*unpacked(final))


def packed(state):
    return state if len(state) > 1 else state[0]


def unpacked(state):
    return state if isinstance(state, tuple) else (state,)


def error(got, want, least=0):
    """rms(got - want) / rms(want), or by `least` where that is more."""
    got = np.array(got.astype(mx.float32)).astype(np.float64)
    return np.sqrt(np.mean((got - want) ** 2)) / max(least, np.sqrt(np.mean(np.square(want))))


def close(got, want, what, limit, least=0):
    found = error(got, want, least)
    assert found <= limit, f"{what}: error {found:.2e} is above {limit:.0e}"


def derivatives(case, name, arrays, state, reset, cotangents, chosen):
    """The gradient of the loop by the elements `chosen` of one array: from as many copies of the batch at once."""
    batch, copies = len(reset), len(chosen)
    named = {**arrays, **{f"state{i}": x for i, x in enumerate(state)}}
    named = {n: np.repeat(np.complex128(x)[None], copies, axis=0) for n, x in named.items()}
    named[name].reshape(copies, -1)[np.arange(copies), chosen] += 1j * _TINY
    batched = {n for n in named if n.startswith("state") or "B" in case.shapes[n].split()}
    named = {n: x.reshape(-1, *x.shape[2:]) if n in batched else np.repeat(x, batch, 0) for n, x in named.items()}
    states = tuple(named.pop(f"state{i}") for i in range(len(state)))
    o, final = case.loop(named, states, np.tile(reset, (copies, 1)), timed(case))
    losses = [y.imag.reshape(copies, *c.shape) * c for y, c in zip((o, *final), cotangents)]
    return sum(loss.reshape(copies, -1).sum(-1) for loss in losses) / _TINY


def check(case, arrays, state, reset, dtype=mx.float32, least=0):
    rng = np.random.default_rng(1)
    narrow = {n: mx.array(x).astype(mx.float32 if n in case.gates else dtype) for n, x in arrays.items()}
    arrays = {n: np.array(x.astype(mx.float32)) for n, x in narrow.items()}
    want = loop(case, arrays, state, reset)
    cotangents = [rng.normal(size=x.shape) / np.sqrt(np.mean(x**2)) for x in want]
    primals = [*narrow.values(), *map(mx.array, state)]
    floats = [i for i, x in enumerate(primals) if x.dtype != mx.int32]

    def function(*given):
        inputs = list(primals)
        for i, x in zip(floats, given):
            inputs[i] = x
        return call(case, inputs[: len(arrays)], tuple(inputs[len(arrays) :]), mx.array(reset))

    made = function(*[primals[i] for i in floats])
    given = [mx.array(c.astype(np.float32)).astype(y.dtype) for c, y in zip(cotangents, made)]
    cotangents = [np.array(c.astype(mx.float32)).astype(np.float64) for c in given]
    got, gradients = mx.vjp(function, [primals[i] for i in floats], given)
    limit = max(case.bound, BOUNDS[dtype])
    assert got[0].dtype == dtype and all(x.dtype == mx.float32 for x in got[1:])
    for i, (x, y) in enumerate(zip(got, want)):
        close(x, y, f"output {i}", limit)
    names = [*arrays, *(f"state{i}" for i in range(len(state)))]
    for i, gradient in zip(floats, gradients):
        assert gradient.dtype == primals[i].dtype
        few = _ELEMENTS * 512 // (512 + sum(x.size for x in state))  # as their copies of the state take time
        chosen = rng.permutation(gradient.size)[: max(8, few)]
        truth = derivatives(case, names[i], arrays, state, reset, cotangents, chosen)
        close(gradient.reshape(-1)[mx.array(chosen)], truth, f"grad_{names[i]}", limit, least)


def test_every_recipe_has_a_loop():
    assert {case.recipe or case.name for case in CASES} == set(recipes.__all__)


@each
def test_parity(case):
    check(case, *case.draw(2, 37), reset_of(2, 37))


@cases(())
def test_parity_in_16_bits(case):
    """In bfloat16 and float16 in turn."""
    check(case, *case.draw(2, 37), reset_of(2, 37), (mx.bfloat16, mx.float16)[CASES.index(case) % 2])


@cases(("linear_attention", "mlstm", "mamba3"))
def test_pieces_and_steps(case):
    """Two pieces, and one step at a time, carry the state."""
    arrays, state = case.draw(2, 6)
    reset = reset_of(2, 6)
    want = loop(case, arrays, state, reset)

    def piece(start, stop):
        return [mx.array(x[:, start:stop] if n in timed(case) else x) for n, x in arrays.items()]

    for cuts in ((0, 2, 6), range(7)):
        carried, outputs = tuple(map(mx.array, state)), []
        for start, stop in zip(cuts, cuts[1:]):
            flags, given = mx.array(reset[:, start:stop]), {"initial_state": packed(carried), **case.options}
            if stop - start > 1:
                o, carried = recipe_of(case)(*piece(start, stop), reset=flags, return_state=True, **given)
            else:
                at = [x[:, 0] if n in timed(case) else x for n, x in zip(arrays, piece(start, stop))]
                o, carried = recipe_of(case).step(*at, reset=flags[:, 0], **given)
                o = o[:, None]
            carried = unpacked(carried)
            outputs.append(o)
        for i, (got, y) in enumerate(zip((mx.concatenate(outputs, axis=1), *case.plain(*carried)), want)):
            close(got, y, f"output {i}", case.bound)


@each
def test_packed_sequences_are_as_apart(case):
    lengths = (5, 1, 13, 18)
    arrays, state = case.draw(1, sum(lengths))
    starts = np.cumsum((0, *lengths))
    reset = np.zeros((1, starts[-1]), bool)
    reset[0, starts[:-1]] = True
    none = case.none(state)
    o, *final = call(case, map(mx.array, arrays.values()), tuple(map(mx.array, state)), mx.array(reset))
    for start, stop in zip(starts, starts[1:]):
        cut = {n: x[:, start:stop] if n in timed(case) else x for n, x in arrays.items()}
        want, *last = loop(case, cut, none, np.zeros((1, stop - start), bool))
        close(o[:, start:stop], want, "o", case.bound)
    for got, want in zip(final, last):
        close(got, want, "state", case.bound)


@pytest.mark.parametrize("i, f", [(20, 20), (20, -20), (-20, 20), (-20, -20), (0, 20), (0, -20)])
def test_mlstm_with_gates_far_out(i, f):
    case = next(case for case in CASES if case.name == "mlstm")
    arrays, state = case.draw(2, 37)
    arrays["i"], arrays["f"] = arrays["i"] + np.float32(i), arrays["f"] + np.float32(f)
    # Where a step outweighs all others o is v, whatever q, k and the gates are: their gradients are next to 0.
    check(case, arrays, state, reset_of(2, 37), least=0 if f == 20 and i <= 0 else 1)


def test_mlstm_with_gates_that_jump():
    """From -20 to +20 and back, over sums of gates in whose float32 nothing would be left of them."""
    case = next(case for case in CASES if case.name == "mlstm")
    arrays, state = case.draw(2, 500)
    rng = np.random.default_rng(5)
    arrays["i"], arrays["f"] = (rng.choice(np.float32([-20, 20]), size=arrays["i"].shape) for _ in "if")
    arrays |= {name: np.abs(arrays[name]) for name in "qk"}  # sums that do not cancel
    reset = np.zeros((2, 500), bool)
    got = call(case, map(mx.array, arrays.values()), tuple(map(mx.array, state)), mx.array(reset))
    for i, (x, y) in enumerate(zip(got, loop(case, arrays, state, reset))):
        close(x, y, f"output {i}", 1e-5)


@pytest.mark.parametrize("name", ["mamba3", "mamba3_mimo"])
def test_angles_keep_their_precision(name):
    """Over turns by the hundred, where float32's sum has lost 1e-4."""
    case = next(case for case in CASES if case.name == name)
    arrays, state = case.draw(1, 1000)
    arrays["theta"], reset = np.abs(arrays["theta"]), np.zeros((1, 1000), bool)
    assert (arrays["dt"][..., None] * arrays["theta"]).sum(axis=1).max() > 500
    got = call(case, map(mx.array, arrays.values()), tuple(map(mx.array, state)), mx.array(reset))
    for i, (x, y) in enumerate(zip(got, loop(case, arrays, state, reset))):
        close(x, y, f"output {i}", 1e-5)


@cases(("linear_attention",))
def test_without_a_state_or_steps(case):
    """No state is one of zeros, and no step gives an empty output and leaves the state."""
    arrays, state = case.draw(2, 5)
    none = case.none(state)
    inputs = list(map(mx.array, arrays.values()))
    o, final = recipe_of(case)(*inputs, return_state=True, **case.options)
    for i, (x, y) in enumerate(
        zip((o, *case.plain(*unpacked(final))), loop(case, arrays, none, np.zeros((2, 5), bool)))
    ):
        close(x, y, f"output {i}", case.bound)
    nothing = [x[:, :0] if n in timed(case) else x for n, x in zip(arrays, inputs)]
    start = tuple(map(mx.array, state))
    y, kept = recipe_of(case)(*nothing, initial_state=packed(start), return_state=True, **case.options)
    assert y.shape == (2, 0, *o.shape[2:]) and y.dtype == o.dtype
    assert all(mx.array_equal(x, y) for x, y in zip(unpacked(kept), start))
    empty = recipe_of(case)(*nothing, return_state=True, **case.options)[1]
    assert [(x.shape, x.dtype) for x in unpacked(empty)] == [(x.shape, x.dtype) for x in unpacked(kept)]


X, GATE = mx.ones((1, 4, 2, 8)), mx.ones((1, 4, 2))
REFUSED = [
    (lambda: recipes.retention(X, X), TypeError, r"\[retention\] missing a required argument: 'v'; its signature is"),
    (
        lambda: recipes.retention(X, X, X, np.ones(2)),
        TypeError,
        "expected decay to be an mlx.core.array but got ndarray",
    ),
    (
        lambda: recipes.retention(X, X, X, mx.ones(3)),
        ValueError,
        r"decay to have shape \(H\) with H = 2 but got \(3,\)",
    ),
    (lambda: recipes.hgrn2(X, X[:, :3], X), ValueError, r"g to have shape \(B, L, H, Dk\) with B = 1, L = 4"),
    (
        lambda: recipes.hgrn2(X, X.astype(mx.int32), X),
        TypeError,
        "expected g to have dtype float32, float16 or bfloat16",
    ),
    (lambda: recipes.hgrn2(X, X, X, reset=GATE[..., 0]), TypeError, "expected reset to have dtype bool"),
    (lambda: recipes.hgrn2(X, X, X, initial_state=X), ValueError, r"initial_state to have shape \(B, H, Dk, Dv\)"),
    (
        lambda: recipes.lightnet(X, X, X, initial_state=X),
        ValueError,
        "initial_state to be 2 arrays, as return_state=True",
    ),
    (
        lambda: recipes.mlstm(X, X, X, GATE, GATE, eps=1),
        TypeError,
        r"\[mlstm\] got an unexpected keyword argument 'eps'",
    ),
    (lambda: recipes.based(X, X, X, terms=(1, -1, 1)), ValueError, "expected terms to be three numbers"),
    (lambda: recipes.log_linear_attention(X, X, X, GATE, X[..., :2]), ValueError, r"2\^\(N-1\) >= L = 4 but got N = 2"),
    (
        lambda: recipes.mamba3(X, X, X, GATE, GATE, GATE, X),
        ValueError,
        "theta to have at most N // 2 = 4 angles but got 8",
    ),
    (lambda: recipes.hgrn2.step(X, X, X), ValueError, r"\[hgrn2.step\] expected q to have shape \(B, H, Dk\) but got"),
]


@pytest.mark.parametrize("call, kind, message", REFUSED)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_the_table_has_every_recipe_and_op():
    text = (Path(__file__).parents[1] / "docs" / "families.md").read_text()
    assert all(f"`recipes.{name}(" in text for name in recipes.__all__)
    assert all(re.search(rf"recipes\.{name}\b", text) for name in recipes.__all__)
    assert {name for name in re.findall(r"recipes\.(\w+)\(", text)} == set(recipes.__all__)


def test_importing_the_package_imports_no_recipe():
    code = "import loader, sys; sys.exit(any(name.startswith('loader.recipes') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
