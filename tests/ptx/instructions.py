"""The instructions. `EXECUTE` has functions of (machine, instruction, mask). `BIND` has functions of (machine,
instruction) that return a function of the mask: for the frequent ones, whose operands are looked up once."""

from functools import cache, reduce

import numpy as np

from . import arithmetic, warp
from .memory import WINDOWS
from .program import TYPES

EXECUTE = {**arithmetic.EXECUTE, **warp.EXECUTE}
BIND = {**arithmetic.BIND, **warp.BIND}


def _of(name, table=EXECUTE):
    def keep(function):
        table[name] = function
        return function

    return keep


def _names(operand):
    """{%r1, %r2}, or one register."""
    return [name.strip() for name in operand.strip("{}").split(",")] if operand[0] == "{" else [operand]


def _space(i):
    return next((word for word in i.op if word in ("global", "shared", "local", "param", "const")), "generic")


@_of("mov", BIND)
def _mov(machine, i):
    """Also a register from its parts, or to them."""
    to, source = map(_names, i.operands)
    if len(to) == len(source) == 1:
        x = machine.read(*source, i.op[-1])
        return lambda mask: machine.write(*to, x, mask)
    bits = 8 * np.dtype(TYPES[i.op[-1]]).itemsize // max(len(to), len(source))
    if len(to) > 1:
        whole, kind = machine.read(*source, i.op[-1]), TYPES[f"u{bits}"]

        def step(mask):
            for n, part in enumerate(to):
                machine.write(part, (whole >> whole.dtype.type(bits * n)).astype(kind), mask)

        return step
    parts = [machine.read(x, f"u{bits}") for x in source]
    shifts = [np.uint64(bits * n) for n in range(len(parts))]
    return lambda mask: machine.write(
        *to, reduce(np.bitwise_or, [x.astype(np.uint64) << by for x, by in zip(parts, shifts)]), mask
    )


@_of("cvta")
def _cvta(machine, i, mask):
    """Between an address in a space and a generic one."""
    start = np.uint64(WINDOWS.get(_space(i), 0))
    x = machine.read(i.operands[1], "u64")
    machine.write(i.operands[0], x - start if "to" in i.op else x + start, mask)


@_of("ld", BIND)
def _ld(machine, i):
    names, kind = _names(i.operands[0]), np.dtype(TYPES[i.op[-1]])
    targets = [(n, machine.target(name, kind)) for n, name in enumerate(names) if name != "_"]
    locate = machine.places(_space(i), i.operands[1], len(names) * kind.itemsize)

    def step(mask):
        threads, memory, at = locate(mask)
        cells, at = memory.view(kind), at // kind.itemsize
        for n, to in targets:
            to[threads] = cells[at + n]

    return step


@_of("ldmatrix", BIND)
def _ldmatrix(machine, i):
    """8x8 matrices of 16 bits: 8 lanes have the addresses of the rows of each, and a lane gets what _mma says."""
    names = _names(i.operands[0])
    targets = [machine.target(name, np.dtype("u4")) for name in names]
    locate = machine.places(_space(i), i.operands[1], 16)

    def step(mask):
        threads, memory, at = locate(mask)
        rows = at.reshape(-1, warp.WARP)[:, : 8 * len(names)].reshape(-1, len(names), 8, 1) // 2
        cells = memory.view(np.uint16)[rows + np.arange(8)]
        cells = np.ascontiguousarray(cells.swapaxes(2, 3) if "trans" in i.op else cells)
        for to, pairs in zip(targets, cells.reshape(-1, len(names), 64).swapaxes(0, 1)):
            to[threads] = np.ascontiguousarray(pairs).view(np.uint32).reshape(-1)

    return step


@_of("st", BIND)
def _st(machine, i):
    names, kind = _names(i.operands[1]), np.dtype(TYPES[i.op[-1]])
    values = [np.broadcast_to(machine.read(name, i.op[-1]), len(machine.threads)) for name in names]
    locate = machine.places(_space(i), i.operands[0], len(names) * kind.itemsize)

    def step(mask):
        threads, memory, at = locate(mask)
        cells, at = memory.view(kind), at // kind.itemsize
        for n, x in enumerate(values):
            cells[at + n] = x[threads]

    return step


_ATOMIC = {"add": np.add, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


@_of("atom")
def _atom(machine, i, mask):
    """One thread after another."""
    kind = np.dtype(TYPES[i.op[-1]])
    to, address, *operands = i.operands
    threads, memory, at = machine.places(_space(i), address, kind.itemsize)(mask)
    operands = [np.broadcast_to(machine.read(x, i.op[-1]), len(machine.threads)) for x in operands]
    cells, old = memory.view(kind), np.zeros(len(machine.threads), kind)
    name = next(word for word in i.op if word in (*_ATOMIC, "cas"))
    for thread, cell in zip(machine.threads[threads], at // kind.itemsize):
        old[thread] = cells[cell]
        given = [x[thread] for x in operands]
        if name != "cas":
            cells[cell] = _ATOMIC[name](old[thread], *given)
        elif old[thread] == given[0]:
            cells[cell] = given[1]
    machine.write(to, old, mask)


for name in ("bar", "membar"):
    # Threads have met before, and memory is in order.
    EXECUTE[name] = lambda machine, i, mask: None

# What may stand behind a name.
_WORDS = {
    *TYPES,
    *"bf16 tf32 lo hi wide rn rm rz rni rzi rmi rpi ftz approx".split(),
    *"eq ne lt le gt ge equ neu ltu leu gtu geu num nan".split(),
    *"to global shared local param const nc volatile v2 v4 cas add and or xor shiftamt l wrap gl uni".split(),
    *"sync warp up down bfly idx all ballot aligned m8n8 x1 x2 x4 trans m16n8k8 m16n8k16 row col".split(),
}


def check(program):
    """Refuse a program with an instruction that nothing here executes as it is meant."""
    for i in program.code:
        if not _known(i.op):
            raise NotImplementedError(i.text)


@cache
def _known(op):
    unknown = set(op[1:]) - _WORDS - ({"sat"} if op[0] == "cvt" else set())
    return not unknown and op[0] in (*EXECUTE, *BIND, "bra", "ret")
