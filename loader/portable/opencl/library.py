"""Intel's OpenCL CPU runtime through ctypes: finding libintelocl.so, and the few calls that are used."""

import ctypes
import os
import platform
import re
import sys
import threading
from functools import cache
from pathlib import Path

from ...errors import BackendError

_INSTALL = "run: pip install intel-opencl-rt intel-cmplr-lib-rt (the extra `cpu` of metal-recurrence)."
_CPU = 2
_p, _u, _i, _size = ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_size_t
_SIGNATURES = {
    "clGetPlatformIDs": (_i, _u, _p, _p),
    "clGetDeviceIDs": (_i, _p, ctypes.c_ulong, _u, _p, _p),
    "clGetDeviceInfo": (_i, _p, _u, _size, _p, _p),
    "clCreateContext": (_p, _p, _u, _p, _p, _p, _p),
    "clCreateCommandQueueWithProperties": (_p, _p, _p, _p, _p),
    "clCreateProgramWithSource": (_p, _p, _u, _p, _p, _p),
    "clCreateProgramWithBinary": (_p, _p, _u, _p, _p, _p, _p, _p),
    "clBuildProgram": (_i, _p, _u, _p, ctypes.c_char_p, _p, _p),
    "clGetProgramBuildInfo": (_i, _p, _p, _u, _size, _p, _p),
    "clGetProgramInfo": (_i, _p, _u, _size, _p, _p),
    "clCreateKernel": (_p, _p, ctypes.c_char_p, _p),
    "clReleaseKernel": (_i, _p),
    "clReleaseProgram": (_i, _p),
    "clGetKernelWorkGroupInfo": (_i, _p, _p, _u, _size, _p, _p),
    "clSetKernelArg": (_i, _p, _u, _size, _p),
    "clSetKernelArgSVMPointer": (_i, _p, _u, _p),
    "clEnqueueNDRangeKernel": (_i, _p, _p, _u, _p, _p, _p, _u, _p, _p),
    "clFinish": (_i, _p),
}


@cache
def find_library():
    """(path of libintelocl.so, None), or (None, what is missing)."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return None, "it runs on x86-64 Linux only; choose LOADER_BACKEND=reference."
    path = Path(sys.prefix) / "lib" / "libintelocl.so"
    if path.is_file():
        return path.resolve(), None
    # Imported late: it costs 20 ms, and is asked only where the runtime is not in its usual place.
    from importlib import metadata

    try:
        files = metadata.files("intel-opencl-rt") or ()
    except metadata.PackageNotFoundError:
        return None, f"Intel's OpenCL runtime is not installed; {_INSTALL}"
    for file in files:
        if file.name == "libintelocl.so" and Path(file.locate()).is_file():
            return Path(file.locate()).resolve(), None
    return None, (
        "intel-opencl-rt is installed without its libraries, as `pip install --target` leaves it; "
        "install it into a virtual environment."
    )


class Library:
    """The loaded runtime with its one device, a context and an in-order queue."""

    def __init__(self, path, folder=None):
        self.path, self.folder = path, folder or _folder(path)
        try:
            library = _load(path, self.folder)
        except OSError as error:
            raise BackendError(f"[opencl] {path} cannot be loaded ({error}); {_INSTALL}") from None
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        platform_id, self.devices, status = (_p * 1)(), (_p * 1)(), _i()
        check("clGetPlatformIDs", self.clGetPlatformIDs(1, platform_id, None))
        check("clGetDeviceIDs", self.clGetDeviceIDs(platform_id[0], _CPU, 1, self.devices, None))
        self.context = self.clCreateContext(None, 1, self.devices, None, None, ctypes.byref(status))
        check("clCreateContext", status.value)
        self.queue = self.clCreateCommandQueueWithProperties(self.context, self.devices[0], None, ctypes.byref(status))
        check("clCreateCommandQueueWithProperties", status.value)

    def device_text(self, what):
        """A text of clGetDeviceInfo, such as the driver's version (0x102D)."""
        text = ctypes.create_string_buffer(4096)
        check("clGetDeviceInfo", self.clGetDeviceInfo(self.devices[0], what, 4096, text, None))
        return text.value.decode(errors="replace")


def _folder(path):
    """A folder that holds the runtime's files and has no blank in its path: there the runtime would cut it off."""
    if not re.search(r"\s", str(path.parent)):
        return path.parent
    # Imported late: few runtimes lie in such a place.
    import atexit
    import shutil
    import tempfile

    folder, owner = Path(tempfile.mkdtemp(prefix="metal-recurrence-")), os.getpid()
    # A forked child that exits must leave its parent's folder alone.
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    for file in path.parent.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def _load(path, folder):
    if folder == path.parent:
        return ctypes.CDLL(str(path))
    # The runtime looks beside itself, where a link to it leads. Mapped, it needs no name any more.
    copy = folder / f"{os.getpid()}.so"
    copy.write_bytes(path.read_bytes())
    try:
        return ctypes.CDLL(str(copy))
    finally:
        copy.unlink()


def check(call, status):
    """Raise BackendError unless an OpenCL call returned success."""
    if status != 0:
        raise BackendError(f"[opencl] {call} failed with status {status}.")


# One lock for all of OpenCL's state: kernel arguments are set and launched under it.
lock = threading.RLock()
_state = {"library": None, "forked": False}


def library(*place):
    """The runtime, loaded at the first call: where `find_library` finds it, or with the path and folder of another."""
    refuse_fork()
    if _state["library"] is None:
        with lock:
            _state["library"] = _state["library"] or Library(*(place or [_found()]))
    return _state["library"]


def _found():
    path, missing = find_library()
    if missing:
        raise BackendError(f"[opencl] {missing}")
    return path


def refuse_fork():
    """Raise BackendError in a child forked after the runtime was loaded; anything else there hangs."""
    if _state["forked"]:
        raise BackendError(
            "[opencl] this process was forked after its parent ran a kernel, and the runtime's threads did not "
            "survive that; start workers with multiprocessing's 'spawn' or 'forkserver' method."
        )


def _mark_fork():
    _state["forked"] = _state["library"] is not None


os.register_at_fork(after_in_child=_mark_fork)
