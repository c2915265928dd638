"""Errors of every op's outputs and gradients against its recurrence in float64."""

import loader
from loader import testing

from .session import Failure


def run(name, dtype, length, sizes, optional):
    """The error of each output and gradient at one size, with or without the op's optional inputs. Raises Failure if
    one is above the op's bound."""
    op = loader.get(name)
    present = [array.name for array in op.spec.optional] if optional else []
    dtypes = {array.name: dtype for array in op.spec.required if dtype in array.dtypes}
    found = testing.compare(op, testing.draw(op, {"B": 2, "L": length, **sizes}, present, dtypes))
    rows = {each.name: {"error": each.error, "bound": each.bound} for each in found}
    wrong = [each.name for each in found if not each.is_right]
    if wrong:
        raise Failure(f"above the promised error: {', '.join(wrong)}", rows)
    return rows
