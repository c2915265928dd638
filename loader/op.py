"""An op: one entry of the manifest, callable and differentiable on the engine it was built for."""

import contextlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import mlx.core as mx

from . import plan, source, transforms
from .arguments import Stream, check_stream
from .call import Reader, signature
from .errors import LoaderError, warn
from .spec import STATE, TIME

_PLANS = 512
_SCALARS = 128
_HERE = contextlib.nullcontext()


class Op:
    """One recurrence. `print(op)` shows its inputs, shapes, kernels and paper.

    `engine` is an engine's module; `reference` is the same op in plain MLX, a function of the inputs by
    name that returns all outputs as a tuple. An op never changes: a copy of it is itself, and `pickle` writes
    its name and its manifest's path.
    """

    def __init__(self, spec, engine, reference=None):
        self.spec, self.engine, self._reference = spec, engine, reference
        self._kernels = _build(spec, engine)
        self._passes = lru_cache(maxsize=_PLANS)(self._make_passes)
        self._reader = Reader(spec)
        self._timed = [(a, at, {len(axes) - 1 for axes in a.shapes}) for a, at in _times(spec.inputs) if at is not None]
        self._output_times = [at for _, at in _times(spec.outputs)]
        self._floats = [(i, o.name) for i, o in enumerate(spec.options) if o.kind == "float"]
        self._warned = False
        self._unseen = () if engine.LAZY else tuple(a.name for a in spec.required if a.decay)
        self.__name__ = self.__qualname__ = spec.name
        self.__signature__ = signature(spec)
        self.__doc__ = str(self)

    def __call__(
        self,
        *arrays: mx.array,
        return_state: bool = False,
        return_states: bool = False,
        cu_seqlens: Sequence[int] | mx.array | None = None,
        stream: Stream | None = None,
        **keywords: Any,
    ) -> Any:
        """Run the op. Required inputs go by position or by name; optional ones and options are keywords, None their
        default.

        Returns the output, or a tuple of outputs. With `return_state=True` the final state comes last; with
        `return_states=True` the states after each of at most 8 steps, [B, L, ...], come in its place. `cu_seqlens`
        holds the N + 1 bounds of N sequences packed into a batch of one, as for `loader.reset_from_cu_seqlens`:
        `initial_state` and the final state are then [N, ...], one for each sequence.
        Raises TypeError for a wrong type or dtype and ValueError for a wrong shape, before anything runs.
        """
        inputs, options = self._reader.read(arrays, keywords)
        with self._on(stream, return_state):
            if return_states is False and cu_seqlens is None:
                return self.present(self.run(inputs, options), return_state)
            results = self._run_states(inputs, options, return_state, return_states, cu_seqlens)
        return self.present(results, return_state or return_states)

    def _run_states(self, inputs, options, return_state, return_states, cu_seqlens):
        """As `run`, with a state after each step or for each packed sequence."""
        name = self.spec.name
        if not isinstance(return_states, bool):
            raise TypeError(f"[{name}] expected return_states to be a bool but got {return_states!r}.")
        if not self.spec.carries:
            raise TypeError(f"[{name}] has no initial state, and so takes neither return_states nor cu_seqlens.")
        other = "return_state" if return_state else None if cu_seqlens is None else "cu_seqlens"
        if return_states and other:
            raise ValueError(
                f"[{name}] expected return_states alone but got {other} too; the last of the states is the final one."
            )
        from . import sequences  # late, since it imports NumPy

        if return_states:
            return sequences.every_state(self, inputs, options)
        return sequences.by_sequence(self, inputs, options, cu_seqlens, return_state)

    def forward(
        self, *arrays: mx.array, return_state: bool = False, stream: Stream | None = None, **keywords: Any
    ) -> Any:
        """The call without mx.custom_function, for mx.export_function. On lazy engines it has no gradient. An engine
        that cannot run here, such as Metal on Linux, still exports."""
        if not self.engine.LAZY:
            return self(*arrays, return_state=return_state, stream=stream, **keywords)
        inputs, options = self._reader.read(arrays, keywords)
        runs = self.engine.ready(list(inputs.values())) or self.engine.missing()
        with self._on(stream, return_state):
            if self.plan(inputs, options).empty or not runs:
                return self.present(self.call_reference(inputs, options), return_state)
            return self.present(self.run_forward(inputs, options), return_state)

    def reference(
        self, *arrays: mx.array, return_state: bool = False, stream: Stream | None = None, **keywords: Any
    ) -> Any:
        """The same op in plain MLX operations: slow, with derivatives of any order and jvp."""
        inputs, options = self._reader.read(arrays, keywords)
        self.plan(inputs, options)
        with self._on(stream, return_state):
            return self.present(self.call_reference(inputs, options), return_state)

    def step(self, *arrays: mx.array, stream: Stream | None = None, **keywords: Any) -> tuple[mx.array, ...]:
        """Run one token: inputs and outputs are those of a call without the time axis.

        Returns the outputs followed by the new state: `y, state = op.step(a, b, initial_state=state)`.
        """
        inputs, options = self._reader.read(arrays, keywords)
        with self._on(stream, True):
            for array, at, ranks in self._timed:
                x = inputs.get(array.name)
                if x is not None:
                    if x.ndim not in ranks:
                        raise self._wrong_rank(array, x, at)
                    inputs[array.name] = mx.expand_dims(x, at)
            results = self.run(inputs, options)
            return tuple([y if at is None else mx.squeeze(y, at) for y, at in zip(results, self._output_times)])

    def _wrong_rank(self, array, x, at):
        axes = ", ".join(e.text for i, e in enumerate(array.shapes[0]) if i != at)
        return ValueError(f"[{self.spec.name}.step] expected {array.name} to have shape ({axes}) but got {x.shape}.")

    def warm_up(self, *arrays: mx.array, backward: bool = True, **keywords: Any) -> None:
        """What `loader.warm_up` does."""
        inputs, options = self._reader.read(arrays, keywords)
        made = self.plan(inputs, options)
        passes = ("forward", "backward") if backward else ("forward",)
        if self.engine.LAZY:
            self._run_on_zeros(inputs, options, passes)
        else:
            self.engine.prepare([launch for which in passes for launch in made.kernels(which)], best=True)
            made.prepared.update(passes)

    def _run_on_zeros(self, inputs, options, passes):
        zeros = {name: mx.zeros(x.shape, x.dtype) for name, x in inputs.items()}
        if self.plan(zeros, options).empty or not self.engine.ready(list(zeros.values())):
            return
        results = self.run_forward(zeros, options)
        mx.eval(results)
        if "backward" in passes:
            cotangents = [mx.zeros_like(results[i]) for i in range(len(self.spec.outputs))]
            mx.eval(self.run_backward(zeros, options, results, cotangents))

    def read(self, arrays, keywords):
        """Inputs by name, in the manifest's order, and the options' values of a call. Raises TypeError."""
        return self._reader.read(arrays, keywords)

    def plan(self, inputs, options):
        """The plan for a mapping of arrays by name; raises where they do not fit the op."""
        return self.passes(inputs, options).plan

    def passes(self, inputs, options):
        """The `transforms.Passes` for a mapping of arrays by name; raises where they do not fit the op."""
        shapes = [(x.shape, x.dtype) if (x := inputs.get(name)) is not None else None for name in self._reader.inputs]
        return self._passes(tuple(shapes), self._fixed(options))

    def run_forward(self, inputs, options):
        """Outputs and saved arrays, by the kernels."""
        return self.forward_pass(self.plan(inputs, options), self.arrays(inputs, options))

    def run_backward(self, inputs, options, results, cotangents):
        """One gradient an input, by the kernels, or through the reference where they cannot run."""
        made, arrays = self.plan(inputs, options), self.arrays(inputs, options)
        return self.backward_pass(made, arrays, options, results, cotangents)

    def arrays(self, inputs, options):
        """The arrays of a call that kernels read, by name: inputs, and float options as arrays of one element."""
        return {**self._scalars(options), **inputs}

    def forward_pass(self, made, arrays):
        """Outputs and saved arrays of a plan, also added to `arrays`: inputs and float options by name."""
        self._launch(made, "forward", arrays)
        if self._unseen:
            self._look_at_decays(arrays)
        return tuple([arrays[array.name] for array in made.results])

    def _look_at_decays(self, arrays):
        """Warn at the first call if a decay looks like a logarithm, on engines that have evaluated it by then."""
        names, self._unseen = self._unseen, ()
        for name in names:
            if mx.all(arrays[name] < 0).item():
                warn(
                    f"[{self.spec.name}] expected {name} to be the decay, as 0.9, but all its values are below 0, as "
                    f"of a logarithm (flash-linear-attention takes one); pass mx.exp({name}). This is said once."
                )

    def backward_pass(self, made, arrays, options, results, cotangents):
        """One gradient an input of a plan; `arrays` are inputs and float options by name."""
        if not self.engine.ready((*arrays.values(), *results, *cotangents)):
            arrays |= {f"grad_{n}": x for n, x in self.reference_gradients(arrays, options, cotangents).items()}
            return self._gradients(arrays)
        arrays.update((array.name, x) for array, x in zip(made.results, results))
        arrays.update((f"grad_{array.name}", x) for array, x in zip(self.spec.outputs, cotangents))
        self._launch(made, "backward", arrays)
        return self._gradients(arrays)

    def _gradients(self, arrays):
        """The gradient of each input among `arrays`, where it is grad_<name>; zeros for an input that has none."""
        return tuple(
            arrays[f"grad_{array.name}"] if array.differentiable else mx.zeros_like(arrays[array.name])
            for array in self.spec.inputs
            if array.name in arrays
        )

    def _launch(self, made, which, arrays):
        """Run one pass of a plan and add its results to `arrays`."""
        for step in self.steps(made, which):
            step.run(arrays)

    def steps(self, made, which):
        """The steps of one pass of a plan, compiled."""
        if which not in made.prepared:
            self.engine.prepare(made.kernels(which))
            made.prepared.add(which)
        return getattr(made, which)

    def reference_gradients(self, inputs, options, cotangents):
        """The gradients of the inputs that have one, by name, through the reference."""
        names = self.spec.differentiated(inputs)

        def function(*arrays):
            return self.call_reference({**inputs, **dict(zip(names, arrays))}, options)

        return dict(zip(names, mx.vjp(function, [inputs[name] for name in names], list(cotangents))[1]))

    def run(self, inputs, options):
        """All outputs, differentiable: by the kernels, or by the reference where they cannot run."""
        passes = self.passes(inputs, options)
        if not self._on_kernels(passes.plan, inputs):
            return self.call_reference(inputs, options)
        return passes.forward(*inputs.values(), *self._scalars(options).values())

    def _on_kernels(self, made, inputs):
        """Whether kernels run this call. Warns once if a transformation or the device prevents it."""
        if made.empty:
            return False
        if self.engine.ready(list(inputs.values())):
            return True
        if self._kernels and self.engine.NAME != "reference" and not self._warned:
            self._warned = True
            warn(
                f"[{self.spec.name}] took the plain-MLX reference, correct but slow: {_obstacle(self.engine)}. This is "
                "said once."
            )
        return False

    @property
    def has_reference(self):
        """Whether there is a plain-MLX reference."""
        return self._reference is not None

    def call_reference(self, inputs, options):
        """Every output by the plain-MLX reference, of inputs by name and the options' values."""
        if self._reference is None:
            raise LoaderError(f"[{self.spec.name}] has no plain-MLX reference; pass one to loader.load.")
        return tuple(self._reference(**{o.name: v for o, v in zip(self.spec.options, options)} | inputs))

    def present(self, results, return_state):
        """The outputs for the caller: the state only if requested."""
        pairs = zip(self.spec.outputs, results)
        chosen = tuple([x for array, x in pairs if return_state or array.name != STATE])
        return chosen if len(chosen) > 1 else chosen[0]

    def _scalars(self, options):
        """The float options, as arrays of one element for kernels."""
        return {name: _scalar(options[i]) for i, name in self._floats if options[i] is not None}

    def _fixed(self, options):
        """The options that a plan depends on: floats, which are inputs of kernels, become None."""
        if not self._floats:
            return options
        floats = [i for i, _ in self._floats]
        return tuple([None if i in floats else value for i, value in enumerate(options)])

    def _on(self, stream, return_state):
        """The context of a call on `stream`; raises TypeError for a wrong `stream` or `return_state`."""
        check_stream(self.spec.name, stream)
        if not isinstance(return_state, bool):
            raise TypeError(f"[{self.spec.name}] expected return_state to be a bool but got {return_state!r}.")
        return _HERE if stream is None else mx.stream(stream)

    def _make_passes(self, inputs, options):
        names = [name for name, given in zip(self._reader.inputs, inputs) if given is not None]
        names += [name for _, name in self._floats]
        return transforms.passes(
            self, plan.make(self.spec, self._kernels, inputs, options, self.engine.NAME), names, options
        )

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"<loader.Op {self.spec.name} on {self.engine.NAME}>"

    def __str__(self):
        spec = self.spec
        lines = [f"{spec.name}{signature(spec)} on {self.engine.NAME}", f"  {spec.summary}", ""]
        lines += [_row(array, _note(array)) for array in spec.inputs]
        lines += [
            f"  {o.name:<16} {o.kind}, {o.default} by default{'; ' + o.note if o.note else ''}" for o in spec.options
        ]
        lines += ["  ->"] + [
            _row(array, "with return_state=True" if array.name == STATE else "") for array in spec.outputs
        ]
        lines += ["", *_methods(spec)]
        lines += ["", "  kernels: " + ", ".join(dict.fromkeys(f"shaders/{s.kernel}.metal" for s in spec.steps))]
        return "\n".join(lines + ([f"  {spec.paper}"] if spec.paper else []))


