"""The plan of a call: its inputs checked, its sizes bound, and the launches of both passes."""

import math
from dataclasses import dataclass, field
from functools import cache, cached_property, partial

import mlx.core as mx

from .arguments import LARGEST
from .expression import DTYPES, Scope
from .spec import INITIAL, MOST_THREADS, STATE, SumStep

# In place of an absent optional input its kernel gets this many elements, which it never reads.
_DUMMY_SIZE = 8
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Plan:
    """How to run an op on inputs of these shapes and dtypes.

    `state` are the steps that make the final state alone, `adjoint` those of the gradient of the initial state.
    `results` are the outputs and the arrays saved for backward, `outputs` the shapes of the outputs. `empty`: a size is
    0, so no kernel is launched. `prepared` names the passes whose kernels the engine has compiled.
    """

    forward: tuple
    backward: tuple
    state: tuple
    adjoint: tuple
    results: tuple
    outputs: tuple
    empty: bool
    prepared: set = field(default_factory=set, compare=False)

    def kernels(self, which):
        """The launches of kernels in the pass `which`."""
        return [launch for launch in getattr(self, which) if isinstance(launch, Launch)]


@dataclass(frozen=True)
class Launch:
    """One kernel call: every argument of a kernel of mx.fast.metal_kernel except the arrays.

    `file` is the step's, shaders/<file>.metal. `inputs` has the name of each array, or the dtype of an absent optional
    one, and `given` its (shape, dtype).
    """

    file: str
    kernel: object
    inputs: tuple
    given: tuple
    outputs: tuple
    arguments: dict

    @cached_property
    def reads(self):
        return tuple(name for name in self.inputs if isinstance(name, str))

    @property
    def makes(self):
        return self.outputs

    @cached_property
    def call(self):
        """The kernel as a function of `inputs` alone; one that can `bind` its other arguments does so once."""
        if hasattr(self.kernel, "bind"):
            return self.kernel.bind(self.given, **self.arguments)
        return partial(self.kernel, **self.arguments)

    def arrays(self, named):
        """The kernel's arrays in its order, of arrays by name."""
        return [named[name] if isinstance(name, str) else _dummy(name) for name in self.inputs]

    def run(self, arrays):
        arrays.update(zip(self.outputs, self.call(inputs=self.arrays(arrays))))


@dataclass(frozen=True)
class Sum:
    """One reduction of a partial result."""

    array: str
    axis: int
    into: str
    shape: tuple
    dtype: object

    @property
    def reads(self):
        return (self.array,)

    @property
    def makes(self):
        return (self.into,)

    def run(self, arrays):
        parts = arrays[self.array]
        if parts.shape[self.axis] == 2:  # GPUs add two arrays faster than MLX reduces them
            first, second = mx.split(parts, 2, axis=self.axis)
            total = first + second
        else:
            total = mx.sum(parts, axis=self.axis)
        arrays[self.into] = total.reshape(self.shape).astype(self.dtype)


def needed(steps, name):
    """The steps of a pass that the array called `name` depends on, in order."""
    due, found = {name}, []
    for step in reversed(steps):
        if not due.isdisjoint(step.makes):
            due.update(step.reads)
            found.append(step)
    return tuple(reversed(found))


def independent(steps, name):
    """The steps of a pass that do not depend on the array called `name`, in order."""
    made, found = {name}, []
    for step in steps:
        if made.isdisjoint(step.reads):
            found.append(step)
        else:
            made.update(step.makes)
    return tuple(found)


@cache
def _dummy(dtype):
    return mx.array([0] * _DUMMY_SIZE, dtype)


