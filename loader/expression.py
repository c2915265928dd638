"""Integer arithmetic and conditions over dims, constants and dtypes, as the manifest writes them."""

import ast
import keyword
import warnings
from functools import lru_cache

import mlx.core as mx

from .arguments import LARGEST
from .errors import suggest

_DTYPES = (
    *("float32", "float16", "bfloat16", "complex64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
DTYPES = {name: getattr(mx, name) for name in _DTYPES} | {"bool": mx.bool_}


def cdiv(a, b):
    """a / b rounded up."""
    return -(-a // b)


def round_up(a, b):
    """The first multiple of b that is not below a."""
    return cdiv(a, b) * b


_FUNCTIONS = {"cdiv": cdiv, "round_up": round_up, "min": min, "max": max}
_QUERIES = ("dtype", "ndim", "has")
# What is true by the name of the engine: an Apple GPU has fewer registers than others, a CPU fewer threads.
ENGINES = {"on_metal": "metal", "on_cpu": "opencl"}
# Names with a meaning in expressions: nothing else may have one of them.
RESERVED = frozenset((*DTYPES, *_FUNCTIONS, *_QUERIES, *ENGINES, *keyword.kwlist))
_LENGTH, _DEPTH, _BITS = 1000, 100, 63
_NODES = (
    *(ast.Expression, ast.Name, ast.Load, ast.Call, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.USub, ast.Not, ast.And, ast.Or),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)


class Expression:
    """One expression. `where` is its place in the manifest, for errors.

    `names` are the dims, constants and options in it, `arrays` the arguments of its dtype(x), ndim(x) and has(x).
    Raises ValueError that names a part which is not allowed.
    """

    def __init__(self, text, where):
        self.text, self.where = text, where
        tree, self.names, self.arrays = _parse(text)
        self.literal = getattr(tree.body, "value", None)

    def __call__(self, scope):
        """The value in `scope`, a mapping of names; see `Scope`. Raises ManifestError where it has none."""
        try:
            value = eval(_compiled(self.text), {"__builtins__": {}}, scope) if self.literal is None else self.literal
        except KeyError as error:
            raise self.error(f"{error.args[0]} is absent", scope) from None
        except NameError as error:
            raise self.error(f"the input that binds {error.name!r} is absent", scope) from None
        except (ArithmeticError, TypeError) as error:
            raise self.error(str(error), scope) from None
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise self.error(f"the result has more than {_BITS} bits", scope)
        return value

    def size(self, scope, least):
        """The value as a size, from `least` to what int32 holds. Raises ManifestError where it is none."""
        value = self(scope)
        if type(value) is not int or not least <= value <= LARGEST:
            raise self.error(f"expected a size from {least} to {LARGEST} but got {value}", scope)
        return value

    def error(self, message, scope):
        """The error to raise about the value in `scope`."""
        values = ", ".join(f"{name} = {scope[name]}" for name in sorted(self.names & scope.keys()))
        return self.where.error(f"{self.text}: {message}{f' ({values})' if values else ''}")

    def __repr__(self):
        return self.text


@lru_cache(maxsize=4096)
def _parse(text):
    """(syntax tree, names, arrays) of an expression."""
    shown = text if len(text) <= 80 else f"{text[:80]}..."
    if len(text) > _LENGTH:
        raise ValueError(f"{shown!r} is longer than {_LENGTH} characters; name parts of it as constants")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{shown!r} is not an expression") from None
    names, arrays = set(), set()
    _check(tree.body, shown, names, arrays, 0)
    return tree, frozenset(names), frozenset(arrays)


@lru_cache(maxsize=4096)
def _compiled(text):
    return compile(ast.fix_missing_locations(_parse(text)[0]), "<manifest>", "eval")


def _check(node, text, names, arrays, depth):
    """Refuse all but the grammar, and collect the names."""
    if depth > _DEPTH:
        raise ValueError(f"{text!r} nests deeper than {_DEPTH}; name parts of it as constants")
    if isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        return
    if isinstance(node, ast.Call):
        children = _arguments(node, text, arrays)
    elif isinstance(node, _NODES):
        children = ast.iter_child_nodes(node)
    else:
        raise ValueError(f"{text!r} may not hold {type(node).__name__}")
    if isinstance(node, ast.Name) and node.id not in DTYPES:
        names.add(node.id)
    for child in children:
        _check(child, text, names, arrays, depth + 1)


def _arguments(node, text, arrays):
    """The arguments of a call that are expressions; the name of an array in a query becomes a string."""
    name = node.func.id if isinstance(node.func, ast.Name) else type(node.func).__name__
    known = (*_FUNCTIONS, *_QUERIES)
    if name not in known or node.keywords:
        raise ValueError(f"{text!r}: unknown function {name!r}.{suggest(name, known)}")
    if name in _QUERIES:
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Name):
            raise ValueError(f"{text!r}: {name}() takes the name of one array")
        arrays.add(node.args[0].id)
        node.args[0] = ast.Constant(node.args[0].id)
        return ()
    if len(node.args) < 2 or (name in ("cdiv", "round_up") and len(node.args) > 2):
        raise ValueError(f"{text!r}: {name}() takes two arguments but got {len(node.args)}")
    return node.args


class Scope(dict):
    """What expressions see: dims, constants and options as items; dtype(), ndim() and has() on arrays; `on_metal` and
    `on_cpu`, which `engine`, the name of one, makes true.

    `shapes` maps the name of every array of the call to its shape, `dtypes` every name to its dtype.
    """

    def __init__(self, values, shapes, dtypes, engine=None):
        super().__init__({name: engine == of for name, of in ENGINES.items()} | values)
        self.update(_FUNCTIONS, **DTYPES)
        self.update(
            dtype=dtypes.__getitem__,
            ndim=lambda name: len(shapes[name]),
            has=shapes.__contains__,
        )
