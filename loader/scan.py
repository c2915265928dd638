"""loader.associative_scan: every prefix of an associative operator, over pytrees of arrays."""

import math
from collections.abc import Callable
from typing import TypeVar

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map

from .arguments import check_array
from .errors import suggest
from .operators import OPERATORS

_Tree = TypeVar("_Tree")
_NAMES = (*OPERATORS, "affine")
FLOATS = (mx.float32, mx.float16, mx.bfloat16)
# With fewer channels, lanes of a simdgroup would idle: then the axes before time become channels too.
_LANES = 32


def associative_scan(
    fn: str | Callable[[_Tree, _Tree], _Tree], elems: _Tree, *, axis: int = 0, reverse: bool = False
) -> _Tree:
    """Every prefix of an associative operator along an axis: y[0] = x[0], y[t] = fn(y[t-1], x[t]).

    `fn` is one of

    - "add", "mul", "max", "min", "logaddexp": on every array of `elems`;
    - "affine": `elems` is a pair (a, b) of arrays of one shape, the maps h -> a h + b; the result is the pair (A, B)
      of the maps from the state before the first step to the state after each;
    - a callable of two pytrees like `elems`, the earlier steps and the later ones, which combines them step by step
      and returns a pytree of the same shapes and dtypes. It is called 2 log2(L) times, on slices along `axis` of 2 L
      steps in all.

    The names run kernels on float32, float16 and bfloat16, and compute in float32. Gradients are exact: that of "mul"
    next to zeros too, and those of "max" and "min" go to the first of equals, or to the first NaN. Other dtypes,
    callables, and calls under mx.compile on engines that run kernels at the call, use MLX operations.

    `elems` is a pytree of mlx.core.array of the same length along `axis`, of any rank and dtype. `axis` may be
    negative; it then counts from the end of each array's own shape. With `reverse` the scan runs from the last step to
    the first: y[t] = fn(y[t+1], x[t]). Returns a pytree like `elems`, of the same shapes and dtypes.

    Kernels keep errors below 1e-5 over hundreds of thousands of steps, and are finite wherever a loop over steps is.
    MLX operations combine in another order, in which a product may overflow although a loop would not.

    Raises TypeError and ValueError that name the array by its path in the pytree, as elems.b.0.
    Blelloch 1990, Prefix Sums and Their Applications, CMU-CS-90-190.
    """
    leaves = _leaves(elems)
    _check(leaves, axis)
    if callable(fn):
        return _by_calls(_checked(fn), elems, axis, reverse)
    if fn not in _NAMES:
        raise ValueError(
            f"[associative_scan] expected fn to be a callable or one of {', '.join(_NAMES)} but got {fn!r}."
            f"{suggest(fn, _NAMES)}"
        )
    if fn == "affine":
        return _affine(leaves, axis, reverse)
    if fn == "logaddexp":
        _refuse_integers(leaves)
    return tree_map(lambda x: _prefixes(fn, x, axis, reverse), elems)


def _leaves(tree, root="elems"):
    """The leaves of a pytree by name."""
    return {".".join((root, path)) if path else root: leaf for path, leaf in tree_flatten(tree)}


def _check(leaves, axis):
    if not leaves:
        raise ValueError("[associative_scan] expected elems to hold an array but it holds none.")
    if not isinstance(axis, int):
        raise TypeError(f"[associative_scan] expected axis to be an int but got {axis!r}.")
    lengths = {}
    for name, x in leaves.items():
        check_array("associative_scan", name, x)
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"[associative_scan] expected {name} to have an axis {axis} but its shape is {x.shape}.")
        lengths[name] = x.shape[axis]
    first, length = next(iter(lengths.items()))
    for name, other in lengths.items():
        if other != length:
            raise ValueError(
                f"[associative_scan] expected {name} to have the same length along axis {axis} as {first}, {length}, "
                f"but got {other}."
            )


def _refuse_integers(leaves):
    for name, x in leaves.items():
        if not mx.issubdtype(x.dtype, mx.inexact):
            raise TypeError(
                f"[associative_scan] expected {name} to have a float dtype for logaddexp but got {x.dtype}."
            )


def _prefixes(name, x, axis, reverse):
    """The prefixes of one array under a named operator other than "affine"."""
    if _on_kernels(x):
        number = list(OPERATORS).index(name)
        return _on_channels(lambda x: _op("associative_scan")(x, operator=number, reverse=reverse), [x], axis)
    return _in_float32(OPERATORS[name][0], x, axis, reverse)


