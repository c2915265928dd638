"""Processes that may die in the caller's place: the compiler, and kernels under validation."""

import atexit
import contextlib
import ctypes
import os
import pickle
import signal
import sys
import threading
from pathlib import Path

from ... import errors
from .library import library

_START = Path(__file__).parent / "start.py"
_CLOSE_ON_EXEC = 1


def _memory_file():
    """A file without a name, by the C library: not every Python has os.memfd_create."""
    file = ctypes.CDLL(None, use_errno=True).memfd_create(b"standard error", _CLOSE_ON_EXEC)
    if file < 0:
        raise errors.BackendError(f"[opencl] memfd_create failed: {os.strerror(ctypes.get_errno())}.")
    return file


class Ended(Exception):
    """A child ended instead of answering. The message says how."""


class Late(Ended):
    """A child was ended, since it took too long to answer."""


class Child:
    """A process that answers requests by a module beside this one, started when needed and again after it ended."""

    def __init__(self, module, environment=None, niceness=0):
        self._module, self._environment, self._niceness = module, environment or {}, niceness
        self._process, self._lock = None, threading.Lock()
        atexit.register(self._stop_at_exit)

    def ask(self, request, seconds=None):
        """The tuple that the module answers. Raises the LoaderError that the module raised, or Ended; Late, if it took
        more than `seconds`."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            said = os.fstat(self._said).st_size
            # At exit another thread stops the process, and forgets it, while this one waits for an answer.
            process, late = self._process, threading.Event()
            timer = threading.Timer(seconds or 0, lambda: (late.set(), process.kill()))
            try:
                if seconds:
                    timer.start()
                pickle.dump(request, process.stdin)
                process.stdin.flush()
                answer = pickle.load(process.stdout)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                raise (Late if late.is_set() else Ended)(self._end(process, said)) from None
            except BaseException:
                # Nobody will read the answer to a request that was interrupted.
                self._stop()
                raise
            finally:
                timer.cancel()
        if answer[0] == "error":
            _, kind, message = answer
            raise getattr(errors, kind)(message)
        return answer

    def stop(self):
        """End the process; the next request starts another."""
        with self._lock:
            self._stop()

    def _start(self):
        # Imported late: it takes a tenth of our import, and a process that finds all it needs in the cache starts none.
        import subprocess

        self._stop()
        if getattr(sys, "frozen", False):
            raise errors.BackendError(
                "[opencl] compiles in a process of its own, which a frozen application cannot start; choose "
                "LOADER_BACKEND=reference."
            )
        self._owner, self._said = os.getpid(), _memory_file()
        command = [sys.executable, "-I", "-S", _START, self._module, library().path, library().folder]
        command.append(str(self._niceness))
        try:
            # In a session of its own Ctrl-C reaches this process alone.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                start_new_session=True,
                env={**os.environ, **self._environment},
            )
        except OSError as error:
            os.close(self._said)
            raise errors.BackendError(f"[opencl] expected {sys.executable!r} to start but got: {error}.") from None

    def _stop(self):
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        with contextlib.suppress(OSError), process:
            os.close(self._said)

    def _stop_at_exit(self):
        # A forked child that exits must leave its parent's process alone.
        if self._process is not None and self._owner == os.getpid():
            self._stop()

    def _end(self, process, said):
        """How the process ended, with the last line that it printed after the first `said` bytes."""
        code, lines = process.wait(), []
        with contextlib.suppress(OSError):
            lines = os.pread(self._said, 1 << 16, said).decode(errors="replace").splitlines()
            self._stop()
        how = f"code {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"
        # A backtrace and the request to report it to Intel are no line to show.
        said = [line for line in lines if line.strip() and not line.startswith(("PLEASE", " #", "Stack dump"))]
        return ": ".join([how, *said[-1:]])
