"""mlx-lm with its recurrences routed to our ops: patch, unpatch, and a context manager that does both.

A route is put where mlx-lm defines the function and into every loaded module of mlx-lm that bound it; a module
imported later binds it from where it is defined. Unpatching looks for the route in the same places, and so finds
those as well.
"""

import contextlib
import importlib
import inspect
import sys

from ..errors import LoaderError

_KNOWN = "mlx-lm==0.32.2"
_originals = {}


class Patched(list):
    """The names that lead to an op now, as "mlx_lm.models.qwen3_next.gated_delta_update"."""

    def unpatch(self):
        """Put mlx-lm's own functions back, as `loader.unpatch_mlx_lm` does."""
        unpatch_mlx_lm()


def patch_mlx_lm():
    """Route the recurrences of mlx-lm's models to the ops, in training and in inference.

    mlx-lm loops over time in Python in most of them where it trains, and where it runs on no Apple GPU. From here on
    the gated delta rule (Qwen3-Next, Qwen3.5, Kimi Linear, OLMo Hybrid, ...) is `gated_delta`, state space duality
    (Mamba-2, Nemotron-H, Falcon-H1, Granite, PLaMo 2) `ssd`, Mamba's and Jamba's scan `selective_scan`,
    RecurrentGemma's `rglru`, and the linear attention of Bailing MoE Linear `gla`. Arguments, results, masks, caches
    and dtypes stay as they were. What mx.compile has traced before keeps what it was traced with.

    Models made before and after, and modules imported before and after, use the ops; patching twice is harmless.
    Returns the patched names, a list with a method `unpatch`.
    Raises ImportError where mlx-lm is not installed, and LoaderError, with nothing patched, where it has no such
    function or one with other parameters.
    """
    routes = _routes()
    found = {name: _find(name) for name in routes}
    for name, route in routes.items():
        if found[name] is not route:
            _check(name, found[name], route)
    for name, route in routes.items():
        if found[name] is not route:
            _originals[route] = found[name]
            _swap(found[name], route)
    return Patched(sorted(name for route in routes.values() for name in _places(route)))


def unpatch_mlx_lm():
    """Put mlx-lm's own functions back wherever a route is; harmless where nothing is patched."""
    while _originals:
        _swap(*_originals.popitem())


@contextlib.contextmanager
def patched_mlx_lm():
    """`patch_mlx_lm` for the length of a `with`, which gets the patched names.

    Afterwards mlx-lm is as before: within a program that has patched it, patched.
    """
    before = bool(_originals)
    try:
        yield patch_mlx_lm()
    finally:
        if not before:
            unpatch_mlx_lm()


def _routes():
    """What stands in for each function of mlx-lm, by its full name."""
    try:
        importlib.import_module("mlx_lm")
    except ModuleNotFoundError as error:
        if error.name != "mlx_lm":
            raise
        raise ImportError(
            f"[patch_mlx_lm] expected mlx-lm to be installed but there is no module mlx_lm: pip install '{_KNOWN}'."
        ) from error
    try:
        return importlib.import_module(".mlx_lm_routes", __package__).ROUTES
    except ImportError as error:
        raise _unfit(f"what the routes use ({error})") from error


def _find(name):
    """The function that mlx-lm has under a full name."""
    owner, attribute = _owner(name)
    function = getattr(owner, attribute, None)
    if function is None:
        raise _unfit(f"{name}, but this version has no such function")
    return function


def _owner(name):
    """The module or class, imported, that a full name leads to, and the rest of the name."""
    package, models, module, *classes, attribute = name.split(".")
    path = ".".join((package, models, module))
    try:
        owner = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise _unfit(f"a module {path}, but this version has none") from error
    for each in classes:
        owner = getattr(owner, each, None)
    return owner, attribute


def _check(name, function, route):
    """Refuse a function that is not called as its route is."""
    takes, expected = (list(inspect.signature(f).parameters) for f in (function, route))
    if takes != expected:
        raise _unfit(f"{name}({', '.join(expected)}), but this version takes ({', '.join(takes)})")


def _unfit(expected):
    version = getattr(sys.modules["mlx_lm"], "__version__", "of unknown version")
    return LoaderError(
        f"[patch_mlx_lm] expected mlx-lm {version} to have {expected}; nothing was patched. "
        f"pip install '{_KNOWN}' is known to work."
    )


def _places(function):
    """(owner, attribute) of every place in mlx-lm that holds a function, by full name."""
    modules = {
        name: module for name, module in list(sys.modules.items()) if module and name.partition(".")[0] == "mlx_lm"
    }
    owners = modules | {name.rpartition(".")[0]: _owner(name)[0] for name in _routes()}
    return {
        f"{name}.{attribute}": (owner, attribute)
        for name, owner in owners.items()
        for attribute, value in list(vars(owner).items())
        if value is function
    }


def _swap(old, new):
    for owner, attribute in _places(old).values():
        setattr(owner, attribute, new)