def make(spec, kernels, inputs, options, engine=None):
    """The plan of a call on the engine of that name.

    `inputs` has the (shape, dtype) of every input in order, None for an absent one, and `options` the values of the
    options. Raises ValueError and TypeError that name the expected shape, dtype or condition.
    """
    given = {array.name: value for array, value in zip(spec.inputs, inputs) if value is not None}
    _check_dtypes(spec, given)
    dims, dtypes = _bind(spec, given), _dtypes(spec, given)
    scope = _scope(given, _numbers(spec, dims, options), dtypes, engine)
    _check_sizes(spec, given, scope)
    outputs = tuple(tuple(axis.size(scope, 0) for axis in array.shapes[0]) for array in spec.outputs)
    if 0 in dims.values():
        return Plan((), (), (), (), (), outputs, empty=True)
    variant = next(v for v in spec.variants if v.when is None or v.when(scope))
    for name, value in variant.constants:
        scope[name] = value(scope)
    arrays = _declared(spec, variant, given, dtypes, scope)
    forward, backward, state, adjoint = (
        tuple(_launch(step, spec, kernels, arrays, given, scope) for step in steps if not _idle(step, spec, given))
        for steps in variant.passes
    )
    state, adjoint = state or needed(forward, STATE), adjoint or needed(backward, f"grad_{INITIAL}")
    return Plan(forward, backward, state, adjoint, (*spec.outputs, *variant.saved), outputs, empty=False)


def scope_of(spec, given, options):
    """What the names in a condition stand for, in a call with inputs of the (shape, dtype) `given` by name."""
    return _scope(given, _numbers(spec, _bind(spec, given), options), _dtypes(spec, given))


def _scope(given, numbers, dtypes, engine=None):
    return Scope(numbers, {name: shape for name, (shape, _) in given.items()}, dtypes, engine)


def _numbers(spec, dims, options):
    """The dims and the options that expressions may mention."""
    return {**dims, **{o.name: value for o, value in zip(spec.options, options) if o.kind != "float"}}


def _dtypes(spec, given):
    return {a.name: given[a.name][1] if a.name in given else DTYPES[a.dtypes[0]] for a in spec.inputs}


def _check_dtypes(spec, given):
    for array in spec.inputs:
        if array.name in given and _NAMES.get(given[array.name][1]) not in array.dtypes:
            got = _NAMES.get(given[array.name][1], given[array.name][1])
            raise TypeError(
                f"[{spec.name}] expected {array.name} to have dtype {' or '.join(array.dtypes)} but got {got}; "
                f"cast it with {array.name}.astype(...)."
            )


def _axes(array, shape):
    """The alternative of the declared shapes that has this rank, or None."""
    return next((axes for axes in array.shapes if len(axes) == len(shape)), None)


def _bind(spec, given):
    """The size of every dim: its first axis, in the order of the inputs, decides; later axes are checked."""
    dims = {}
    for array in spec.inputs:
        if array.name not in given:
            continue
        shape = given[array.name][0]
        axes = _axes(array, shape)
        if axes is None:
            raise ValueError(_shape_error(spec, array, shape, None))
        for axis, size in zip(axes, shape):
            if axis.text.isidentifier():
                dims.setdefault(axis.text, size)
    # A dim is 1 if the input that binds it has a lower rank in this call: N is 1 if A is [D] instead of [D, N].
    for array in spec.inputs:
        if array.name in given:
            dims |= {e.text: 1 for axes in array.shapes for e in axes if e.text.isidentifier() and e.text not in dims}
    return dims


def _check_sizes(spec, given, scope):
    for array in spec.inputs:
        if array.name not in given:
            continue
        shape = given[array.name][0]
        expected = tuple(axis(scope) for axis in _axes(array, shape))
        if expected != tuple(shape):
            raise ValueError(_shape_error(spec, array, shape, expected))
    for condition, sentence in spec.requires:
        if not condition(scope):
            sizes = ", ".join(f"{name} = {scope[name]}" for name in sorted(condition.names & scope.keys()))
            raise ValueError(f"[{spec.name}] {sentence} ({sizes}).")


def _shape_error(spec, array, shape, expected):
    declared = " or ".join(f"({', '.join(axis.text for axis in axes)})" for axes in array.shapes)
    if expected:
        axes = _axes(array, shape)
        declared = f"({', '.join(axis.text for axis in axes)}) = {expected}"
    return f"[{spec.name}] expected {array.name} to have shape {declared} but got {tuple(shape)}."