def _times(arrays):
    """Each array with its axis of time, or None."""
    return [(array, array.axis(TIME)) for array in arrays]


def _build(spec, engine):
    """The engine's kernel of every step. Steps of one file share a kernel if they have the same `resident`."""
    made = {}
    for step in spec.steps:
        kernel = step.source or source.read(spec.root / "shaders" / f"{step.kernel}.metal", spec.root)
        _check(step, spec, kernel)
        if (step.kernel, step.resident) not in made:
            made[step.kernel, step.resident] = engine.build(
                kernel.unique_name, kernel.inputs, kernel.outputs, kernel.body, kernel.header, step.resident
            )
    return {step: made[step.kernel, step.resident] for step in spec.steps}


def _check(step, spec, kernel):
    """Refuse a step that contradicts its kernel's file."""
    inputs, outputs = (tuple(name for name, _ in pairs) for pairs in (step.inputs, step.outputs))
    template = {name for name, _ in step.template} | {flag for flag, _ in plan.flags(step, spec)}
    for what, declared, written in (
        ("inputs", inputs, kernel.inputs),
        ("outputs", outputs, kernel.outputs),
        ("template constants", tuple(sorted(template)), tuple(sorted(p.name for p in kernel.template))),
    ):
        if declared != written:
            missing = [name for name in written if name not in declared] if what == "template constants" else ()
            way_out = f"; say under template what {', '.join(missing)} is" if missing else ""
            raise step.where.error(
                f"{what} are ({', '.join(declared)}) but {kernel.file} takes ({', '.join(written)}){way_out}"
            )


