"""Parts of Metal that clang cannot stand in for: a file that uses one is left to Apple's compiler, with a note."""

import re

from . import branches
from .attributes import VALUES

_PARTS = {
    "ray tracing": r"metal_raytracing\b|\b(?:\w+_)?acceleration_structure\b|\bintersector\s*<|\bintersection_query\s*<"
    r"|\b(?:intersection|visible)_function_table\b",
    "mesh shaders": r"\bmesh_grid_properties\b|\bobject_data\b|\bmesh\s*<|\[\[\s*(?:mesh|object)\b",
    "indirect command buffers": r"metal_command_buffer\b|\b(?:command_buffer|render_command|compute_command)\b",
    "imageblocks": r"\bimageblock\s*<|\bthreadgroup_imageblock\b|\[\[\s*imageblock_data",
    "tessellation": r"\bpatch_control_point\s*<",
    "tensors": r"<metal_tensor>|MetalPerformancePrimitives|\bcooperative_tensor\b|\bmpp::|\b\w+b_format\b"
    r"|\btensor_ops\b",
    "rasterization rate maps": r"\brasterization_rate_map\w*\b",
    "sparse textures": r"\bsparse_(?:color|sample|read|gather)\w*",
    "interpolants": r"\binterpolant\s*<",
    "Apple's frameworks": r"#\s*(?:include|import)\s*[<\"](?:SwiftUI|CoreImage|SceneKit|RealityKit|ARKit|SpriteKit"
    r"|ModelIO|MetalPerformanceShaders|MetalFX|MetalKit)/",
}


def notes(source):
    """What of a file is left unchecked: one sentence, or none."""
    if is_body(source):
        yield "it is the body of a kernel, as mx.fast.metal_kernel takes it, and no whole file"
        return
    defined = branches.predefined() | {name.partition("=")[0] for name in source.options.define}
    texts = [branches.active(s.text, defined) for s in (source, *source.includes.values())]
    used = [name for name, pattern in _PARTS.items() if any(re.search(pattern, text) for text in texts)]
    if used:
        yield f"it uses {', '.join(used)}, for which lint has no declarations"


def is_left(source):
    """Whether a file is left to Apple's compiler."""
    return any(notes(source))


def is_body(source):
    """Whether a file holds statements with no function around them, where a broken file has brackets left over."""
    tokens, depth, statements = source.tokens, 0, 0
    if source.functions or re.search(r"^\s*#\s*(include|import|define)\b", source.text, re.MULTILINE):
        return False
    for i, token in enumerate(tokens):
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth < 0:
            return False
        before = tokens[i - 1].text if i else ";"
        if depth == 0 and before in (";", "}", ")"):
            statements += token.text in _STATEMENTS or any(after.text in _ASSIGNS for after in tokens[i + 1 : i + 2])
        statements += token.text in VALUES and before != "[["
    return depth == 0 and statements > 0


_OPENING, _CLOSING = ("(", "{", "[", "[["), (")", "}", "]", "]]")
_STATEMENTS = ("if", "for", "while", "do", "switch", "return")
_ASSIGNS = ("[", "=", "+=", "-=", "*=", "/=")
