"""The threads of a grid: their positions in the program, their waits, and their registers."""

import re
from functools import partial

import numpy as np

from .instructions import BIND, EXECUTE, check
from .memory import WINDOWS, Memory, Outside, Own
from .program import TYPES
from .warp import WARP

# Instructions at which the lanes of a warp meet; at a barrier without a warp the threads of a block do.
_MEETINGS = {"shfl", "vote", "mma", "movmatrix", "ldmatrix", "bar"}


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
                self.special[f"%n{name}.{axis}"] = np.array([size], np.uint32)
                index = index // size
        self.own = {
            "shared": Own(program.sizes["shared"], self.blocks),
            "local": Own(program.sizes["local"], len(self.threads)),
        }
        self.starts = {
            "shared": self.block * self.own["shared"].stride,
            "local": self.threads * self.own["local"].stride,
        }
        # What a register of each type holds that nothing has written.
        ones = np.full(8 * len(self.threads), 0xFF, np.uint8)
        self.blank = {
            kind: ones[: len(self.threads) * size].view(bool if kind is np.bool_ else f"u{size}")
            for kind, size in ((kind, np.dtype(kind).itemsize) for kind in set(program.registers.values()))
        }
        self.registers, self.views, self.steps = dict(self.special), {}, [None] * len(program.code)
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
        count = np.count_nonzero(mask)
        every = count == len(mask)
        while at < until:
            i, guard, step = self.steps[at] or self._bind(at)
            chosen = mask if guard is None else mask & (guard ^ i.negated)
            active = count if guard is None else np.count_nonzero(chosen)
            all_here = every and active == count
            if i.op[0] == "bra":
                if 0 < active < count:
                    self.at[mask], self.at[chosen] = at + 1, step
                    return
                at = step if active else at + 1
                continue
            if i.op[0] == "ret":
                self.live &= ~chosen
                # For those who are gone nobody waits.
                self.waiting[:] = False
                self.at[mask] = at + 1
                return
            if i.op[0] in _MEETINGS and not all_here:
                met = self._met(i, chosen | (self.waiting & (self.at == at)))
                if not np.array_equal(met, chosen):
                    self.at[mask], self.at[chosen] = at + 1, at
                    self.waiting = (self.waiting | chosen) & ~met
                    self._execute(i, step, met)
                    self.at[met] = at + 1
                    return
            self._execute(i, step, True if all_here else chosen)
            at += 1
        self.at[mask] = at

    def _bind(self, at):
        """An instruction, the register of its guard, and a function of a mask that executes it, or where it leads."""
        i = self.program.code[at]
        if i.op[0] == "bra":
            step = self.program.labels[i.operands[0]]
        elif i.op[0] in BIND:
            step = BIND[i.op[0]](self, i)
        else:
            step = partial(EXECUTE[i.op[0]], self, i) if i.op[0] in EXECUTE else None
        self.steps[at] = i, None if i.guard is None else self.read(i.guard, "pred"), step
        return self.steps[at]

    def _met(self, i, here):
        """Those of `here` who need not wait, because all whom they wait for are here or gone."""
        missing = self.live & ~here
        if i.op[0] == "bar" and "warp" not in i.op:
            return here & ~np.repeat(missing.reshape(self.blocks, -1).any(1), self.block_size)
        if not missing.any():
            return here
        members = self.members(
            0xFFFFFFFF if "aligned" in i.op and i.op[0] != "bar" else self.read(i.operands[-1], "u32")
        )
        return here & ~(members & missing.reshape(-1, 1, WARP)).any(2).reshape(-1)

    def _execute(self, i, step, mask):
        # An address is wrong only if there is a thread that uses it.
        if mask is True or mask.any():
            try:
                step(mask)
            except Outside as error:
                raise Outside(f"[{self.program.name}] {error}: {i.text}") from None

    def members(self, bits):
        """[warps, lanes, 32]: whom each lane names by the bits of a number."""
        bits = np.broadcast_to(bits, len(self.threads)).reshape(-1, WARP, 1)
        return (bits >> np.arange(WARP, dtype=np.uint32) & 1).astype(bool)

    def read(self, operand, kind):
        """An operand as numbers of a type, one for each thread or one for all. Of a register it is a view, which
        follows what is written later."""
        key = operand, kind
        if key in self.views:
            return self.views[key]
        x = self._register(operand) if operand[0] == "%" else np.array([self._number(operand)], np.uint64)
        found = x.view(TYPES[kind])
        if len(found) != len(x):
            if len(found) < len(x):
                raise NotImplementedError(f"{operand}, which is narrower than {kind}")
            found = found[:: len(found) // len(x)]
        self.views[key] = found
        return found

    def target(self, register, dtype):
        """A view of a register for numbers of a type: narrow ones fill it with their sign or, unsigned, with zeros."""
        x, kind = self._register(register), dtype.kind
        return x if kind == "u" or kind == "b" or x.dtype.kind == "b" else x.view(f"{kind}{x.itemsize}")

    def write(self, register, x, mask):
        if register == "_":
            return
        to = self.target(register, x.dtype)
        if mask is True:
            to[...] = x
        else:
            np.copyto(to, x, "unsafe", mask)

    def places(self, space, operand, width):
        """A function of a mask that gives (threads, memory, indices into its bytes) of an operand like [%rd1+8]."""
        name, _, offset = operand[1:-1].partition("+")
        narrow = name.startswith("%") and self._register(name).itemsize == 4
        base = np.broadcast_to(self.read(name, "u32" if narrow else "u64"), len(self.threads))
        offset = base.dtype.type(int(offset or 0) % (1 << 8 * base.itemsize))

        def locate(mask):
            threads = slice(None) if mask is True else np.flatnonzero(mask)
            address = (base[threads] + offset).astype(np.int64)
            place = space
            if space == "generic":
                first = address.min()
                place = next((s for s in ("local", "shared") if first >= WINDOWS[s]), "global")
                address -= WINDOWS.get(place, 0)
            if (address & width - 1).any():
                raise Outside(f"an address that {width} does not divide")
            memory = self.own.get(place, self.memory)
            memory.check(address, width)
            if place in self.own:
                address += self.starts[place][threads]
            return threads, memory.bytes, address

        return locate

    def _register(self, name):
        if name not in self.registers:
            self.registers[name] = self.blank[self.program.registers[name]].copy()
        return self.registers[name]

    def _number(self, operand):
        if re.match(r"0[fFdD]", operand):
            return int(operand[2:], 16)
        return int(operand.rstrip("U"), 0) % (1 << 64) if re.match(r"-?\d", operand) else self._address(operand)

    def _address(self, operand):
        name, _, offset = operand.partition("+")
        places = (*self.program.offsets.values(), self.memory.names)
        return next(place[name] for place in places if name in place) + int(offset or 0)
