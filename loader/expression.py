"""Integer arithmetic and conditions over dims, constants and dtypes, as the manifest writes them."""

import ast
from functools import cache, cached_property

import mlx.core as mx

from .document import suggest

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
_NODES = (
    *(ast.Expression, ast.Name, ast.Load, ast.Call, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.USub, ast.Not, ast.And, ast.Or),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)


class Expression:
    """One expression, checked at once and compiled at its first use.

    `names` are the dims, constants and options it reads, `arrays` those it asks about through
    dtype(x), ndim(x) and has(x).
    """

    def __init__(self, text):
        self.text = text
        self.names, self.arrays = set(), set()
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError:
            raise ValueError(f"{text!r} is not an expression") from None
        self._check(tree.body)
        self._tree = tree

    @cached_property
    def _code(self):
        return compile(ast.fix_missing_locations(self._tree), "<manifest>", "eval")

    def __call__(self, scope):
        """The value in `scope`, a mapping of names; see `Scope`."""
        return eval(self._code, {"__builtins__": {}}, scope)

    def __repr__(self):
        return self.text

    def _check(self, node):
        if isinstance(node, ast.Call):
            return self._check_call(node)
        if isinstance(node, ast.Constant) and type(node.value) in (int, bool):
            return None
        if not isinstance(node, _NODES):
            raise ValueError(f"{self.text!r} may not hold {type(node).__name__}")
        if isinstance(node, ast.Name) and node.id not in DTYPES:
            self.names.add(node.id)
        for child in ast.iter_child_nodes(node):
            self._check(child)
        return None

    def _check_call(self, node):
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        known = (*_FUNCTIONS, *_QUERIES)
        if name not in known or node.keywords:
            raise ValueError(f"{self.text!r}: unknown function {name!r}.{suggest(name, known)}")
        if name not in _QUERIES:
            for argument in node.args:
                self._check(argument)
            return
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Name):
            raise ValueError(f"{self.text!r}: {name}() takes the name of one array")
        self.arrays.add(node.args[0].id)
        node.args[0] = ast.Constant(node.args[0].id)


@cache
def parse(text):
    """The expression of a text. Raises ValueError saying what is not allowed in it."""
    return Expression(text)


class Scope(dict):
    """What expressions see: dims, constants and options as items; dtype(), ndim() and has() on arrays.

    `shapes` maps the name of every array that is there to its shape, `dtypes` every name to its dtype.
    """

    def __init__(self, values, shapes, dtypes):
        super().__init__(values)
        self.update(_FUNCTIONS, **DTYPES)
        self.update(
            dtype=dtypes.__getitem__,
            ndim=lambda name: len(shapes[name]),
            has=shapes.__contains__,
        )
