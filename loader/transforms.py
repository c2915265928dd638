"""An op as an mx.custom_function, with the checks of gradients and vmap that MLX leaves out."""

from dataclasses import dataclass

import mlx.core as mx

from .errors import ManifestError
from .plan import Plan
from .spec import BATCH, Array


@dataclass(frozen=True)
class Passes:
    """A plan and both of its passes as functions of arrays that MLX transforms, made once."""

    plan: Plan
    forward: object
    backward: object


def passes(op, plan, present, options):
    """The `Passes` of a plan: forward takes the inputs and float options called `present` and returns the op's outputs
    and saved arrays.

    Its gradient is the op's backward pass, exact in count, shape and dtype; vmap folds the mapped axis
    into the batch, on either side of grad; jvp and second order raise.
    """
    spec = op.spec
    inputs = tuple(array for array in spec.inputs if array.name in present)
    floats = tuple(Array(name, shapes=((),)) for name in present[len(inputs) :])
    outputs = len(spec.outputs)

    @mx.custom_function
    def forward(*arrays):
        return op.forward_pass(plan, dict(zip(present, arrays)))

    @mx.custom_function
    def backward(*arrays):
        primals, rest = arrays[: len(present)], arrays[len(present) :]
        results, cotangents = rest[:-outputs], rest[-outputs:]
        return op.backward_pass(plan, dict(zip(present, primals)), options, results, cotangents)

    @forward.vjp
    def _(primals, cotangents, results):
        primals = several(primals)
        cotangents = [x.astype(y.dtype) for x, y in zip(cotangents[:outputs], results)]
        gradients = backward(*primals, *results, *cotangents)
        fitted = tuple(_fit(spec, *each) for each in zip(inputs, primals, gradients))
        return fitted + tuple(mx.zeros_like(x) for x in primals[len(inputs) :])

    def of(arrays):
        return op.passes(dict(zip(present, arrays)), options)

    def backward_inputs(arrays):
        return (*inputs, *floats, *of(arrays).plan.results, *spec.outputs)

    forward.vmap(
        _folding(lambda a: of(a).forward(*a), lambda arrays: (*inputs, *floats), lambda arrays: of(arrays).plan.results)
    )
    backward.vmap(_folding(lambda a: of(a).backward(*a), backward_inputs, lambda arrays: inputs))
    lacking = f"[{spec.name}] has no {{}}; {spec.name}.reference(...) does, in plain MLX."
    forward.jvp(refusal(lacking.format("forward-mode derivatives (jvp)")))
    backward.jvp(refusal(lacking.format("forward-mode derivatives (jvp)")))
    backward.vjp(refusal(lacking.format("second-order gradients")))
    return Passes(plan, forward, backward)


def several(given):
    """The arguments as a tuple; MLX passes a single argument as it is."""
    return given if isinstance(given, (tuple, list)) else (given,)


def _fit(spec, array: Array, primal, gradient):
    """A gradient in its primal's shape and dtype, as autodiff needs it."""
    if gradient.shape != primal.shape:
        raise ManifestError(
            f"[{spec.name}] expected grad_{array.name} to have shape {primal.shape} but the backward pass "
            f"made {gradient.shape}."
        )
    return gradient.astype(primal.dtype)


def refusal(message):
    """A rule that raises, for a transformation that a function does not have."""

    def refuse(*_):
        raise NotImplementedError(message)

    return refuse


def _folding(function, inputs_of, outputs_of):
    """The vmap rule of `function`, of a list of arrays: one call on a larger batch, if every mapped array has a batch
    axis."""

    def rule(arrays, axes):
        arrays, axes = several(arrays), several(axes)
        count = next(x.shape[axis] for x, axis in zip(arrays, axes) if axis is not None)
        single = [x if axis is None else mx.take(x, 0, axis=axis) for x, axis in zip(arrays, axes)]
        specs, made = inputs_of(single), outputs_of(single)
        mapped = [spec for spec, axis in zip(specs, axes) if axis is not None]
        if any(spec.axis(BATCH) is None for spec in (*mapped, *made)):
            return _one_by_one(function, arrays, axes, count)
        folded = [_fold(x, axis, spec.axis(BATCH), count) for x, axis, spec in zip(arrays, axes, specs)]
        results = function(folded)
        positions = [spec.axis(BATCH) for spec in made]
        return tuple(mx.unflatten(y, at, (count, -1)) for y, at in zip(results, positions)), tuple(positions)

    return rule


def _fold(x, axis, batch, count):
    if batch is None:
        return x
    if axis is None:
        x = mx.repeat(mx.expand_dims(x, batch), count, axis=batch)
    else:
        x = mx.moveaxis(x, axis, batch)
    return mx.flatten(x, batch, batch + 1)


def _one_by_one(function, arrays, axes, count):
    calls = [
        function([x if axis is None else mx.take(x, i, axis=axis) for x, axis in zip(arrays, axes)])
        for i in range(count)
    ]
    results = tuple(mx.stack(parts) for parts in zip(*calls))
    return results, (0,) * len(results)
