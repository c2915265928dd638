"""Instructions on the numbers of each thread by itself."""

import numpy as np

from .program import TYPES


def _quotient(x, y):
    """Of integers rounded towards zero."""
    if x.dtype.kind == "f":
        return x / y
    down = x // y
    return down + ((down < 0) & (down * y != x))


def _shift(left):
    def shift(x, by):
        """By no less than all bits: what is shifted in is left."""
        bits = 8 * x.itemsize
        inside = np.minimum(by, bits - 1).astype(x.dtype)
        result = x << inside if left else x >> inside
        return np.where((by >= bits) & (left or x.dtype.kind == "u"), 0, result)

    return shift


def _funnel(low, high, by):
    """The upper half of both, shifted to the left."""
    return (high.astype(np.uint64) << np.uint64(32) | low) << (by & 31).astype(np.uint64) >> np.uint64(32)


def _permute(x, y, selectors):
    """Bytes of both: four of the numbers 0 to 7, with 8 added for a byte's sign instead."""
    both, result = y.astype(np.uint64) << np.uint64(32) | x, np.uint64(0)
    for n in range(4):
        number = selectors >> np.uint32(4 * n) & 15
        byte = both >> (8 * (number & 7)).astype(np.uint64) & np.uint64(255)
        byte = np.where(number & 8, 255 * (byte >> np.uint64(7)), byte)
        result = result | byte << np.uint64(8 * n)
    return result


def _insert(x, into, start, count):
    one, bits = into.dtype.type(1), 8 * into.itemsize
    start, count = start.astype(into.dtype), count.astype(into.dtype)
    ones = np.where(count >= bits, ~into.dtype.type(0), (one << count % bits) - one) << start
    return (x << start) & ones | into & ~ones


def _digits(x):
    """How many bits a number takes."""
    return np.array([int(v).bit_length() for v in x])


def _reversed(x):
    bits = 8 * x.itemsize
    return sum((x >> x.dtype.type(n) & 1) << x.dtype.type(bits - 1 - n) for n in range(bits))


# By name the types of the operands, t for that of the instruction, and a function; unless it says so all are t.
_ELEMENTWISE = {
    "add": np.add,
    "sub": np.subtract,
    "div": _quotient,
    "rem": lambda x, y: x - _quotient(x, y) * y,
    "min": np.fmin,
    "max": np.fmax,
    "neg": np.negative,
    "abs": np.abs,
    "fma": lambda x, y, z: x * y + z,
    "rcp": np.reciprocal,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "ex2": np.exp2,
    "lg2": np.log2,
    "copysign": lambda x, y: np.copysign(y, x),
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "selp": (("t", "t", "pred"), lambda x, y, p: np.where(p, x, y)),
    "shl": (("t", "u32"), _shift(True)),
    "shr": (("t", "u32"), _shift(False)),
    "shf": _funnel,
    "prmt": _permute,
    "bfi": (("t", "t", "u32", "u32"), _insert),
    "brev": _reversed,
    "popc": lambda x: sum(x >> x.dtype.type(n) & 1 for n in range(8 * x.itemsize)),
    "clz": lambda x: 8 * x.itemsize - _digits(x),
    # Always as the shift that brings the first one to the top.
    "bfind": lambda x: np.where(x == 0, 0xFFFFFFFF, 8 * x.itemsize - _digits(x)),
}


# In float32 their results are those of doubles, rounded once.
_EXACT = {"add", "sub", "mul", "div", "min", "max", "neg", "abs", "sqrt", "copysign", "selp"}


def _elementwise(machine, i):
    rule = _ELEMENTWISE[i.op[0]]
    kinds, function = rule if isinstance(rule, tuple) else (("t",) * (len(i.operands) - 1), rule)
    return _compute(machine, i, kinds, function)


def _compute(machine, i, kinds, function):
    """Floats are computed as doubles and rounded once."""
    register, kind = i.operands[0], i.op[-1]
    operands = [machine.read(x, kind if k == "t" else k) for x, k in zip(i.operands[1:], kinds)]
    if kind == "f32" and (i.op[0] not in _EXACT or {"ftz", "rm", "rz"} & set(i.op)):
        flush = _flushed if "ftz" in i.op else lambda x: x
        return lambda mask: machine.write(
            register, flush(_rounded(function(*(flush(x).astype(np.float64) for x in operands)), i.op)), mask
        )
    to = machine.target(register, np.dtype(TYPES[kind]))
    if isinstance(function, np.ufunc) and to.dtype == TYPES[kind]:
        return lambda mask: function(*operands, out=to, where=mask)

    def step(mask):
        result = function(*operands)
        # Bits and counts have a type of their own.
        machine.write(register, result if result.dtype == bool else result.astype(TYPES[kind], copy=False), mask)

    return step


