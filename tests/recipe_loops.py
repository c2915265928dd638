"""Every recipe as a loop over time in NumPy, and random arguments for it.

A loop takes the arrays by name, parameters too with a leading batch axis, the state as a tuple, and `reset` [B, L]; it
returns the output [B, L, ...] and the state, in float64. It accepts complex numbers: tiny imaginary parts carry
derivatives.
"""

from dataclasses import dataclass, field

import mlx.core as mx
import numpy as np

SCALE = 0.7


@dataclass(frozen=True)
class Case:
    """A recipe's arguments: `shapes` of its arrays and of its state, a letter an axis; `draws` says how those that are
    not normal are drawn. `gates` stay float32 beside 16-bit arrays. `plain` turns the recipe's state, where that is not
    determined by the equations, into what the loop returns, which is; `fresh` is what an array of no state holds."""

    name: str
    loop: object
    sizes: dict
    shapes: dict
    state: tuple
    draws: dict = field(default_factory=dict)
    gates: tuple = ()
    options: dict = field(default_factory=dict)
    plain: object = lambda *state: state
    recipe: str = ""
    bound: float = 1e-5
    fresh: tuple = (0, 0, 0, 0)

    def none(self, state):
        """The arrays of `state` as they are where there is none."""
        return tuple(np.full_like(x, value) for x, value in zip(state, self.fresh))

    def draw(self, batch, length, seed=0):
        """Arrays by name, and the state, float32."""
        rng = np.random.default_rng(seed)
        sizes = {"B": batch, "L": length, **self.sizes}

        def one(name, axes):
            shape = [sizes[axis] for axis in axes.split()]
            draw = self.draws.get(name, lambda rng, shape: rng.normal(size=shape))
            return draw(rng, shape).astype(np.int32 if draw is counts else np.float32)

        arrays = {name: one(name, axes) for name, axes in self.shapes.items()}
        return arrays, tuple(one(f"state{i}", axes) for i, axes in enumerate(self.state))


def uniform(low, high):
    return lambda rng, shape: rng.uniform(low, high, size=shape)


def counts(rng, shape):
    return rng.integers(0, 7, size=shape)


def walk(step):
    """The loop of a step (array by name -> its step t, state) -> (output, state)."""

    def loop(arrays, state, reset, timed):
        length = next(arrays[name].shape[1] for name in timed)
        outputs = []
        for t in range(length):
            state = tuple(np.where(_like(reset[:, t], S), 0, S) for S in state)
            y, state = step({n: x[:, t] if n in timed else x for n, x in arrays.items()}, state, reset[:, t])
            outputs.append(y)
        return np.stack(outputs, axis=1), state

    return loop


def _like(flag, x):
    return flag.reshape(flag.shape + (1,) * (x.ndim - 1))


