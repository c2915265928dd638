"""Processes that do lint's jobs: a file that libclang dies on ends one of them, and lint goes on with the next job."""

import atexit
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from multiprocessing.connection import Connection, Pipe, wait

from .finding import Finding, LintError
from .guard import INTERNAL, failure

# A job that takes longer hangs.
SECONDS = 120
_MOST_PROCESSES = 8
# A second process pays off from this many jobs on.
_FEW = 12
# What one process may use: memory, and the stack for expressions of many thousand terms.
_MEMORY, _STACK, _DEPTH = 4 << 30, 512 << 20, 100_000


@cache
def shared():
    """The pool of this process; it is kept because a start takes longer than most jobs."""
    pool = Pool()
    atexit.register(pool.close)
    return pool


class Pool:
    """A job has a `name` for findings, and a `run()` that returns findings and further jobs."""

    def __init__(self):
        self._idle = []

    def run(self, jobs):
        """The results of each job, as they end. One that ends its process or hangs results in a finding."""
        most = 1 if len(jobs) < _FEW else min(os.cpu_count() or 1, _MOST_PROCESSES)
        waiting, busy = list(reversed(jobs)), {}
        try:
            while waiting or busy:
                while waiting and len(busy) < most:
                    process = self._idle.pop() if self._idle else _Process()
                    busy[process.pipe] = process
                    process.start(waiting.pop())
                for pipe in wait(busy, timeout=1):
                    process = busy.pop(pipe)
                    results = process.results()
                    if process.is_alive:
                        self._idle.append(process)
                    yield results
                for process in busy.values():
                    process.end_if_late()
        finally:
            for process in busy.values():
                process.close()

    def close(self):
        while self._idle:
            self._idle.pop().close()


class _Process:
    """A Python process that does one job after another. Its pipe ends when it does."""

    def __init__(self):
        self.is_alive, self._late = True, False
        self.pipe, theirs = Pipe()
        start = f"import sys; sys.path[:] = {sys.path!r}; from tools.lint import pool; pool.serve({theirs.fileno()})"
        with theirs:
            self._child = subprocess.Popen([sys.executable, "-c", start], pass_fds=[theirs.fileno()])

    def start(self, job):
        self._job, self._deadline = job, time.monotonic() + SECONDS
        try:
            self.pipe.send(job)
        except OSError:
            # The process has ended: then so has its pipe, and `results` says how.
            pass

    def end_if_late(self):
        if time.monotonic() > self._deadline:
            self._late = True
            self._child.kill()

    def results(self):
        """What the job resulted in. Raises LintError where lint cannot run."""
        try:
            results = self.pipe.recv()
        except (EOFError, OSError):
            self.is_alive = False
            self.close()
            return [Finding(self._job.name, 1, 1, INTERNAL, self._death())]
        if isinstance(results, LintError):
            raise results
        return results

    def _death(self):
        code = self._child.returncode
        if self._late:
            return f"lint gave this up after {SECONDS} s"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the process that checked this ended with {how}"

    def close(self):
        self.pipe.close()
        if self.is_alive:
            self._child.kill()
        self._child.wait()


def serve(descriptor):
    """Do the jobs that come through a pipe until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > _MEMORY:
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, hard))
    # libclang would parse on a thread of its own, whose stack is small.
    os.environ["LIBCLANG_NOTHREADS"] = "1"
    sys.setrecursionlimit(_DEPTH)
    threading.stack_size(_STACK)
    threading.Thread(target=_do_jobs, args=(Connection(descriptor),)).start()


def _do_jobs(pipe):
    unraised = []
    # Python drops what a callback of libclang raises.
    sys.unraisablehook = lambda dropped: unraised.append(dropped.exc_value)
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            os._exit(0)
        try:
            results = [*job.run()]
        except LintError as error:
            results = error
        except Exception as error:
            results = [failure(job.name, "lint", error)]
        else:
            results += [failure(job.name, "libclang", error) for error in unraised]
        unraised.clear()
        pipe.send(results)
