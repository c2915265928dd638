"""Instructions in which the lanes of a warp exchange values. The participating lanes have converged before."""

import numpy as np

WARP = 32


def _shfl(machine, i, mask):
    """A lane that does not take part gives NaN."""
    to, _, valid = i.operands[0].partition("|")
    x, by, limits = (np.broadcast_to(machine.read(operand, "u32"), len(machine.threads)) for operand in i.operands[1:4])
    by, last, segment = (bits.astype(np.int64) & 31 for bits in (by, limits, limits >> 8))
    first = machine.lane & segment
    last = first | last & ~segment
    up = i.op[2] == "up"
    source = {
        "up": lambda: machine.lane - by,
        "down": lambda: machine.lane + by,
        "bfly": lambda: machine.lane ^ by,
        "idx": lambda: first | by & ~segment,
    }[i.op[2]]()
    inside = source >= last if up else source <= last
    source = machine.threads - machine.lane + np.where(inside, source, machine.lane)
    takes_part = machine.live if mask is True else mask
    machine.write(to, np.where(takes_part[source], x[source], np.uint32(0xFFFFFFFF)), mask)
    if valid:
        machine.write(valid, inside, mask)


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


def _mma(machine, i, mask):
    """d = a b + c, a of 16x8: lane l has of 8 rows and columns two neighbours in row l / 4, or of TF32 every fourth."""
    kind = i.op[7]
    d, a, b, c = ([name.strip() for name in operand.strip("{}").split(",")] for operand in i.operands)
    if kind == "tf32":
        upper, lower = (np.concatenate([_tf32(machine, x) for x in a[n::2]], 2) for n in (0, 1))
        right = np.concatenate([_tf32(machine, x) for x in b], 2)
    else:
        upper, lower, right = (_halves(machine, x, kind) for x in (*a, *b))
    for left, numbers in ((upper, (0, 1)), (lower, (2, 3))):
        start = np.stack([_quads(machine.read(c[n], "f32")) for n in numbers], 3).reshape(-1, 8, 8)
        sums = (left @ right.transpose(0, 2, 1) + start).astype(np.float32).reshape(-1, 8, 4, 2)
        for n in numbers:
            machine.write(d[n], np.ascontiguousarray(sums[..., n % 2]).reshape(-1), mask)


def _quads(x):
    return x.astype(np.float64).reshape(-1, 8, 4)


def _tf32(machine, register):
    """Tensor cores do not look at the last bits."""
    return _quads((machine.read(register, "u32") & np.uint32(0xFFFFE000)).view(np.float32))


def _pairs(machine, register):
    """[warps, 8, 8] of what two neighbours of 16 bits are."""
    return np.ascontiguousarray(machine.read(register, "u32")).view(np.uint16).reshape(-1, 8, 8)


def _halves(machine, register, kind):
    bits = _pairs(machine, register)
    x = bits.view(np.float16) if kind == "f16" else (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return x.astype(np.float64)


def _movmatrix(machine, i, mask):
    turned = np.ascontiguousarray(_pairs(machine, i.operands[1]).transpose(0, 2, 1))
    machine.write(i.operands[0], turned.view(np.uint32).reshape(-1), mask)


EXECUTE = {
    "shfl": _shfl,
    "vote": _vote,
    "activemask": _activemask,
    "mma": _mma,
    "movmatrix": _movmatrix,
}
