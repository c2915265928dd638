"""The threads of a grid: their positions in the program, their waits, and their registers."""

import re

import numpy as np

from .instructions import EXECUTE, check
from .memory import WINDOWS, Memory, Outside, Own
from .program import TYPES
from .warp import WARP

# Instructions at which the lanes of a warp meet; at a barrier without a warp the threads of a block do.
_MEETINGS = {"shfl", "vote", "mma", "movmatrix", "bar"}
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
_SIGNED = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


class Deadlock(AssertionError):
    """Threads wait at an instruction for others that never come there."""


class Machine:
    """All threads of a grid, in whole warps: lanes that the block's threads do not fill stay away.

    A `mask` says for which threads an instruction is, or is True for all.
    """

    def __init__(self, program, grid, block, memory: Memory):
        check(program)
        self.program, self.memory = program, memory
        self.blocks, threads = int(np.prod(grid)), int(np.prod(block))
        self.block_size = -(-threads // WARP) * WARP
        self.threads = np.arange(self.blocks * self.block_size)
        self.block, thread = np.divmod(self.threads, self.block_size)
        self.lane = thread % WARP
        self.special = {"%laneid": self.lane.astype(np.uint32)}
        for name, index, sizes in (("tid", thread, block), ("ctaid", self.block, grid)):
            for axis, size in zip("xyz", sizes):
                self.special[f"%{name}.{axis}"] = (index % size).astype(np.uint32)
                self.special[f"%n{name}.{axis}"] = np.uint32(size)
                index = index // size
        self.own = {
            "shared": Own(program.sizes["shared"], self.blocks),
            "local": Own(program.sizes["local"], len(self.threads)),
        }
        self.registers = {}
        self.at = np.zeros(len(self.threads), np.int64)
        self.live = thread < threads
        self.waiting = np.zeros(len(self.threads), bool)

    def run(self):
        """Those furthest behind go on until they meet others: so what an `if` has parted runs together again."""
        with np.errstate(all="ignore"):
            while self.live.any():
                ready = self.live & ~self.waiting
                if not ready.any():
                    places = sorted({self.program.code[i].text for i in self.at[self.live]})
                    raise Deadlock(f"[{self.program.name}] threads wait for ever at: " + "; ".join(places))
                start = int(self.at[ready].min())
                others = self.at[ready & (self.at != start)]
                until = others.min() if len(others) else len(self.program.code)
                self._advance(ready & (self.at == start), start, until)

    def _advance(self, mask, at, until):
        every = bool(mask.all())
        while at < until:
            i = self.program.code[at]
            chosen = mask if i.guard is None else mask & (self.read(i.guard, "pred") ^ i.negated)
            if i.op[0] == "bra":
                target = self.program.labels[i.operands[0]]
                if chosen.any() and (chosen != mask).any():
                    self.at[mask], self.at[chosen] = at + 1, target
                    return
                at = target if chosen.any() else at + 1
                continue
            if i.op[0] == "ret":
                self.live &= ~chosen
                # For those who are gone nobody waits.
                self.waiting[:] = False
                self.at[mask] = at + 1
                return
            if i.op[0] in _MEETINGS:
                met = self._met(i, chosen | (self.waiting & (self.at == at)))
                if not np.array_equal(met, chosen):
                    self.at[mask], self.at[chosen] = at + 1, at
                    self.waiting = (self.waiting | chosen) & ~met
                    self._execute(i, met)
                    self.at[met] = at + 1
                    return
            self._execute(i, True if every and i.guard is None else chosen)
            at += 1
        self.at[mask] = at

    def _met(self, i, here):
        """Those of `here` who need not wait, because all whom they wait for are here or gone."""
        missing = self.live & ~here
        if i.op[0] == "bar" and "warp" not in i.op:
            return here & ~np.repeat(missing.reshape(self.blocks, -1).any(1), self.block_size)
        members = self.members(0xFFFFFFFF if i.op[0] in ("mma", "movmatrix") else self.read(i.operands[-1], "u32"))
        return here & ~(members & missing.reshape(-1, 1, WARP)).any(2).reshape(-1)

    def _execute(self, i, mask):
        try:
            EXECUTE[i.op[0]](self, i, mask)
        except Outside as error:
            raise Outside(f"[{self.program.name}] {error}: {i.text}") from None

    def members(self, bits):
        """[warps, lanes, 32]: whom each lane names by the bits of a number."""
        bits = np.broadcast_to(bits, len(self.threads)).reshape(-1, WARP, 1)
        return (bits >> np.arange(WARP, dtype=np.uint32) & 1).astype(bool)

    def read(self, operand, kind):
        """An operand as numbers of a type: one for each thread, or one for all."""
        wanted = TYPES[kind]
        if operand.startswith("%"):
            x = self.special[operand] if operand in self.special else self._register(operand)
        elif re.match(r"0[fFdD]", operand):
            x = np.array([int(operand[2:], 16)], np.uint64)
        elif re.match(r"-?\d", operand):
            x = np.array([int(operand.rstrip("U"), 0) % (1 << 64)], np.uint64)
        else:
            x = np.array([self._address(operand)], np.uint64)
        if x.dtype == wanted:
            return x
        width = np.dtype(wanted).itemsize
        return (x if x.itemsize == width else x.astype(_UNSIGNED[width])).view(wanted)

    def write(self, register, x, mask):
        """Narrow numbers fill a register with their sign or, unsigned, with zeros."""
        if register == "_":
            return
        to = self._register(register)
        if x.itemsize != to.itemsize:
            x = x.astype((_SIGNED if x.dtype.kind == "i" else _UNSIGNED)[to.itemsize])
        np.copyto(to, x.view(to.dtype), where=mask)

    def locate(self, space, operand, width, mask):
        """(threads, memory, indices into its bytes) of an operand like [%rd1+8]."""
        name, _, offset = operand[1:-1].partition("+")
        narrow = name.startswith("%") and self._register(name).itemsize == 4
        address = np.broadcast_to(self.read(name, "u64") + np.uint64(int(offset or 0) % (1 << 64)), len(self.threads))
        threads = self.threads if mask is True else np.flatnonzero(mask)
        address = (address & np.uint64(0xFFFFFFFF) if narrow else address)[threads].astype(np.int64)
        if space == "generic":
            space = next((s for s in ("local", "shared") if (address >= WINDOWS[s]).all()), "global")
            address = address - WINDOWS.get(space, 0)
        if (address % width).any():
            raise Outside(f"an address that {width} does not divide")
        memory = self.own.get(space, self.memory)
        memory.check(address, width)
        if space in self.own:
            address = address + (self.block if space == "shared" else self.threads)[threads] * memory.stride
        return threads, memory.bytes, address

    def _register(self, name):
        if name not in self.registers:
            kind = np.dtype(self.program.registers[name])
            x = np.full(len(self.threads) * kind.itemsize, 0xFF, np.uint8)
            self.registers[name] = x.view(bool) if kind.kind == "b" else x.view(_UNSIGNED[kind.itemsize])
        return self.registers[name]

    def _address(self, operand):
        name, _, offset = operand.partition("+")
        places = (*self.program.offsets.values(), self.memory.names)
        return next(place[name] for place in places if name in place) + int(offset or 0)
