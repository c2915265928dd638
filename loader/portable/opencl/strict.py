"""A kernel as MLX hands it to Apple's compiler, and what lint says of it, where lint is there: in a checkout."""

from functools import lru_cache
from importlib.util import find_spec

from .. import signature


def findings(kernel, arguments, output_dtypes, template):
    """Sentences about what Apple's compiler refuses in a kernel and a CPU runs; none where lint is not installed."""
    if find_spec("tools") is None or find_spec("tools.lint") is None or find_spec("clang") is None:
        return []
    return list(_said(kernel.name, unit(kernel, arguments, output_dtypes, template)))


@lru_cache(maxsize=256)
def _said(name, text):
    from tools.lint import strict

    return tuple(strict.sentences(name, text))


def unit(kernel, arguments, output_dtypes, template):
    """The kernel's text with a signature as MLX writes it, template arguments in place."""
    parameters = []
    for name, argument in zip(kernel.input_names, arguments):
        space = "constant" if argument.small else "device"
        parameters.append(f"const {space} {signature.TYPES[argument.dtype]}{'&' if argument.scalar else '*'} {name}")
        for size in () if argument.scalar else signature.sizes_read(kernel.source, name):
            kind = {"shape": "int*", "strides": "int64_t*", "ndim": "int&"}[size]
            parameters.append(f"const constant {kind} {name}_{size}")
    for name, dtype in zip(kernel.output_names, output_dtypes):
        element = signature.TYPES[dtype]
        parameters.append(f"device {f'atomic<{element}>' if kernel.atomic_outputs else element}* {name}")
    for kind, names in (("uint3", signature.VECTORS), ("uint", signature.SCALARS)):
        parameters += [f"{kind} {name} [[{name}]]" for name in names if name in kernel.source]
    return "\n".join(
        [
            "#include <metal_stdlib>",
            '#include "mlx/backend/metal/kernels/utils.h"',
            '#line 1 "header"',
            kernel.header,
            # MLX's prefix: no function that the kernel calls has such a name.
            f"[[kernel]] void custom_kernel_{kernel.name}({', '.join(parameters)}) {{",
            *(signature.constant(name, value) for name, value in template),
            f'#line 1 "{kernel.name}"',
            kernel.source,
            "}",
            "",
        ]
    )
