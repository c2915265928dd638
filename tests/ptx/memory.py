"""Memory of a kernel: arrays with gaps between them, shared memory of blocks, local memory of threads."""

import numpy as np

# Where shared and local memory begin among generic addresses.
WINDOWS = {"shared": 1 << 40, "local": 1 << 41}
_GAP = 4096
# Of a vector of four words.
_WIDEST = 16


def _whole(size, unit):
    """Memory is given out in units: a word may reach beyond the last byte that is asked for."""
    return -(-size // unit) * unit


class Outside(AssertionError):
    """A kernel reads or writes outside of every array, or at an address that its width does not divide."""


class Memory:
    """The device's memory; `names` has the addresses of parameters and constants."""

    def __init__(self):
        self.bytes = np.full(_GAP, 0xFF, np.uint8)
        # How many bytes an access at each address may take.
        self.room = np.zeros(_GAP, np.uint8)
        self.names = {}

    def add(self, data):
        """The address of a copy of `data`, which may be bytes."""
        data = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
        address, whole = len(self.bytes), _whole(len(data), 4)
        more = np.full(_whole(whole, _GAP) + _GAP, 0xFF, np.uint8)
        more[: len(data)] = data
        self.bytes = np.concatenate([self.bytes, more])
        room = np.clip(whole - np.arange(len(more)), 0, _WIDEST).astype(np.uint8)
        self.room = np.concatenate([self.room, room])
        return address

    def check(self, address, width):
        # As unsigned numbers, negative ones lie beyond the end.
        if address.view(np.uint64).max() >= len(self.room) or self.room[address].min() < width:
            raise Outside("an address outside of every array")


class Own:
    """A memory that each block or each thread has for itself."""

    def __init__(self, size, owners):
        self.size, self.stride = _whole(size, 4), _whole(size, 16)
        self.bytes = np.full(self.stride * owners, 0xFF, np.uint8)

    def check(self, offset, width):
        if self.size < width or offset.view(np.uint64).max() > self.size - width:
            raise Outside("an address outside of the memory that the kernel declares")
