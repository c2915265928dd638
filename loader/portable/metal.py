"""Apple GPUs: mx.fast.metal_kernel itself. Kernels are built on every machine and run where Metal is."""

import mlx.core as mx

NAME = "metal"
LAZY = True
# Math mode safe keeps NaN, infinity and the order of sums. It does not say how exact bare exp, log and sqrt are.
MATH_MODE = "safe"


def missing():
    if mx.metal.is_available():
        return None
    return "it needs an Apple GPU; choose LOADER_BACKEND=opencl on x86-64 Linux, or reference."


def build(name, input_names, output_names, source, header, resident=1):
    return mx.fast.metal_kernel(
        name=name,
        input_names=input_names,
        output_names=output_names,
        source=source,
        header=header,
        compile_options={"math_mode": MATH_MODE},
    )


def ready(arrays):
    return mx.default_device() == mx.Device(mx.gpu)


def prepare(launches, best=False):
    """MLX compiles a kernel at its first evaluation."""
