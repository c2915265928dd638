"""What a manifest says, as frozen dataclasses: the vocabulary between manifest.py and op.py."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

TIME, BATCH = "L", "B"
INITIAL, STATE = "initial_state", "final_state"
# In a threadgroup, on any engine.
MOST_THREADS = 1024
# On a core, of any GPU.
MOST_RESIDENT = 2048
FLOATS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Array:
    """An input, output, saved or workspace array.

    `shapes` are the shapes it may have and `dtypes` the dtypes; `like` names the input whose dtype it
    takes instead, or a constant that is one. `sample` says how tests and benchmarks draw it. A `decay` multiplies the
    state, and may be taken for its logarithm.
    """

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
    """A keyword of the op that is no array: `kind` is float, int or bool; `note` is for its users."""

    name: str
    kind: str
    default: object
    note: str = ""


@dataclass(frozen=True)
class KernelStep:
    """Launch a kernel. `inputs` and `outputs` pair a parameter of the kernel with the array it gets; `resident` is how
    many of its threads a core should hold at once, `source` its file, None where that cannot be read."""

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
    """One way to compute the op, taken where `when` holds; without `when`, always. `state` makes the final state alone
    and `adjoint` the gradient of the initial one, where that takes other steps than forward and backward."""

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


@dataclass(frozen=True)
class OpSpec:
    """One op of the manifest at `path`. `variants` are tried in order, and the last one has no condition.

    `transition` names the input whose product over time multiplies the state, where there is one.
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
        """Whether the op goes on from the state that another call of it left."""
        return INITIAL in {a.name for a in self.inputs} and STATE in {a.name for a in self.outputs}

    @cached_property
    def steps(self):
        """Every kernel step of every variant."""
        steps = (s for v in self.variants for steps in v.passes for s in steps)
        return tuple(s for s in steps if isinstance(s, KernelStep))
