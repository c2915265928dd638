"""The engine without kernels: every op runs its reference, in plain MLX."""

NAME = "reference"
LAZY = True


def missing():
    return None


def build(name, input_names, output_names, source, header, resident=1):
    return None


def ready(arrays):
    return False


def prepare(launches, best=False):
    """There is nothing to compile."""
