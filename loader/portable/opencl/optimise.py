"""Optimised builds in the background, one after the other, whenever nothing else is compiled."""

import queue
import threading

from ...errors import LoaderError
from .child import Child, Ended
from .compiler import environment

_waiting = queue.SimpleQueue()
_state = {"thread": None}
_lock = threading.Lock()


def later(program):
    """Build the program optimised behind the caller's back."""
    _waiting.put(program)
    with _lock:
        if _state["thread"] is None:
            _state["thread"] = threading.Thread(target=_work, daemon=True, name="loader optimises")
            _state["thread"].start()


def _work():
    compiler = Child("compiler", environment(), niceness=19)
    while True:
        program = _waiting.get()
        try:
            program.optimise(compiler)
        except (LoaderError, Ended, OSError):
            # The quick build goes on.
            continue
