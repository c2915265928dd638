"""No engine at all: every op runs its plain-MLX twin, and kernels do not run."""

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
