"""Instructions in which the lanes of a warp exchange values. The participating lanes have converged before."""

import numpy as np

WARP = 32


def _shfl(machine, i):
    """A lane that does not take part gives NaN."""
    to, _, valid = i.operands[0].partition("|")
    x, by, limits = (np.broadcast_to(machine.read(operand, "u32"), len(machine.threads)) for operand in i.operands[1:4])

    def find():
        """(the thread that each lane asks, whether it is within the segment)."""
        step, last, segment = (bits.astype(np.int64) & 31 for bits in (by, limits, limits >> 8))
        first = machine.lane & segment
        last = first | last & ~segment
        source = {
            "up": lambda: machine.lane - step,
            "down": lambda: machine.lane + step,
            "bfly": lambda: machine.lane ^ step,
            "idx": lambda: first | step & ~segment,
        }[i.op[2]]()
        inside = source >= last if i.op[2] == "up" else source <= last
        return machine.threads - machine.lane + np.where(inside, source, machine.lane), inside

    fixed = None if "%" in i.operands[2] + i.operands[3] else find()

    def step(mask):
        source, inside = fixed or find()
        given = x[source] if mask is True else np.where(mask[source], x[source], np.uint32(0xFFFFFFFF))
        machine.write(to, given, mask)
        if valid:
            machine.write(valid, inside, mask)

    return step


def _vote(machine, i, mask):
    members = machine.members(machine.read(i.operands[2], "u32")) & machine.live.reshape(-1, 1, WARP)
    votes = np.broadcast_to(machine.read(i.operands[1], "pred"), len(machine.threads)).reshape(-1, 1, WARP)
    result = _bits(members & votes) if i.op[2] == "ballot" else (votes | ~members).all(2)
    machine.write(i.operands[0], result.reshape(-1), mask)


def _activemask(machine, i, mask):
    active = (machine.live if mask is True else mask).reshape(-1, 1, WARP)
    machine.write(i.operands[0], np.repeat(_bits(active), WARP), mask)


def _bits(lanes):
    return np.bitwise_or.reduce(lanes.astype(np.uint32) << np.arange(WARP, dtype=np.uint32), axis=-1)


def _mma(machine, i):
    """d = a b + c, a of 16x8 or 16x16: lane l has of 8 rows and columns two neighbours in row l / 4, or of TF32 every
    fourth."""
    kind = i.op[7]
    d, a, b, c = ([name.strip() for name in operand.strip("{}").split(",")] for operand in i.operands)
    a, b = ([machine.read(name, "u32") for name in names] for names in (a, b))
    c = [machine.read(name, "f32") for name in c]
    warps = len(machine.threads) // WARP

    def step(mask):
        if kind == "tf32":
            left, right = (_tf32(x).reshape(-1, len(x) * 4, 8) for x in (a, b))
        else:
            left, right = _blocks(a, kind, 2), _blocks(b, kind, 1)
        start = np.stack(c).reshape(2, 2, warps, 8, 4).transpose(2, 0, 3, 4, 1).reshape(warps, 16, 8)
        sums = (left @ right.transpose(0, 2, 1) + start).astype(np.float32)
        for name, x in zip(d, sums.reshape(warps, 2, 8, 4, 2).transpose(1, 4, 0, 2, 3).reshape(4, -1)):
            machine.write(name, x, mask)

    return step


def _tf32(registers):
    """[warps, halves, 8, 2, 4]: two registers for each half of the rows. Tensor cores do not look at the last bits."""
    x = (np.stack(registers) & np.uint32(0xFFFFE000)).view(np.float32).reshape(2, len(registers) // 2, -1, 8, 4)
    return x.transpose(2, 1, 3, 0, 4).astype(np.float64)


def _blocks(registers, kind, down):
    """[warps, 8 * down, ...]: a register for each 8x8 block, `down` of them below one another."""
    blocks = [_halves(x, kind) for x in registers]
    return np.concatenate([np.concatenate(blocks[i : i + down], 1) for i in range(0, len(blocks), down)], 2)


def _pairs(x):
    """[warps, 8, 8] of what two neighbours of 16 bits are."""
    return x.view(np.uint16).reshape(-1, 8, 8)


def _halves(x, kind):
    bits = _pairs(x)
    x = bits.view(np.float16) if kind == "f16" else (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return x.astype(np.float64)


def _movmatrix(machine, i, mask):
    turned = np.ascontiguousarray(_pairs(machine.read(i.operands[1], "u32")).transpose(0, 2, 1))
    machine.write(i.operands[0], turned.view(np.uint32).reshape(-1), mask)


EXECUTE = {"vote": _vote, "activemask": _activemask, "movmatrix": _movmatrix}
BIND = {"shfl": _shfl, "mma": _mma}
