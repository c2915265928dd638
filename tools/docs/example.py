"""The code that an op's page shows: a call, its gradient and a step of decoding, on sizes that the tests use too."""

from loader.expression import Scope
from loader.spec import STATE, TIME

LENGTH, BATCH = 64, 2
_STATES = (STATE, "final")


def call(spec):
    """Python that draws inputs, calls the op and differentiates it."""
    names = ", ".join(array.name for array in spec.required)
    outputs = ", ".join(_results(spec))
    state = ", return_state=True" if spec.outputs[-1].name == STATE else ""
    loss = f"{spec.name}({names})" + ("[0]" if len(spec.outputs) > (2 if state else 1) else "")
    wanted = [i for i, array in enumerate(spec.required) if array.differentiable]
    return "\n".join(
        [
            "import loader, mlx.core as mx",
            "",
            f'{spec.name} = loader.get("{spec.name}")',
            *_drawn(spec),
            "",
            f"{outputs} = {spec.name}({names}{state})",
            "",
            "",
            f"def loss({names}):",
            f"    return {loss}.square().sum()",
            "",
            "",
            f"gradients = mx.grad(loss, argnums={tuple(wanted)})({names})",
        ]
    )


def decode(spec):
    """Python that goes on from the state of `call`, a token at a time; None where the op has no such state."""
    names = {array.name for array in spec.inputs}
    if spec.outputs[-1].name != STATE or "initial_state" not in names or _reversible(spec):
        return None
    outputs = ", ".join(_results(spec))
    token = ", ".join(_token(array) for array in spec.required)
    return f"{outputs} = {spec.name}.step({token}, initial_state=state)"


def _reversible(spec):
    return any(option.name == "reverse" for option in spec.options)


def _results(spec):
    return ["state" if array.name in _STATES else array.name for array in spec.outputs]


def _token(array):
    at = array.axis(TIME)
    return array.name if at is None else f"{array.name}[{':, ' * at}-1]"


def _drawn(spec):
    """A line for each required input, its axes in a comment."""
    scope = Scope({"B": BATCH, "L": LENGTH, **spec.examples[-1]}, {}, {})
    lines = []
    for array in spec.required:
        axes = array.shapes[0]
        shape = f"({', '.join(str(axis(scope)) for axis in axes)}{',' * (len(axes) == 1)})"
        lines.append(f"{array.name} = {_random(array, shape)}  # [{', '.join(axis.text for axis in axes)}]")
    return lines


def _random(array, shape):
    kind, *limits = array.sample
    return (
        f"mx.random.uniform({limits[0]:g}, {limits[1]:g}, {shape})"
        if kind == "uniform"
        else f"mx.random.normal({shape})"
    )