def _flushed(x):
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)


def _rounded(exact, op):
    """To nearest, down (rm) or towards zero (rz)."""
    nearest = exact.astype(np.float32)
    if "rm" in op:
        return np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    if "rz" in op:
        return np.where(np.abs(nearest) > np.abs(exact), np.nextafter(nearest, np.float32(0)), nearest)
    return nearest


def _multiply(machine, i):
    """mul and mad: the lower or the upper half of a product, or all of it; of floats the product."""
    kind, half = i.op[-1], i.op[1]
    if i.op[0] == "mul" and (kind in ("f32", "f64") or half == "lo"):
        return _compute(machine, i, ("t", "t"), np.multiply)
    bits = 8 * np.dtype(TYPES[kind]).itemsize
    # Python's integers have as many bits as it takes.
    wide = TYPES[f"{kind[0]}{2 * bits}"] if bits < 64 else object
    computed = TYPES[kind] if half == "lo" else wide
    x, y = (machine.read(operand, kind) for operand in i.operands[1:3])
    add = machine.read(i.operands[3], f"{kind[0]}{2 * bits}" if half == "wide" else kind) if i.op[0] == "mad" else None

    def step(mask):
        result = np.multiply(x, y, dtype=computed)
        if half == "hi":
            result = (result >> (bits if wide is object else wide(bits))).astype(TYPES[kind])
        machine.write(i.operands[0], result if add is None else result + add, mask)

    return step


_COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def _setp(machine, i):
    """A comparison of floats whose name ends in u is true of NaN; num and nan ask for it alone."""
    if len(i.operands) > 3:
        raise NotImplementedError(i.text)
    x, y = (machine.read(operand, i.op[-1]) for operand in i.operands[1:3])
    to, name = machine.target(i.operands[0], np.dtype(bool)), i.op[1]
    # NumPy's comparisons are false of NaN but for not_equal.
    if name == "neu" or name in _COMPARE and (name != "ne" or x.dtype.kind != "f"):
        return lambda mask: _COMPARE[name[:2]](x, y, out=to, where=mask)

    def step(mask):
        nan = (x != x) | (y != y)
        if name in ("num", "nan"):
            result = nan ^ (name == "num")
        else:
            result = _COMPARE[name[:2]](x, y)
            result = result | nan if name.endswith("u") else result & ~nan
        machine.write(i.operands[0], result, mask)

    return step


_TO_INTEGER = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


def _cvt(machine, i, mask):
    """A float becomes the nearest integer that there is, NaN 0."""
    to, kind = i.op[-2:]
    if "rm" in i.op or "rz" in i.op:
        raise NotImplementedError(i.text)
    if kind == "bf16":
        x = (machine.read(i.operands[1], "u16").astype(np.uint32) << np.uint32(16)).view(np.float32)
    else:
        x = machine.read(i.operands[1], kind)
    if x.dtype.kind == "f":
        x = np.fmin(np.fmax(x, 0), 1) if "sat" in i.op else x
        for word in set(i.op) & set(_TO_INTEGER):
            x = _TO_INTEGER[word](x)
    if to == "bf16":
        result = _bfloat(x)
    elif x.dtype.kind == "f" and to[0] in "us":
        bounds, x = np.iinfo(TYPES[to]), np.where(np.isnan(x), 0, x.astype(np.float64))
        low = np.where(x <= bounds.min, bounds.min, x).astype(TYPES[to])
        result = np.where(x >= float(bounds.max), TYPES[to](bounds.max), low)
    else:
        result = x.astype(TYPES[to])
    machine.write(i.operands[0], result, mask)


def _bfloat(x):
    bits = x.view(np.uint32).astype(np.uint64)
    nearest = bits + np.uint64(0x7FFF) + (bits >> np.uint64(16) & np.uint64(1)) >> np.uint64(16)
    return np.where(np.isnan(x), 0x7FFF, nearest).astype(np.uint16)


EXECUTE = {"cvt": _cvt}
BIND = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    "mul": _multiply,
    "mad": _multiply,
    "setp": _setp,
}
