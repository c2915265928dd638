"""Says that kernels are being compiled: a moving line on a terminal, else one line, and nothing if it is quick."""

import contextlib
import re
import sys
import threading
import time

# Seconds of silence.
_LONG = 2.0


class Progress:
    """A context in which `total` kernels are compiled."""

    def __init__(self, total):
        self._total, self._done, self._names = total, 0, []
        self._ended, self._lock = threading.Event(), threading.Lock()

    def __enter__(self):
        threading.Thread(target=self._tell, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._ended.set()

    @contextlib.contextmanager
    def of(self, name):
        """While the kernel `name` is compiled."""
        shown = re.sub(r"_[0-9a-f]{8}$", "", name)
        with self._lock:
            self._names.append(shown)
        try:
            yield
        finally:
            with self._lock:
                self._names.remove(shown)
                self._done += 1

    def _tell(self):
        if self._ended.wait(_LONG):
            return
        stream = sys.stderr
        if stream is None or not stream.isatty():
            print(f"[loader] {self._line()}; compiled programs are kept for the next time", file=stream, flush=True)
            return
        began = time.monotonic() - _LONG
        while not self._ended.wait(0.2):
            print(f"\r\x1b[K{self._line()} ({time.monotonic() - began:.0f} s)", end="", file=stream, flush=True)
        print("\r\x1b[K", end="", file=stream, flush=True)

    def _line(self):
        with self._lock:
            at = min(self._done + 1, self._total)
            return f"compiling {', '.join(self._names)}, {at} of {self._total}"
