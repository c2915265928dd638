"""NVRTC, CUDA's run-time compiler, of the extra `nvrtc`: it needs no GPU and no driver."""

import ctypes
import re
from functools import cache
from importlib import metadata
from pathlib import Path

import mlx.core as mx

from loader.portable.cuda import unit

_TYPES = {
    mx.bool_: "bool",
    mx.int8: "int8_t",
    mx.int16: "int16_t",
    mx.int32: "int32_t",
    mx.int64: "int64_t",
    mx.uint8: "uint8_t",
    mx.uint16: "uint16_t",
    mx.uint32: "uint32_t",
    mx.uint64: "uint64_t",
    mx.float16: "__half",
    mx.bfloat16: "__nv_bfloat16",
    mx.float32: "float",
    mx.complex64: "complex64_t",
}
# The part of MLX's own header that kernels use.
_MLX_HEADER = """
#include <cuda/std/complex>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda/std/array>
#include <cuda/std/limits>
#include <cuda/std/tuple>
namespace mlx::core::cu {
using complex64_t = cuda::std::complex<float>;
using Shape = cuda::std::array<int32_t, 10>;
using Strides = cuda::std::array<int64_t, 10>;
}
#include <cooperative_groups.h>
"""


class Refused(AssertionError):
    """A source does not compile. The message is the compiler's log."""


@cache
def folder():
    """The folder of the extra nvrtc's packages, or None if they are not installed."""
    try:
        files = metadata.files("nvidia-cuda-nvrtc") or ()
    except metadata.PackageNotFoundError:
        return None
    libraries = [Path(file.locate()) for file in files if re.fullmatch(r"libnvrtc\.so\.\d+", file.name)]
    root = libraries[0].resolve().parents[1] if libraries else None
    # The compiler needs the headers of two more packages.
    return (
        root if root and (root / "include" / "cccl").is_dir() and (root / "include" / "cuda_fp16.h").is_file() else None
    )


@cache
def _library():
    # It searches the system's folders for its builtins, unless they are loaded.
    for path in folder().glob("lib/libnvrtc-builtins.so.*"):
        ctypes.CDLL(str(path))
    (library,) = folder().glob("lib/libnvrtc.so.*")
    return ctypes.CDLL(str(library))


def compile(text, architecture="sm_90", options=()):
    """(PTX, log) of a source, compiled after MLX's header, with further compiler options.

    Raises Refused if it does not compile.
    """
    nvrtc, program = _library(), ctypes.c_void_p()
    options = [
        f"--gpu-architecture={architecture}",
        "--device-as-default-execution-space",
        "--disable-warnings",
        f"--include-path={folder() / 'include'}",
        f"--include-path={folder() / 'include' / 'cccl'}",
        *options,
    ]
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    text = (_MLX_HEADER + text).encode()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"unit.cu", 0, None, None) == 0
    try:
        if nvrtc.nvrtcCompileProgram(program, len(options), given):
            raise Refused(_part(nvrtc, program, "ProgramLog"))
        return _part(nvrtc, program, "PTX"), _part(nvrtc, program, "ProgramLog")
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def kernel(name, input_names, inputs, output_names, output_dtypes, source):
    """The kernel that MLX 0.32.4 writes around the source; of `inputs` the dtype and the rank count."""
    parameters = []
    for n, x in zip(input_names, inputs):
        parameters.append(f"const {_TYPES[x.dtype]}* {n}")
        kinds = {"shape": "Shape", "strides": "Strides", "ndim": "int"} if x.ndim else {}
        parameters += [f"const __grid_constant__ {t} {n}_{k}" for k, t in kinds.items() if f"{n}_{k}" in source]
    parameters += [f"{_TYPES[dtype]}* {n}" for n, dtype in zip(output_names, output_dtypes)]
    return (
        "namespace mlx::core::cu {\nnamespace cg = cooperative_groups;\n"
        f"__global__ void {name}({', '.join(parameters)}) {{\n{source}\n}}\n}}\n"
    )


def join(units, headers=None):
    """Many kernels as one source, since CUDA's headers take most of the time: `units` are headers and kernels by name.
    `headers` stand in for Metal's library, by default the cuda engine's own."""
    swizzles, parts = set(), []
    for name, text in units.items():
        words, rest = text.split(unit.headers())
        swizzles |= set(re.findall(r"M\(\w+, [\d, ]+\)", words))
        again = "".join(f"#define {word}\n" for word in unit.WORDS)
        parts.append(again + rest.replace("metal::unit", f"metal::unit_{name}"))
    return f"#define MSL_SWIZZLES(M) {' '.join(sorted(swizzles))}\n{headers or unit.headers()}{''.join(parts)}"


def _part(nvrtc, program, part):
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{part}Size")(program, ctypes.byref(size))
    found = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{part}")(program, found)
    return found.value.decode()