def _affine(leaves, axis, reverse):
    """The prefixes (A, B) of maps (a, b): A is the product of a, B the recurrence from 0."""
    if list(leaves) != ["elems.0", "elems.1"]:
        raise ValueError(
            f"[associative_scan] expected elems to be a pair (a, b) of arrays for affine but got {', '.join(leaves)}."
        )
    a, b = leaves.values()
    if a.shape != b.shape:
        raise ValueError(f"[associative_scan] expected elems.1 to have elems.0's shape {a.shape} but got {b.shape}.")
    if not _on_kernels(a, b):
        return _in_float32(_compose, (a, b), axis, reverse)
    order = -1 if reverse else 1
    states = _on_channels(lambda a, b: _op("rglru")(a[:, ::order], b[:, ::order])[:, ::order], [a, b], axis)
    return _prefixes("mul", a, axis, reverse), states


def _compose(earlier, later):
    return later[0] * earlier[0], later[0] * earlier[1] + later[1]


def _op(name):
    from . import get  # the package imports this module before it has its ops

    return get(name)


def _on_kernels(*arrays):
    return all(x.dtype in FLOATS for x in arrays) and _op("associative_scan").engine.ready(arrays)


def _on_channels(function, arrays, axis):
    """`function` of arrays [B, L, D], on arrays of one shape whose time is at `axis`."""
    axis %= arrays[0].ndim
    front = axis if math.prod(arrays[0].shape[axis + 1 :]) >= _LANES else 0
    moved = [mx.moveaxis(x, axis, front) for x in arrays]
    shape = moved[0].shape
    folded = (math.prod(shape[:front]), shape[front], math.prod(shape[front + 1 :]))
    y = function(*(x.reshape(folded) for x in moved))
    return mx.moveaxis(y.reshape(shape), front, axis)


def _in_float32(combine, elems, axis, reverse):
    """As `_by_calls`, in float32, rounded to 16 bits at the end."""
    wide = tree_map(lambda x: x.astype(mx.float32) if x.dtype in FLOATS else x, elems)
    return tree_map(lambda x, y: y.astype(x.dtype), elems, _by_calls(combine, wide, axis, reverse))


def _checked(fn):
    """`fn`, with a check that it returns the shapes and dtypes of its arguments."""

    def combine(earlier, later):
        result = fn(earlier, later)
        made, wanted = _leaves(result), _leaves(later)
        if list(made) != list(wanted):
            raise ValueError(
                f"[associative_scan] expected fn to return a pytree of {', '.join(wanted)} but got {', '.join(made)}."
            )
        for name, x in wanted.items():
            y = made[name]
            got = f"{y.shape} {y.dtype}" if isinstance(y, mx.array) else type(y).__name__
            if got != f"{x.shape} {x.dtype}":
                raise ValueError(
                    f"[associative_scan] expected fn to return {name} as it got it, {x.shape} {x.dtype}, but got {got}."
                )
        return result

    return combine


def _by_calls(combine, elems, axis, reverse):
    order = -1 if reverse else 1
    elems = _cut(elems, axis, slice(None, None, order))
    return _cut(_odd_even(combine, elems, axis), axis, slice(None, None, order))


def _odd_even(combine, elems, axis):
    """Combine neighbours and scan the results, the prefixes at odd steps; one more call makes those at even steps."""
    length = next(iter(_leaves(elems).values())).shape[axis]
    if length < 2:
        return elems
    neighbours = (_cut(elems, axis, slice(start, stop, 2)) for start, stop in ((0, length - 1), (1, length)))
    odd = _odd_even(combine, combine(*neighbours), axis)
    even = _cut(elems, axis, slice(0, 1))
    if length > 2:
        rest = combine(_cut(odd, axis, slice(0, (length - 1) // 2)), _cut(elems, axis, slice(2, length, 2)))
        even = tree_map(lambda x, y: mx.concatenate([x, y], axis), even, rest)
    return tree_map(lambda x, y: _interleave(x, y, axis), even, odd)


def _interleave(even, odd, axis):
    """even[0], odd[0], even[1], ...; `even` may have one step more."""
    axis %= odd.ndim
    count = odd.shape[axis]
    pairs = mx.stack([_cut(even, axis, slice(0, count)), odd], axis + 1)
    return mx.concatenate([mx.flatten(pairs, axis, axis + 1), _cut(even, axis, slice(count, None))], axis)


def _cut(elems, axis, steps):
    return tree_map(lambda x: x[(slice(None),) * (axis % x.ndim) + (steps,)], elems)
