"""What all recipes share: the check of their arguments, `return_state`, `step`, and the call of an op."""

import inspect
import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

import mlx.core as mx

from .. import get
from ..arguments import check_array
from ..operators import OPERATORS

_TIME = "L"


class Recipe(Protocol):
    """What `recipe` makes of a function."""

    def __call__(
        self,
        *arrays: mx.array,
        initial_state: Any = None,
        reset: mx.array | None = None,
        return_state: bool = False,
        **options: Any,
    ) -> Any:
        """The output, [B, L, ...], or (output, state)."""

    def step(
        self, *arrays: mx.array, initial_state: Any = None, reset: mx.array | None = None, **options: Any
    ) -> tuple[mx.array, Any]:
        """The output, [B, ...], and the state."""


def recipe(*, state: Any, **shapes: str) -> Callable[[Callable[..., Any]], Recipe]:
    """Makes a recipe of a function of arrays, `initial_state` and `reset` that returns (output, state).

    `shapes` gives the axes of each array, "B L H D", or several choices of them, "B L H | B L H D"; `state` those of
    the state, or of each array of it: ("B H N D", "B H N"), or a function of the arguments by name that tells them.
    The recipe returns the output, with `return_state=True` the state too, and gets a method `step`: the same
    arguments for one token, arrays with an axis L without it; it returns (output, state).
    """
    shapes = shapes | {"reset": "B L"}

    def decorate(function):
        takes = inspect.signature(function)

        def read(arguments, keywords):
            try:
                return takes.bind(*arguments, **keywords)
            except TypeError as error:
                raise TypeError(f"[{function.__name__}] {error}; its signature is {takes}.") from error

        def run(call):
            wanted = state(**call.arguments) if callable(state) else state
            _check(function.__name__, shapes, wanted, call.arguments)
            return function(*call.args, **call.kwargs)

        @wraps(function)
        def whole(*arguments, return_state=False, **keywords):
            output, final = run(read(arguments, keywords))
            return (output, final) if return_state else output

        def step(*arguments, **keywords):
            call = read(arguments, keywords)
            for name, choices in shapes.items():
                if isinstance(x := call.arguments.get(name), mx.array):
                    call.arguments[name] = _one_step(f"{function.__name__}.step", name, x, _axes(choices))
            output, final = run(call)
            return mx.squeeze(output, 1), final

        flag = inspect.Parameter("return_state", inspect.Parameter.KEYWORD_ONLY, default=False)
        whole.__signature__ = takes.replace(parameters=[*takes.parameters.values(), flag])
        whole.step = step
        step.__doc__ = f"One token of `{function.__name__}`: returns (output, state)."
        return whole

    return decorate


def run(name, *arrays, **keywords):
    """The op called `name`, with its final state."""
    return get(name)(*arrays, return_state=True, **keywords)


def prefixes(operator, x, initial_state=None, reset=None):
    """Every prefix of `x` [B, L, ...] under a named operator of `associative_scan`, in float32."""
    width = math.prod(x.shape[2:])
    start = None if initial_state is None else initial_state.reshape(len(x), width)
    flat = x.astype(mx.float32).reshape(*x.shape[:2], width)
    number = list(OPERATORS).index(operator)
    return get("associative_scan")(flat, operator=number, initial_state=start, reset=reset).reshape(x.shape)


def one_late(x, first=None):
    """`x` [B, L, ...] a step later, without its last step and with `first` [B, ...], or its own first, before it."""
    first = x[:, :1] if first is None else mx.expand_dims(first, 1)
    return mx.concatenate([first, x], axis=1)[:, : x.shape[1]]


def last(x, before=None, fresh=0):
    """The last step of `x` [B, L, ...]; of no step `before` [B, ...], or what there is before all, `fresh`."""
    if x.shape[1]:
        return x[:, -1]
    return mx.full((x.shape[0], *x.shape[2:]), fresh, x.dtype) if before is None else before


def begun(reset):
    """The last step up to each that `reset` [B, L] marks, or -1: int32 [B, L]."""
    return mx.cummax(mx.where(reset, mx.arange(reset.shape[1]), -1), axis=1)


def sums(q, k, v, g, state, reset, scale=1.0, weights=None):
    """sum_s of the scores of `gla`, and of v by them: ([B, L, H, Dv], [B, L, H, 1], state), in float32.

    The state is (S [B, H, Dk, Dv], n [B, H, Dk]); `weights` [B, L, H] multiply k.
    """
    v = mx.concatenate([v.astype(mx.float32), mx.ones((*v.shape[:3], 1))], axis=-1)
    v = v if weights is None else v * weights[..., None]
    state = None if state is None else mx.concatenate([state[0], state[1][..., None]], axis=-1)
    o, state = run("gla", q, k, v, g, initial_state=state, reset=reset, scale=scale)
    return o[..., :-1], o[..., -1:], (state[..., :-1], state[..., -1])


def _one_step(name, argument, x, choices):
    """`x`, of one token, with an axis of time if it is to have one."""
    wanted = [[axis for axis in axes if axis != _TIME] for axes in choices]
    at = next((i for i, axes in enumerate(wanted) if len(axes) == x.ndim), None)
    if at is None:
        shapes = " or ".join(f"({', '.join(axes)})" for axes in wanted)
        raise ValueError(f"[{name}] expected {argument} to have shape {shapes} but got {x.shape}.")
    return mx.expand_dims(x, 1) if _TIME in choices[at] else x


def _check(name, shapes, states, arguments):
    """Refuse what is no array, or of another dtype or shape; sizes that one argument binds hold for the next."""
    sizes = {}
    for argument, axes in shapes.items():
        if (x := arguments.get(argument)) is not None:
            _fit(name, argument, x, axes, mx.bool_ if argument == "reset" else None, sizes)
    given = arguments.get("initial_state")
    if given is None:
        return
    states = (states,) if isinstance(states, str) else states
    parts = given if isinstance(given, (tuple, list)) else (given,)
    if len(parts) != len(states):
        raise ValueError(
            f"[{name}] expected initial_state to be {len(states)} array{'s' * (len(states) > 1)}, as return_state=True "
            f"gives it, but got {len(parts)}."
        )
    for i, (x, axes) in enumerate(zip(parts, states)):
        kind, _, axes = axes.rpartition(":")
        argument = f"initial_state[{i}]" if len(states) > 1 else "initial_state"
        _fit(name, argument, x, axes, getattr(mx, kind or "float32"), sizes)


def _fit(name, argument, x, choices, dtype, sizes):
    check_array(name, argument, x)
    if x.dtype != dtype if dtype else not mx.issubdtype(x.dtype, mx.floating):
        expected = str(dtype).rpartition(".")[2] if dtype else "float32, float16 or bfloat16"
        raise TypeError(f"[{name}] expected {argument} to have dtype {expected} but got {x.dtype}.")
    axes = next((c for c in _axes(choices) if len(c) == x.ndim), None)
    if axes is None or any(sizes.setdefault(axis, size) != size for axis, size in zip(axes, x.shape)):
        wanted = " or ".join(f"({', '.join(c)})" for c in _axes(choices))
        known = ", ".join(f"{axis} = {sizes[axis]}" for axis in dict.fromkeys(axes or ()) if axis in sizes)
        raise ValueError(
            f"[{name}] expected {argument} to have shape {wanted}{f' with {known}' if known else ''} but got {x.shape}."
        )


def _axes(choices):
    """Each of the shapes that an array may have, as the names of its axes."""
    return [choice.split() for choice in choices.split("|")]
