"""Checks of arguments that ops, kernels and functions share."""

import numbers
import operator

import mlx.core as mx

# What MLX can run on.
Stream = mx.Stream | mx.ThreadLocalStream | mx.Device | mx.DeviceType
# MLX counts sizes and threads in int32.
LARGEST = 2**31 - 1
LARGEST_FLOAT = 3.4028234663852886e38


def integer(value):
    """`value` as an int where it is one of Python's, NumPy's or MLX's, else None; a bool is none."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except (TypeError, ValueError):
        return None


def number(value):
    """`value` as a float that float32 holds where it is one, else None; a bool, nan or inf is none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    return float(value) if abs(value) <= LARGEST_FLOAT else None


# For each kind of option: a function that returns its value, or None for another type, and the type in words.
OPTIONS = {
    "float": (number, "float, finite and within float32"),
    "int": (
        lambda value: found if (found := integer(value)) is not None and abs(found) <= LARGEST else None,
        "int of 32 bits",
    ),
    "bool": (lambda value: value if isinstance(value, bool) else None, "bool"),
}


def check_array(who, name, x):
    """Raise TypeError unless `x` is an mlx.core.array."""
    if not isinstance(x, mx.array):
        raise TypeError(
            f"[{who}] expected {name} to be an mlx.core.array but got {type(x).__name__}; convert it with mx.array."
        )


def check_stream(name, stream):
    """Refuse what MLX cannot run on."""
    if stream is not None and not isinstance(stream, Stream):
        raise TypeError(f"[{name}] expected stream to be an mx.Stream or a device such as mx.cpu but got {stream!r}.")


def shown(value):
    """The value in an error; Python refuses to print an integer of thousands of digits."""
    return (
        f"an integer of {value.bit_length()} bits"
        if isinstance(value, int) and value.bit_length() > 64
        else repr(value)
    )
