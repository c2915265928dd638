"""The instructions: `EXECUTE` has a function of (machine, instruction, mask) for each."""

import numpy as np

from . import arithmetic, warp
from .memory import WINDOWS
from .program import TYPES

EXECUTE = {**arithmetic.EXECUTE, **warp.EXECUTE}


def _of(name):
    def keep(function):
        EXECUTE[name] = function
        return function

    return keep


def _names(operand):
    """{%r1, %r2}, or one register."""
    return [name.strip() for name in operand.strip("{}").split(",")]


def _space(i):
    return next((word for word in i.op if word in ("global", "shared", "local", "param", "const")), "generic")


@_of("mov")
def _mov(machine, i, mask):
    """Also a register from its parts, or to them."""
    to, source = map(_names, i.operands)
    bits = 8 * np.dtype(TYPES[i.op[-1]]).itemsize // max(len(to), len(source)) if i.op[-1] != "pred" else 0
    if len(to) == len(source) == 1:
        machine.write(*to, machine.read(*source, i.op[-1]), mask)
    elif len(to) == 1:
        parts = [machine.read(x, f"u{bits}").astype(np.uint64) << np.uint64(bits * n) for n, x in enumerate(source)]
        machine.write(*to, np.bitwise_or.reduce(parts), mask)
    else:
        x = machine.read(*source, i.op[-1])
        for n, part in enumerate(to):
            machine.write(part, (x >> x.dtype.type(bits * n)).astype(TYPES[f"u{bits}"]), mask)


@_of("cvta")
def _cvta(machine, i, mask):
    """Between an address in a space and a generic one."""
    start = np.uint64(WINDOWS.get(_space(i), 0))
    x = machine.read(i.operands[1], "u64")
    machine.write(i.operands[0], x - start if "to" in i.op else x + start, mask)


@_of("ld")
def _ld(machine, i, mask):
    names, kind = _names(i.operands[0]), np.dtype(TYPES[i.op[-1]])
    threads, memory, at = machine.locate(_space(i), i.operands[1], len(names) * kind.itemsize, mask)
    x = np.zeros(len(machine.threads), kind)
    for n, name in enumerate(names):
        x[threads] = memory.view(kind)[at // kind.itemsize + n]
        machine.write(name, x, mask)


@_of("st")
def _st(machine, i, mask):
    names, kind = _names(i.operands[1]), np.dtype(TYPES[i.op[-1]])
    threads, memory, at = machine.locate(_space(i), i.operands[0], len(names) * kind.itemsize, mask)
    for n, name in enumerate(names):
        x = np.broadcast_to(machine.read(name, i.op[-1]), len(machine.threads))
        memory.view(kind)[at // kind.itemsize + n] = x[threads]


_ATOMIC = {"add": np.add, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


@_of("atom")
def _atom(machine, i, mask):
    """One thread after another."""
    kind = np.dtype(TYPES[i.op[-1]])
    to, address, *operands = i.operands
    threads, memory, at = machine.locate(_space(i), address, kind.itemsize, mask)
    operands = [np.broadcast_to(machine.read(x, i.op[-1]), len(machine.threads)) for x in operands]
    cells, old = memory.view(kind), np.zeros(len(machine.threads), kind)
    name = next(word for word in i.op if word in (*_ATOMIC, "cas"))
    for thread, cell in zip(threads, at // kind.itemsize):
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
    *"sync warp up down bfly idx all ballot aligned m8n8 trans m16n8k8 row col".split(),
}


def check(program):
    """Refuse a program with an instruction that nothing here executes as it is meant."""
    for i in program.code:
        unknown = set(i.op[1:]) - _WORDS - ({"sat"} if i.op[0] == "cvt" else set())
        if unknown or i.op[0] not in (*EXECUTE, "bra", "ret"):
            raise NotImplementedError(i.text)
