"""MesaNet: at every step the linear map that fits the past best, by conjugate gradients."""

from functools import cache

import mlx.core as mx

from .recipe import recipe, run


@recipe(state=("B H Dk Dk", "B H Dk Dv"), q="B L H Dk", k="B L H Dk", v="B L H Dv", g="B L H", beta="B L H", lam="H Dk")
def mesa(q, k, v, g, beta, lam, *, initial_state=None, reset=None, iterations=30):
    """K[t] = g K[t-1] + beta k (x) k, V[t] = g V[t-1] + beta k (x) v, o[t] = V[t]^T (K[t] + diag(lam))^-1 q[t].

    q and k [B, L, H, Dk], v [B, L, H, Dv], g and beta [B, L, H], lam [H, Dk] positive. `iterations` steps of conjugate
    gradients, each a call of `gla`, solve for all steps at once; gradients are those of the solution, by as many more.
    Where Dk is above `iterations`, or K badly conditioned, what they leave is an error of its own.
    Returns o [B, L, H, Dv] in v's dtype; the state is (K [B, H, Dk, Dk], V [B, H, Dk, Dv]), float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    von Oswald et al. 2025, MesaNet, arXiv:2506.05233, section 3.
    """
    K, V = initial_state or (None, None)
    key = k.astype(mx.float32)
    written = key * beta[..., None]
    given = {"key": key, "written": written, "g": g, "lam": lam, "K": K, "reset": reset}
    given = {name: x for name, x in given.items() if x is not None}
    fixed = {name: mx.stop_gradient(x) for name, x in given.items()}
    query = q.astype(mx.float32)
    x = mx.stop_gradient(_solve(fixed, query, iterations))
    product, K = _times(given, x)
    # Of a solution the rest is 0; what it would be answered with carries the gradient.
    x = x + _answer(tuple(fixed), iterations)(query - product, *fixed.values())
    o, V = run("gla", x, key, v.astype(mx.float32) * beta[..., None], g, initial_state=V, reset=reset)
    return o.astype(v.dtype), (K, V)


def _times(given, x):
    """(K[t] + diag(lam)) x[t] at every step, and the last K, of `given` arrays by name."""
    y, K = run(
        "gla", x, given["key"], given["written"], given["g"], initial_state=given.get("K"), reset=given.get("reset")
    )
    return y + given["lam"] * x, K


def _solve(given, wanted, iterations):
    """x with (K[t] + diag(lam)) x[t] = wanted[t]."""
    x, rest, way = mx.zeros_like(wanted), wanted, wanted
    size = (rest * rest).sum(axis=-1, keepdims=True)
    for _ in range(iterations):
        image = _times(given, way)[0]
        far = _ratio(size, (way * image).sum(axis=-1, keepdims=True))
        x, rest = x + far * way, rest - far * image
        before, size = size, (rest * rest).sum(axis=-1, keepdims=True)
        way = rest + _ratio(size, before) * way
    return x


def _ratio(a, b):
    """a / b, and 0 where the iteration has come to its end."""
    return mx.where(b > 0, a / mx.where(b > 0, b, 1), 0)


@cache
def _answer(names, iterations):
    """A function of a residual and of the arrays called `names` that is 0, with the slope of the solution."""

    @mx.custom_function
    def answer(rest, *arrays):
        return mx.zeros_like(rest)

    @answer.vjp
    def _(primals, cotangent, _):
        _, *arrays = primals
        return (_solve(dict(zip(names, arrays)), cotangent, iterations), *map(mx.zeros_like, arrays))

    return answer
