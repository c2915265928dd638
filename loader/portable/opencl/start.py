"""The start of a process that may die in its caller's place, run by its path:
`start.py MODULE RUNTIME FOLDER NICENESS`.

Python runs it isolated (-I -S), so that it imports Python's own modules and ours and nothing of the working directory.
It reads pickled requests from its standard input until that ends, and answers each with `answer(request, send)` of
the module beside it: ("done", result), ("error", kind, message), or what the module itself sends.
"""

import importlib
import os
import pickle
import resource
import select
import sys
import threading
import types
from pathlib import Path

_HERE = "loader.portable.opencl"
# Packages whose __init__.py is not run, by how many folders above this file they are.
_PACKAGES = {_HERE: 0, "loader": 2}


def main(module, runtime, folder, niceness):
    os.nice(int(niceness))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What the runtime may print must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def send(answer):
        pickle.dump(answer, answers)
        answers.flush()

    # The compiler finds its headers where it runs, because not every path can be written in its options; and the
    # runtime takes settings from a cl.cfg there, which must not be the caller's.
    _name_packages()
    os.chdir(importlib.import_module("loader.portable").dialect("opencl"))
    module = importlib.import_module(f"{_HERE}.{module}")
    errors = importlib.import_module("loader.errors")
    library = importlib.import_module(f"{_HERE}.library")
    if module.ONE_CORE:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    library.library(Path(runtime), Path(folder))
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            send(("done", module.answer(request, send)))
        except errors.LoaderError as error:
            send(("error", type(error).__name__, str(error)))


def _end_with_parent():
    """End in the middle of a request too, once nobody holds the other end of the input."""
    poll = select.poll()
    poll.register(0, 0)
    poll.poll()
    os._exit(1)


def _name_packages():
    """Our packages without what they import: MLX takes longer to load than a kernel to compile."""
    folders = Path(__file__).resolve().parents
    for name, above in _PACKAGES.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(folders[above])]


if __name__ == "__main__":
    main(*sys.argv[1:])
