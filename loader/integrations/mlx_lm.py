"""mlx-lm with its recurrences routed to our ops: patch, unpatch, and a context manager that does both.

A route is put where mlx-lm defines the function and into every loaded module, mlx-lm's or not, that bound it; a
module imported later binds it from where it is defined. Unpatching looks for the route in the same places, and so
finds those as well.
"""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from ..errors import LoaderError

_KNOWN = "mlx-lm==0.32.2"
_OURS = __name__.partition(".")[0]
_originals = {}


class Patched(list[str]):
    """The names that lead to an op now, as "mlx_lm.models.qwen3_next.gated_delta_update"."""

    def unpatch(self) -> None:
        """Put mlx-lm's own functions back, as `loader.unpatch_mlx_lm` does."""
        unpatch_mlx_lm()


def patch_mlx_lm() -> Patched:
    """Route the recurrences of mlx-lm's models to the ops, in training and in inference.

    mlx-lm loops over time in Python in most of them where it trains, and where it runs on no Apple GPU. From here on
    the gated delta rule (Qwen3-Next, Qwen3.5, Kimi Linear, OLMo Hybrid, ...) is `gated_delta`, state space duality
    (Mamba-2, Nemotron-H, Falcon-H1, Granite, PLaMo 2) `ssd`, Mamba's and Jamba's scan `selective_scan`,
    RecurrentGemma's `rglru`, and the linear attention of Bailing MoE Linear `gla`. Arguments, results, masks, caches
    and dtypes stay as they were. What mx.compile has traced before keeps what it was traced with.

    Models made before and after, and modules imported before and after, use the ops, yours as well where they bind a
    function by name (`from mlx_lm.models.ssm import ssm_update`). What holds it otherwise, such as an attribute of a
    class or an object, a list, a partial or a default argument, keeps what it holds, both here and in unpatching.
    Patching twice is harmless. Returns the patched names, a list with a method `unpatch`.
    Raises ImportError where mlx-lm is not installed, and LoaderError, with nothing patched, where it has no such
    function or one with other parameters.
    """
    routes = _routes()
    found = {name: _find(name) for name in routes}
    for name, route in routes.items():
        if found[name] is not route:
            _check(name, found[name], route)
    _originals.update((route, found[name]) for name, route in routes.items() if found[name] is not route)
    _replace({original: route for route, original in _originals.items()})
    return Patched(sorted({f"{name}.{attribute}" for name, _, attribute, _ in _places(routes.values())}))


def unpatch_mlx_lm() -> None:
    """Put mlx-lm's own functions back wherever `patch_mlx_lm` would find them; harmless where nothing is patched."""
    if _originals:
        _replace(_originals)
        _originals.clear()


@contextlib.contextmanager
def patched_mlx_lm() -> Iterator[Patched]:
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
    except (ImportError, AttributeError) as error:
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


def _places(functions):
    """(full name of the owner, owner, attribute, function) where a module, or a class of a route, holds one of these.

    Only dictionaries are read: a lazy module would load itself if it was asked for an attribute.
    """
    wanted = {id(function) for function in functions}
    owners = [(name.rpartition(".")[0], _owner(name)[0]) for name in _routes()]
    owners += [
        (name, module)
        for name, module in list(sys.modules.items())
        if issubclass(type(module), ModuleType) and name.partition(".")[0] != _OURS
    ]
    return [
        (name, owner, attribute, value)
        for name, owner in owners
        for attribute, value in list(object.__getattribute__(owner, "__dict__").items())
        if id(value) in wanted
    ]


def _replace(functions):
    """Put what `functions` leads to in the place of each function."""
    for _, owner, attribute, function in _places(functions):
        setattr(owner, attribute, functions[function])