def grouped(x, heads):
    """Of groups [B, G, ...] one for each head."""
    return np.repeat(x, heads // x.shape[1], axis=1)


def outer(a, b):
    return a[..., :, None] * b[..., None, :]


def read(q, S):
    """q [B, H, K] with S [B, H, K, V]."""
    return np.einsum("bhk,bhkv->bhv", q, S)


@walk
def retention(x, state, _):
    H = x["v"].shape[1]
    S = x["decay"][..., None, None] * state[0] + outer(grouped(x["k"], H), x["v"])
    return SCALE * read(grouped(x["q"], H), S), (S,)


@walk
def linear_attention(x, state, _):
    S = state[0] + outer(x["k"], x["v"])
    return SCALE * read(x["q"], S), (S,)


@walk
def linear_attention_normalised(x, state, _):
    S, n = state[0] + outer(x["k"], x["v"]), state[1] + x["k"]
    return read(x["q"], S) / ((x["q"] * n).sum(-1, keepdims=True) + 1e-6 / SCALE), (S, n)


def _features(x, terms):
    first, second = np.triu_indices(x.shape[-1])
    square = x[..., first] * x[..., second] * np.where(first == second, 1, np.sqrt(2))
    parts = [np.ones_like(x[..., :1]), x, square]
    return np.concatenate([np.sqrt(c) * part for c, part in zip(terms, parts) if c], axis=-1)


def based(terms):
    @walk
    def loop(x, state, _):
        q, k = (_features(each, terms) for each in (SCALE * x["q"], x["k"]))
        S, n = state[0] + outer(k, x["v"]), state[1] + k
        return read(q, S) / ((q * n).sum(-1, keepdims=True) + 1e-6), (S, n)

    return loop


@walk
def hgrn2(x, state, _):
    S = x["g"][..., None] * state[0] + outer(1 - x["g"], x["v"])
    return SCALE * read(x["q"], S), (S,)


def lightnet(arrays, state, reset, timed):
    """The sums of exponentials themselves; S and z of the state stand for S exp(z)."""
    total = np.exp(state[1])
    sums = state[0] * total[..., None]

    @walk
    def loop(x, state, _):
        sums, total = state[0] + outer(np.exp(x["k"]), x["v"]), state[1] + np.exp(x["k"])
        return SCALE * read(x["q"], sums / total[..., None]), (sums, total)

    o, (sums, total) = loop(arrays, (sums, total), reset, timed)
    return o, (sums / total[..., None], np.log(total))


@walk
def gsa(x, state, _):
    K = x["g"][:, :, None, :] * state[0] + outer(x["k"], x["s"])
    V = x["g"][..., None] * state[1] + outer(x["s"], x["v"])
    scores = SCALE * read(x["q"], K)
    p = np.exp(scores - scores.real.max(-1, keepdims=True))
    return read(p / p.sum(-1, keepdims=True), V), (K, V)


@walk
def rwkv6(x, state, _):
    kv = outer(x["k"], x["v"])
    o = SCALE * read(x["r"], state[0] + x["u"][..., None] * kv)
    return o, (x["w"][..., None] * state[0] + kv,)


@walk
def rwkv7(x, state, _):
    """S [B, H, Dv, Dk]."""
    S = state[0]
    S = S * x["w"][:, :, None] + outer(np.einsum("bhvk,bhk->bhv", S, x["a"]), x["b"]) + outer(x["v"], x["k"])
    return SCALE * np.einsum("bhvk,bhk->bhv", S, x["r"]), (S,)


def mlstm(arrays, state, reset, timed):
    """Without a stabiliser: C exp(m) and n exp(m)."""
    C, n, m = state
    state = C * np.exp(m)[..., None, None], n * np.exp(m)[..., None]

    @walk
    def loop(x, state, _):
        i, f = np.exp(x["i"]), 1 / (1 + np.exp(-x["f"]))
        C = f[..., None, None] * state[0] + i[..., None, None] * outer(x["k"], x["v"])
        n = f[..., None] * state[1] + i[..., None] * x["k"]
        total = SCALE * (x["q"] * n).sum(-1, keepdims=True)
        size = total * np.sign(total.real)
        return SCALE * read(x["q"], C) / np.where(size.real > 1, size, 1), (C, n)

    return loop(arrays, state, reset, timed)


def mamba3(arrays, state, reset, timed):
    single = arrays["x"].ndim == 4
    if single:
        arrays = {n: x[:, :, None] if n in "xBC" else x for n, x in arrays.items()}
        state = (*state[:2], state[2][:, None], state[3][:, None])

    @walk
    def loop(x, state, fresh):
        angle, h, key, value = state
        angle = angle + x["dt"][..., None] * x["theta"]
        k, q = (_turned(x[name], angle) for name in "BC")
        decay = np.exp(x["dt"] * x["A"])[..., None, None]
        dt, lam = x["dt"][..., None, None], x["lam"][..., None, None]
        before = np.einsum("brhn,brhd->bhnd", key, value)
        h = decay * (h + (1 - lam) * dt * before) + lam * dt * np.einsum("brhn,brhd->bhnd", k, x["x"])
        return np.einsum("brhn,bhnd->brhd", q, h), (angle, h, k, x["x"])

    y, state = loop(arrays, state, reset, timed)
    angle, h, k, x = state
    state = (np.cos(angle), np.sin(angle), h, *((k[:, 0], x[:, 0]) if single else (k, x)))
    return (y[:, :, 0] if single else y), state


def _turned(x, angle):
    """[B, R, G, N] of every head, its first pairs turned by minus angle [B, H, P]."""
    x = np.repeat(x, angle.shape[1] // x.shape[2], axis=2)
    pairs = 2 * angle.shape[-1]
    a, b, cos, sin = x[..., :pairs:2], x[..., 1:pairs:2], np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = np.stack([cos * a + sin * b, cos * b - sin * a], axis=-1)
    return np.concatenate([turned.reshape(*turned.shape[:-2], pairs), x[..., pairs:]], axis=-1)


def _delta(S, k, p, v, g, beta):
    """S [B, H, Dv, Dk] after one step; p erases."""
    S = S * (g[..., None, None] if g.ndim == 2 else g[:, :, None])
    return S + outer(beta * (v - np.einsum("bhvk,bhk->bhv", S, p)), k)


@walk
def delta_product(x, state, _):
    (S,), H = state, x["v"].shape[2]
    for r in range(x["k"].shape[1]):
        k, g = grouped(x["k"][:, r], H), x["g"] if r == 0 else np.ones_like(x["g"])
        S = _delta(S, k, k, x["v"][:, r], g, x["beta"][:, r, :, None])
    return SCALE * np.einsum("bhvk,bhk->bhv", S, grouped(x["q"], H)), (S,)


@walk
def comba(x, state, _):
    S = _delta(state[0], x["k"], x["p"], x["v"], x["g"], x["beta"][..., None])
    return SCALE * np.einsum("bhvk,bhk->bhv", S, x["q"] - x["d"][..., None] * x["p"]), (S,)


@walk
def gdn2(x, state, _):
    S = _delta(state[0], x["k"], x["b"] * x["k"], x["w"] * x["v"], x["g"], 1)
    return SCALE * np.einsum("bhvk,bhk->bhv", S, x["q"]), (S,)


def log_linear_attention(arrays, state, reset, timed):
    """The spans of each token, from the definition."""
    start, states = state
    batch, length, heads, count = arrays["levels"].shape
    at, g = start.real.astype(int), arrays["g"]
    outputs, final = [], states
    for t in range(length):
        at, final = np.where(reset[:, t], 0, at), np.where(_like(reset[:, t], final), 0, final)
        k, q, v = grouped(arrays["k"][:, t], heads), grouped(arrays["q"][:, t], heads), arrays["v"][:, t]
        final = final * g[:, t, None, :, None, None]
        o = arrays["levels"][:, t, :, 0, None] * (q * k).sum(-1, keepdims=True) * v
        for j in range(1, count):
            begins, second = at % 2**j == 0, (at >> (j - 1)) % 2 == 1
            S = np.where(_like(begins, final[:, j - 1]), 0, final[:, j - 1])
            S = S + np.where(second, 0, 1)[:, None, None, None] * outer(k, v)
            final = np.concatenate([final[:, : j - 1], S[:, None], final[:, j:]], axis=1)
            o = o + np.where(second[:, None], arrays["levels"][:, t, :, j], 0)[..., None] * read(q, S)
        outputs.append(SCALE * o)
        at = at + 1
    return np.stack(outputs, axis=1), (at, final)


@walk
def mesa(x, state, _):
    K = x["g"][..., None, None] * state[0] + x["beta"][..., None, None] * outer(x["k"], x["k"])
    V = x["g"][..., None, None] * state[1] + x["beta"][..., None, None] * outer(x["k"], x["v"])
    full = K + x["lam"][..., None] * np.eye(K.shape[-1])
    return read(np.linalg.solve(np.swapaxes(full, -1, -2), x["q"][..., None])[..., 0], V), (K, V)


def positive_definite(rng, shape):
    root = rng.normal(size=shape)
    return root @ np.swapaxes(root, -1, -2) / shape[-1]


# Most calls of gla have the same sizes, so that they share programs; the others are those of test_parity.
_SMALL = {"H": 2, "K": 8, "V": 8}
_ONE_LESS = {**_SMALL, "V": 7}
_EXAMPLE = {"H": 4, "G": 2, "K": 33, "V": 20}
_QKV = {"q": "B L H K", "k": "B L H K", "v": "B L H V"}
_GROUPED = {"q": "B L G K", "k": "B L G K", "v": "B L H V"}
_scaled = {"scale": SCALE}
_OPEN = uniform(0, 1)
_short = {"g": _OPEN} | dict.fromkeys("kabp", uniform(-0.3, 0.3))  # keys that are too long let a delta rule grow
_positive = {"q": _OPEN, "k": _OPEN, "state1": uniform(0, 5)}

CASES = [
    Case(
        "retention",
        retention,
        _EXAMPLE,
        {**_GROUPED, "decay": "H"},
        ("B H K V",),
        {"decay": _OPEN},
        ("decay",),
        _scaled,
    ),
    Case("linear_attention", linear_attention, _SMALL, _QKV, ("B H K V",), options=_scaled),
    Case(
        "linear_attention_normalised",
        linear_attention_normalised,
        _ONE_LESS,
        _QKV,
        ("B H K V", "B H K"),
        _positive,
        options={**_scaled, "normalize": True},
        recipe="linear_attention",
    ),
    Case(
        "based",
        based((1, 1, 0.5)),
        {"H": 2, "K": 3, "F": 10, "V": 7},
        _QKV,
        ("B H F V", "B H F"),
        {"state1": uniform(4, 5)},
        options=_scaled,
    ),
    Case(
        "hgrn2",
        hgrn2,
        _SMALL,
        {"q": "B L H K", "g": "B L H K", "v": "B L H V"},
        ("B H K V",),
        {"g": _OPEN},
        ("g",),
        _scaled,
    ),
    Case("lightnet", lightnet, _SMALL, _QKV, ("B H K V", "B H K"), options=_scaled, fresh=(0, -np.inf)),
    Case(
        "gsa",
        gsa,
        {**_SMALL, "M": 8},
        {**_QKV, "s": "B L H M", "g": "B L H M"},
        ("B H K M", "B H M V"),
        {"s": _OPEN, "g": _OPEN},
        ("g",),
        _scaled,
    ),
    Case(
        "rwkv6",
        rwkv6,
        _SMALL,
        {"r": "B L H K", "k": "B L H K", "v": "B L H V", "w": "B L H K", "u": "H K"},
        ("B H K V",),
        {"w": _OPEN},
        ("w",),
        _scaled,
    ),
    Case(
        "mlstm",
        mlstm,
        _ONE_LESS,
        {**_QKV, "i": "B L H", "f": "B L H"},
        ("B H K V", "B H K", "B H"),
        gates=("i", "f"),
        options=_scaled,
        plain=lambda C, n, m: (C * mx.exp(m)[..., None, None], n * mx.exp(m)[..., None]),
    ),
    *(
        Case(
            f"mamba3{kind}",
            mamba3,
            {"H": 2, "G": 1, "D": 8, "N": 8, "P": 3, "R": 2},
            {
                "x": f"B L{rank} H D",
                "B": f"B L{rank} G N",
                "C": f"B L{rank} G N",
                "dt": "B L H",
                "lam": "B L H",
                "A": "H",
                "theta": "B L H P",
            },
            ("B H P", "B H N D", f"B{rank} H N", f"B{rank} H D"),
            {"dt": _OPEN, "lam": _OPEN, "A": uniform(-2, 0), "theta": uniform(-3, 3)},
            ("dt", "lam", "A", "theta"),
            plain=lambda angle, *rest: (mx.cos(angle), mx.sin(angle), *rest),
            recipe="mamba3",
        )
        for kind, rank in (("", ""), ("_mimo", " R"))
    ),
    Case(
        "delta_product",
        delta_product,
        {**_EXAMPLE, "R": 2},
        {"q": "B L G K", "k": "B L R G K", "v": "B L R H V", "g": "B L H", "beta": "B L R H"},
        ("B H V K",),
        {"g": _OPEN, "beta": _OPEN, "k": uniform(-0.25, 0.25)},
        ("g", "beta"),
        _scaled,
    ),
    Case(
        "log_linear_attention",
        log_linear_attention,
        {**_EXAMPLE, "N": 7, "J": 6},
        {**_GROUPED, "g": "B L H", "levels": "B L H N"},
        ("B", "B J H K V"),
        {"g": uniform(0.5, 1), "state0": counts},
        ("g",),
        _scaled,
        plain=lambda at, states: (at.astype(mx.float32), states),
    ),
    Case(
        "mesa",
        mesa,
        _SMALL,
        {**_QKV, "g": "B L H", "beta": "B L H", "lam": "H K"},
        ("B H K K", "B H K V"),
        {"g": uniform(0.5, 1), "beta": _OPEN, "lam": uniform(0.5, 1.5), "state0": positive_definite},
        ("g", "beta", "lam"),
    ),
    Case(
        "comba",
        comba,
        _SMALL,
        {**_QKV, "g": "B L H K", "beta": "B L H", "p": "B L H K", "d": "H"},
        ("B H V K",),
        {**_short, "beta": _OPEN},
        ("g", "beta"),
        _scaled,
    ),
    Case(
        "gdn2",
        gdn2,
        _SMALL,
        {**_QKV, "g": "B L H K", "b": "B L H K", "w": "B L H V"},
        ("B H V K",),
        {**_short, "b": lambda rng, shape: rng.uniform(0, 1, shape) * (rng.random(shape) < 0.8), "w": _OPEN},
        ("g",),
        _scaled,
    ),
    Case(
        "rwkv7",
        rwkv7,
        _SMALL,
        {"r": "B L H K", "w": "B L H K", "k": "B L H K", "v": "B L H V", "a": "B L H K", "b": "B L H K"},
        ("B H V K",),
        {**_short, "w": uniform(0.545, 1)},
        ("w",),
        _scaled,
    ),
]
