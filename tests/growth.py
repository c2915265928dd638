"""How the time of a function grows with its input."""

import time

TIMES = 8  # as long as the short input
# Texts of about n characters that a tokenizer or a regular expression may take long for.
TEXTS = {
    "blanks": lambda n: " " * n,
    "lines": lambda n: "\n" * n,
    "a comment": lambda n: "/*" + " *" * n + "*/",
    "a comment that never ends": lambda n: "/*" * n,
    "line comments": lambda n: "// x\n" * (n // 5),
    "a string that never ends": lambda n: '"' + '\\"' * n,
    "one word": lambda n: "a" * n,
    "digits": lambda n: "1" * n,
}


def assert_linear(run, size):
    """`run(n)` of 8 times as large an n takes at most 24 times as long: linear time makes 8 of it, quadratic 64.

    The least of three runs counts, in seconds of this thread, whatever else a machine does. No two n are the same, so
    that nothing that a cache remembers counts.
    """
    short, long = (min(_seconds(run, n - n * i // 50) for i in range(3)) for n in (size // TIMES, size))
    assert long < 3 * TIMES * short, f"{TIMES} times the input took {long:.4f} s instead of {short:.4f} s"


def _seconds(run, n):
    before = time.thread_time()
    run(n)
    return time.thread_time() - before
