"""NVIDIA GPUs: the same Metal source as CUDA C++ through mx.fast.cuda_kernel, with headers that teach it Metal."""

import mlx.core as mx

NAME = "cuda"
LAZY = True


def missing():
    if mx.cuda.is_available():
        return None
    return (
        "it needs an NVIDIA GPU and MLX's CUDA backend; beside such a GPU run: pip install 'metal-recurrence[cuda13]'."
    )


def build(name, input_names, output_names, source, header, resident=1, **options):
    # Imported late: most machines have no such GPU.
    from .kernel import Kernel

    return Kernel(name, input_names, output_names, source, header, resident, **options)


def ready(arrays):
    return mx.default_device() == mx.Device(mx.gpu)


def prepare(launches, best=False):
    """MLX compiles a kernel at its first evaluation."""
