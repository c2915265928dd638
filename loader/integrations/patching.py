"""Routing the functions of another package to ours: patch, unpatch, and a context manager that does both.

A route is put where the package defines the function and into every loaded module, the package's or not, that bound
it; a module imported later binds it from where it is defined. Unpatching looks for the route in the same places, and
so finds those as well.
"""

import contextlib
import importlib
import inspect
import sys
from types import ModuleType

from ..errors import LoaderError

_OURS = __name__.partition(".")[0]
# By route that is in place: what it replaced, and the patches that put it there.
_PLACED = {}


class Patch:
    """The routes of one package: `module`, beside this one, has them in ROUTES, by the full name of what they replace.

    `known` is the requirement that is known to fit, as "mlx-lm==0.32.2"; `function` is called in messages.
    """

    def __init__(self, package, module, known, function):
        self.package, self.module, self.known, self.function = package, module, known, function

    def apply(self):
        """Patch, and return the patched names, a list with a method `unpatch`.

        Raises ImportError where the package is not installed, and LoaderError, with nothing patched, where it has no
        such function or one with other parameters.
        """
        routes = self._routes()
        found = {name: self._find(name) for name in routes}
        for name, route in routes.items():
            if found[name] is not route:
                self._check(name, found[name], route)
        for name, route in routes.items():
            original, patches = _PLACED.get(route, (found[name], set()))
            _PLACED[route] = original if found[name] is route else found[name], patches | {self}
        self._replace({_PLACED[route][0]: route for route in routes.values()})
        return Patched(self, {f"{name}.{attribute}" for name, _, attribute, _ in self._places(routes.values())})

    def undo(self):
        """Put the package's own functions back wherever `apply` would find them, but for routes that another patch has
        in place too; harmless where nothing is patched."""
        left = {}
        for route, (original, patches) in list(_PLACED.items()):
            if patches == {self}:
                left[route] = original
                del _PLACED[route]
            elif self in patches:
                _PLACED[route] = original, patches - {self}
        if left:
            self._replace(left)

    @contextlib.contextmanager
    def applied(self):
        """`apply` for the length of a `with`; afterwards the package is as before: where it was patched, patched."""
        before = any(self in patches for _, patches in _PLACED.values())
        try:
            yield self.apply()
        finally:
            if not before:
                self.undo()

    def _routes(self):
        try:
            importlib.import_module(self.package)
        except ModuleNotFoundError as error:
            if error.name != self.package:
                raise
            raise ImportError(
                f"[{self.function}] expected {self._distribution} to be installed but there is no module "
                f"{self.package}: pip install '{self.known}'."
            ) from error
        try:
            return importlib.import_module(f".{self.module}", __package__).ROUTES
        except (ImportError, AttributeError) as error:
            raise self._unfit(f"what the routes use ({error})") from error

    @property
    def _distribution(self):
        return self.known.partition("==")[0]

    def _find(self, name):
        """The function that the package has under a full name."""
        owner, attribute = self._owner(name)
        function = getattr(owner, attribute, None)
        if function is None:
            raise self._unfit(f"{name}, but this version has no such function")
        return function

    def _owner(self, name):
        """The module or class, imported, that a full name leads to, and the rest of the name."""
        *path, attribute = name.split(".")
        classes = []
        while path and path[-1][0].isupper():
            classes.insert(0, path.pop())
        path = ".".join(path)
        try:
            owner = importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            raise self._unfit(f"a module {path}, but this version has none") from error
        for each in classes:
            owner = getattr(owner, each, None)
        return owner, attribute

    def _check(self, name, function, route):
        """Refuse a function that is not called as its route is."""
        takes, expected = (list(inspect.signature(f).parameters) for f in (function, route))
        if takes != expected:
            raise self._unfit(f"{name}({', '.join(expected)}), but this version takes ({', '.join(takes)})")

    def _unfit(self, expected):
        version = getattr(sys.modules[self.package], "__version__", "of unknown version")
        return LoaderError(
            f"[{self.function}] expected {self._distribution} {version} to have {expected}; nothing was patched. "
            f"pip install '{self.known}' is known to work."
        )

    def _places(self, functions):
        """(full name of the owner, owner, attribute, function) where a module, or a class of a route, holds one.

        Only dictionaries are read: a lazy module would load itself if it was asked for an attribute.
        """
        wanted = {id(function) for function in functions}
        owners = [(name.rpartition(".")[0], self._owner(name)[0]) for name in self._routes()]
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

    def _replace(self, functions):
        """Put what `functions` leads to in the place of each function."""
        for _, owner, attribute, function in self._places(functions):
            setattr(owner, attribute, functions[function])


class Patched(list[str]):
    """The names that lead to an op now, sorted, as "mlx_lm.models.qwen3_next.gated_delta_update"."""

    def __init__(self, patch, names):
        super().__init__(sorted(names))
        self._patch = patch

    def unpatch(self) -> None:
        """Put the package's own functions back."""
        self._patch.undo()
