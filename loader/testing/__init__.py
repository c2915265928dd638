"""An op of your own, tested as this package tests its ops. It needs NumPy, and no test runner.

    import loader
    from loader.testing import parity

    op = loader.load("manifest.yaml", references={"my_op": my_op})["my_op"]
    parity(op)                      # kernels against the reference in float64: outputs, states and every gradient
    reference(op, my_op_in_numpy)   # the reference against the same recurrence in NumPy

Both raise AssertionError, with the array, the call and the error.
"""

from .inputs import draw
from .kernels import BOUNDS, Found, check, compare, error, parity
from .twin import reference

__all__ = ["BOUNDS", "Found", "check", "compare", "draw", "error", "parity", "reference"]