def _obstacle(engine):
    """Why a working engine cannot run kernels in this call, and what to do."""
    device = mx.Device(mx.gpu if engine.LAZY else mx.cpu)
    if mx.default_device() != device:
        return (
            f"the {engine.NAME} backend runs kernels on {device} but the call was for {mx.default_device()}; leave "
            "`stream` out and the default device as it was"
        )
    return (
        f"the {engine.NAME} backend runs kernels at the call, so mx.compile, mx.vmap and mx.export_function cannot "
        "trace them; keep the op out of the traced function (MLX_DISABLE_COMPILE=1 turns mx.compile off)"
    )


@lru_cache(maxsize=_SCALARS)
def _scalar(value):
    """float32 [1], a slice of a larger array: on cuda MLX puts small arrays into host memory, and a kernel whose
    threadgroups all read one from there takes up to three times as long."""
    x = mx.full((1024,), value, mx.float32)[:1]
    mx.eval(x)
    return x


def _methods(spec):
    """One line for each method that has the op's arguments."""
    arrays = ", ".join(array.name for array in spec.required)
    state = "" if all(array.name != "initial_state" for array in spec.inputs) else ", initial_state=..."
    results = ", ".join(array.name for array in spec.outputs)
    calls = {
        f"step({arrays}{state}) -> {results}": "one token, without the time axis",
        f"reference({arrays}, ...)": "the same in plain MLX: slow, of any derivative",
        f"forward({arrays}, ...)": "no gradient, for mx.export_function",
    }
    width = max(map(len, calls)) + 2
    return [f"  .{call:<{width}}{note}" for call, note in calls.items()]


def _note(array):
    return "optional" if array.optional else "not its logarithm" if array.decay else ""


def _row(array, note):
    shapes = " or ".join(f"[{', '.join(e.text for e in axes)}]" for axes in array.shapes)
    dtype = f"dtype of {array.like}" if array.like else "|".join(array.dtypes)
    return f"  {array.name:<16} {shapes:<24} {dtype}{'  ' + note if note else ''}".rstrip()
