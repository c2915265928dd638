"""Memory with unmapped pages around it, and a handler that tells which array an access missed."""

import ctypes
import mmap
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

_READ_WRITE, _PRIVATE_ANONYMOUS_UNRESERVED = 3, 0x4022
# Address space, not memory: wide enough that an index of -1 as a uint still falls on it.
_BEFORE, _AFTER = 8 * 2**30, 40 * 2**30
_ALIGNMENT = 64
# Offsets on x86-64 Linux: siginfo_t.si_addr, and the error code of the fault, whose bit 1 says write.
_FAULT_ADDRESS, _FAULT_CODE = 16, 192


class Guarded:
    """`size` bytes between unmapped pages, flush with the one at the end or at the start.

    `unit` is the alignment that loads need; within it an access past the end goes unseen.
    """

    def __init__(self, size, at_end, unit=1):
        self.size = size
        self._length = max(1, -(-size // mmap.PAGESIZE)) * mmap.PAGESIZE
        self._base = _libc.mmap(None, _BEFORE + self._length + _AFTER, 0, _PRIVATE_ANONYMOUS_UNRESERVED, -1, 0)
        if self._base == ctypes.c_void_p(-1).value:
            raise MemoryError(f"[validation] no address space for {size} bytes between guard pages.")
        start = self._base + _BEFORE
        _libc.mprotect(start, self._length, _READ_WRITE)
        self.address = start + ((self._length - size) // unit * unit if at_end else 0)

    def offset(self, address):
        """How far `address` is from the first byte, if it is within reach of the guards, else None."""
        end = self._base + _BEFORE + self._length + _AFTER
        return address - self.address if self._base <= address < end else None

    def fill(self, data):
        ctypes.memmove(self.address, data, self.size)

    def bytes(self):
        return ctypes.string_at(self.address, self.size)

    def free(self):
        _libc.munmap(self._base, _BEFORE + self._length + _AFTER)


class _Action(ctypes.Structure):
    """glibc's struct sigaction."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_WITH_INFORMATION = 4
_kept = []


def on_fault(report):
    """Call `report(address, is_write)` at an access to unmapped memory, then end the process."""

    @_HANDLER
    def handler(_, information, context):
        address = ctypes.c_uint64.from_address(information + _FAULT_ADDRESS).value
        code = ctypes.c_uint64.from_address(context + _FAULT_CODE).value
        report(address, bool(code & 2))
        os._exit(1)

    _kept.append(handler)
    action = _Action(handler=ctypes.cast(handler, ctypes.c_void_p).value, flags=_WITH_INFORMATION)
    for number in (signal.SIGSEGV, signal.SIGBUS):
        _libc.sigaction(int(number), ctypes.byref(action), None)
