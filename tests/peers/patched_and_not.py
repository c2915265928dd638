"""Compares results of a package's models with and without the patch."""

from functools import partial

import mlx.core as mx
import references

assert_close = partial(references.assert_close, bound=1e-4)


def run_both(patched, function):
    """What a function gives within `patched()`, and as the package is."""
    with patched():
        got = function()
        mx.eval(got)
    return got, function()
