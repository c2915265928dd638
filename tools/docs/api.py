"""docs/api.md: every public name with its signature and its docstring."""

import importlib
import importlib.util
import inspect
import re
import textwrap

from .table import plain

MODULES = ("loader", "loader.nn", "loader.recipes", "loader.parallel", "loader.testing")
# Classes that callers get and do not make, and what they call of them.
_GIVEN = {"Op": ("__call__", "step", "reference", "forward", "warm_up"), "OverTime": ()}


def write():
    """The page as Markdown."""
    parts = [
        "# API\n\n<!-- Written by python -m tools.docs from docstrings; do not edit. -->",
        "The ops, which `loader.get` returns, have a page each: [list](../README.md#the-ops). "
        "Environment variables are in [architecture](architecture.md#settings).",
    ]
    for name in MODULES:
        if importlib.util.find_spec(name):
            parts += _module(name)
    return "\n\n".join(parts) + "\n"


def _module(name):
    module = importlib.import_module(name)
    members = {n: getattr(module, n) for n in _public(module)}
    errors = {n: x for n, x in members.items() if inspect.isclass(x) and issubclass(x, Exception)}
    rest = {n: x for n, x in members.items() if n not in errors and callable(x)}
    first = _markdown(module.__doc__ or "").partition("\n\n")[0]
    parts = [f"## {name}", first]
    for n, x in sorted(rest.items(), key=lambda item: (inspect.isclass(item[1]), item[0])):
        parts += _class(f"{name}.{n}", x) if inspect.isclass(x) else _function(f"{name}.{n}", x)
    if errors:
        parts += [
            "### Exceptions",
            "\n".join(f"- `{name}.{n}`{_bases(x)}: {_markdown(x.__doc__)}" for n, x in errors.items()),
        ]
    return parts


def _public(module):
    """The public names of a module: `__all__`, or what it defines itself."""
    names = getattr(module, "__all__", None)
    if names is None:
        own = {n: x for n, x in vars(module).items() if getattr(x, "__module__", None) == module.__name__}
        names = [n for n in own if not n.startswith("_")]
    return sorted(n for n in names if not inspect.ismodule(getattr(module, n)))


def _function(name, function):
    return [f"### {name}", _signature(name.rpartition(".")[2], function), _markdown(function.__doc__ or "")]


def _class(name, kind):
    """The class and those of its public methods that have a docstring."""
    given = kind.__name__ in _GIVEN
    made = [] if given else [_signature(name.rpartition(".")[2], kind)]
    parts = [f"### {name}", *made, _markdown(kind.__doc__ or "")]
    for n in _GIVEN[kind.__name__] if given else vars(kind):
        x = vars(kind)[n]
        x = x.__func__ if isinstance(x, staticmethod | classmethod) else x
        if inspect.isfunction(x) and x.__doc__ and (n == "__call__" or not n.startswith("_")):
            parts.append(f"#### {kind.__name__}.{n}\n\n{_signature(n, x)}\n\n{_markdown(x.__doc__)}")
    return parts


def _signature(name, function):
    return f"```text\n{name}{inspect.signature(function)}\n```"


def _bases(error):
    bases = [base.__name__ for base in error.__bases__ if base is not Exception]
    return f" ({', '.join(bases)})" if bases else ""


def _markdown(docstring):
    """A docstring as Markdown: text between backticks and indented lines stay as they are."""
    lines = inspect.cleandoc(docstring).splitlines()
    text = "\n".join(line if line.startswith("    ") else plain(line) for line in lines)
    return re.sub(r"^((?: {4}.*\n?)+)", lambda found: _fenced(found[1]), text, flags=re.MULTILINE)


def _fenced(block):
    return f"```text\n{textwrap.dedent(block).rstrip()}\n```\n"
