"""Memory with unmapped pages around it, and handlers of the accesses that miss: one tells which array was meant."""

import ctypes
import mmap
import os
import signal
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

_READ_WRITE, _PRIVATE_ANONYMOUS_UNRESERVED = 3, 0x4022
# Address space, not memory: wide enough that an index of -1 as a uint still falls on it.
_BEFORE, _AFTER = 8 * 2**30, 40 * 2**30
# Where nothing lies: an address that is none reads as 0. How many pages a kernel may miss before it is let crash.
_LOWEST, _MOST, _NO_REPLACE = 1 << 16, 4096, 0x100000
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
        report(*_fault(information, context))
        os._exit(1)

    _kept.append(handler)
    action = _Action(handler=ctypes.cast(handler, ctypes.c_void_p).value, flags=_WITH_INFORMATION)
    for number in (signal.SIGSEGV, signal.SIGBUS):
        _libc.sigaction(int(number), ctypes.byref(action), None)


def _fault(information, context):
    """The address of a bad access, and whether it is a write."""
    address = ctypes.c_uint64.from_address(information + _FAULT_ADDRESS).value
    code = ctypes.c_uint64.from_address(context + _FAULT_CODE).value
    return address, bool(code & 2)


class Net:
    """Catches accesses to unmapped memory while `spread`: an empty page takes each, so that the kernel goes on."""

    def __init__(self):
        self.spread, self._pages, self._previous = False, {}, _Action()
        # Two threads may miss one page at once: the second finds it mapped, and recorded.
        self._lock = threading.Lock()
        self._function = _HANDLER(self._catch)
        handler = ctypes.cast(self._function, ctypes.c_void_p).value
        self._action = _Action(handler=handler, flags=_WITH_INFORMATION)

    def install(self):
        """Come before the handler of Intel's runtime or of faulthandler, which gets what is not caught."""
        current = _Action()
        _libc.sigaction(signal.SIGSEGV, None, ctypes.byref(current))
        if current.handler != self._action.handler:
            self._previous = current
            _libc.sigaction(signal.SIGSEGV, ctypes.byref(self._action), None)

    def caught(self):
        """Whether the first access caught since the last time was a write, or None where there was none."""
        if not self._pages:
            return None
        is_write = next(iter(self._pages.values()))
        for page in self._pages:
            _libc.munmap(page, mmap.PAGESIZE)
        self._pages = {}
        return is_write

    def _catch(self, _, information, context):
        address, is_write = _fault(information, context)
        page = address // mmap.PAGESIZE * mmap.PAGESIZE
        with self._lock:
            if self.spread and (page in self._pages or self._map(page)):
                self._pages.setdefault(page, is_write)
            else:
                # The access is repeated, and goes to the handler that was there before.
                _libc.sigaction(signal.SIGSEGV, ctypes.byref(self._previous), None)

    def _map(self, page):
        if page < _LOWEST or len(self._pages) >= _MOST:
            return False
        mapped = _libc.mmap(page, mmap.PAGESIZE, _READ_WRITE, _PRIVATE_ANONYMOUS_UNRESERVED | _NO_REPLACE, -1, 0)
        if mapped not in (page, ctypes.c_void_p(-1).value):
            _libc.munmap(mapped, mmap.PAGESIZE)
        return mapped == page


net = Net()