def _declared(spec, variant, given, dtypes, scope):
    """(shape, dtype) of every array that a step may make."""
    arrays = {}
    for array in (*spec.outputs, *variant.saved, *variant.workspace):
        if array.like:
            dtype = dtypes[array.like] if array.like in dtypes else scope[array.like]
        else:
            dtype = DTYPES[array.dtypes[0]]
        arrays[array.name] = (tuple(axis.size(scope, 0) for axis in array.shapes[0]), dtype)
    for array in spec.inputs:
        arrays[f"grad_{array.name}"] = given.get(array.name, ((_DUMMY_SIZE,), dtypes[array.name]))
    return arrays


def _idle(step, spec, given):
    """Whether a step only adds up the gradient of an absent input."""
    return isinstance(step, SumStep) and any(
        step.into == f"grad_{a.name}" and a.name not in given for a in spec.optional
    )


def _launch(step, spec, kernels, arrays, given, scope):
    if isinstance(step, SumStep):
        return _sum(step, arrays, given)
    absent = {a.name: DTYPES[a.dtypes[0]] for a in spec.optional if a.name not in given}
    template = [(name, _constant(value, scope)) for name, value in step.template]
    template += [(flag, name in given) for flag, name in flags(step, spec)]
    shapes, dtypes = zip(*(arrays[name] for name in step.makes))
    threads = tuple(value.size(scope, 1) for value in step.threads)
    groups = tuple(value.size(scope, 1) for value in step.groups)
    _check_grid(step, groups, threads)
    cotangents = {f"grad_{array.name}": arrays[array.name] for array in spec.outputs}
    options = {o.name: ((1,), mx.float32) for o in spec.options if o.kind == "float"}
    known = {**options, **cotangents, **arrays, **given, **{n: ((_DUMMY_SIZE,), d) for n, d in absent.items()}}
    return Launch(
        file=step.kernel,
        kernel=kernels[step],
        inputs=tuple(absent.get(name, name) for name in step.reads),
        given=tuple(known[name] for name in step.reads),
        outputs=step.makes,
        arguments={
            "output_shapes": list(shapes),
            "output_dtypes": list(dtypes),
            "grid": tuple(g * t for g, t in zip(groups, threads)),
            "threadgroup": threads,
            "template": template,
        },
    )


def _constant(value, scope):
    """A template constant: a dtype, bool or int32, as MLX takes it."""
    constant = value(scope)
    if type(constant) is int and not -LARGEST - 1 <= constant <= LARGEST:
        raise value.error(f"expected a template constant that int32 holds but got {constant}", scope)
    return constant


def _check_grid(step, groups, threads):
    if math.prod(threads) > MOST_THREADS:
        raise step.where.error(f"expected at most {MOST_THREADS} threads in a group but got {math.prod(threads)}")
    if max(g * t for g, t in zip(groups, threads)) > LARGEST:
        raise step.where.error(
            f"expected at most {LARGEST} threads along an axis of the grid, all that MLX counts, but got {groups} "
            f"groups of {threads}; make several calls, each on a part of the batch."
        )


def _sum(step, arrays, given):
    """A reduction whose result fits the array it goes into."""
    shape, (into, dtype) = (given | arrays).get(step.array, ((),))[0], arrays[step.into]
    if not -len(shape) <= step.axis < len(shape):
        raise step.where.error(f"expected an axis of {step.array}, of shape {shape}, but got {step.axis}")
    if math.prod(shape) != math.prod(into) * shape[step.axis]:
        raise step.where.error(
            f"the sum of {step.array}, {shape}, over axis {step.axis} does not fit {step.into}, {into}"
        )
    return Sum(step.array, step.axis, step.into, into, dtype)


def flags(step, spec):
    """The bool template constants of a step, `(HAS_<NAME>, name)`: one for each optional input that it reads, or whose
    gradient it makes."""
    mentioned = {*step.reads, *step.makes}
    return [(f"HAS_{a.name.upper()}", a.name) for a in spec.optional if {a.name, f"grad_{a.name}"} & mentioned]
