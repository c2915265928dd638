"""The content of a manifest as frozen dataclasses: manifest.py makes them, op.py and plan.py use them."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

TIME, BATCH = "L", "B"
INITIAL, STATE = "initial_state", "final_state"
# Threads in a threadgroup, on any engine.
MOST_THREADS = 1024
# Threads on a core of any GPU.
MOST_RESIDENT = 2048
FLOATS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Array:
    """An input, output, saved or workspace array.

    `shapes` are its allowed shapes and `dtypes` its allowed dtypes; instead, `like` names an input of the same
    dtype, or a constant that is a dtype. `sample` says how tests and benchmarks draw it. A `decay` multiplies the
    state; users may pass its logarithm by mistake."""

    name: str
    shapes: tuple
    dtypes: tuple = ()
    like: str | None = None
    optional: bool = False
    sample: tuple = ("normal",)
    decay: bool = False

    @property
    def differentiable(self):
        return set(self.dtypes) <= set(FLOATS)

    def axis(self, dim):
        """The axis called `dim`, or None."""
        return next((i for i, e in enumerate(self.shapes[0]) if e.text == dim), None)


@dataclass(frozen=True)
class Option:
    """A keyword of the op that is not an array: `kind` is float, int or bool; `note` is for its users."""

    name: str
    kind: str
    default: object
    note: str = ""


@dataclass(frozen=True)
class KernelStep:
    """Launch a kernel. `inputs` and `outputs` pair each parameter of the kernel with an array. `resident` is the
    number of threads that a core should hold at once, `source` the kernel's file, None if it cannot be read."""

    kernel: str
    inputs: tuple
    outputs: tuple
    template: tuple
    groups: tuple
    threads: tuple
    resident: int
    where: object = field(repr=False, compare=False)
    source: object = field(default=None, repr=False, compare=False)

    @property
    def reads(self):
        return tuple(array for _, array in self.inputs)

    @property
    def makes(self):
        return tuple(array for _, array in self.outputs)


@dataclass(frozen=True)
class SumStep:
    """Add up `array` over `axis` into the array `into`."""

    array: str
    axis: int
    into: str
    where: object = field(repr=False, compare=False)

    @property
    def reads(self):
        return (self.array,)

    @property
    def makes(self):
        return (self.into,)


PASSES = ("forward", "backward", "state", "adjoint")


@dataclass(frozen=True)
class Variant:
    """One implementation of the op, used if `when` holds; without `when`, always. `state` makes the final state alone,
    `adjoint` the gradient of the initial state; if empty, the steps of forward and backward do."""

    when: object = None
    constants: tuple = ()
    saved: tuple = ()
    workspace: tuple = ()
    forward: tuple = ()
    backward: tuple = ()
    state: tuple = ()
    adjoint: tuple = ()

    @property
    def passes(self):
        """The steps of each of `PASSES`."""
        return tuple(getattr(self, name) for name in PASSES)


class Bound(NamedTuple):
    """An error larger than the project promises: of the result of that name, or of all results of that dtype, in calls
    for which the condition `when` holds, or in all."""

    result: str
    bound: float
    reason: str
    when: object = None


@dataclass(frozen=True)
class OpSpec:
    """One op of the manifest at `path`. `variants` are tried in order, and the last one has no condition.

    `transition` names the input whose product over time multiplies the state, if any.
    """

    name: str
    summary: str
    paper: str
    inputs: tuple
    outputs: tuple
    options: tuple
    requires: tuple
    bounds: tuple
    examples: tuple
    variants: tuple
    path: Path = field(repr=False)
    transition: str | None = None

    @property
    def root(self):
        """The folder that `shaders` lies in."""
        return self.path.parent

    @cached_property
    def required(self):
        return tuple(array for array in self.inputs if not array.optional)

    @cached_property
    def optional(self):
        return tuple(array for array in self.inputs if array.optional)

    @cached_property
    def carries(self):
        """Whether the op can continue from the final state of another call. gated_delta_chunk_state cannot: its g adds
        up within a chunk."""
        return INITIAL in {a.name for a in self.inputs} and STATE in {a.name for a in self.outputs}

    @cached_property
    def at_state(self):
        """The index of the final state among the outputs."""
        return [array.name for array in self.outputs].index(STATE)

    def differentiated(self, inputs):
        """The names of the differentiable inputs among `inputs`, arrays by name."""
        return [array.name for array in self.inputs if array.name in inputs and array.differentiable]

    @cached_property
    def steps(self):
        """Every kernel step of every variant."""
        steps = (s for v in self.variants for steps in v.passes for s in steps)
        return tuple(s for s in steps if isinstance(s, KernelStep))
