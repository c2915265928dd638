"""Rules about a kernel's signature: attributes, their types, buffers."""

from .finding import Finding
from .tokens import closing

_VECTORS = ("thread_position_in_grid", "thread_position_in_threadgroup", "threadgroup_position_in_grid",
            "threads_per_grid", "threads_per_threadgroup", "threadgroups_per_grid", "dispatch_threads_per_threadgroup",
            "grid_origin", "grid_size")  # fmt: skip
_SCALARS = ("thread_index_in_threadgroup", "thread_index_in_simdgroup", "thread_index_in_quadgroup",
            "simdgroup_index_in_threadgroup", "quadgroup_index_in_threadgroup", "simdgroups_per_threadgroup",
            "quadgroups_per_threadgroup", "dispatch_simdgroups_per_threadgroup", "dispatch_quadgroups_per_threadgroup",
            "thread_execution_width", "threads_per_simdgroup")  # fmt: skip
VALUES = (*_VECTORS, *_SCALARS)
# What differs between the threads of a threadgroup, and between those of a simdgroup.
VARYING = ("thread_position_in_grid", "thread_position_in_threadgroup", "thread_index_in_threadgroup",
           "thread_index_in_simdgroup", "thread_index_in_quadgroup", "simdgroup_index_in_threadgroup",
           "quadgroup_index_in_threadgroup")  # fmt: skip
# Of graphics functions and their structures, and of newer features.
_GRAPHICS = ("position", "point_size", "flat", "attribute", "color", "depth", "sample_mask", "stencil", "index",
             "early_fragment_tests", "vertex_id", "instance_id", "base_vertex", "base_instance", "front_facing",
             "sample_id", "point_coord", "primitive_id", "barycentric_coord", "clip_distance", "invariant", "payload",
             "object", "mesh", "max_total_threadgroups_per_mesh_grid", "user_instance_id",
             "center_perspective", "center_no_perspective",
             "centroid_perspective", "centroid_no_perspective", "sample_perspective", "sample_no_perspective", "shared",
             "render_target_array_index", "viewport_array_index", "amplification_id", "amplification_count",
             "position_in_patch", "patch_id", "control_point_index", "imageblock_data", "implicit_imageblock",
             "alias_implicit_imageblock", "alias_implicit_imageblock_color", "pixel_position_in_tile", "tile_index",
             "pixels_per_tile", "thread_position_in_mesh_grid", "function_groups", "intersection",
             "accept_intersection", "distance", "origin", "direction", "min_distance", "max_distance",
             "world_space_origin", "world_space_direction", "geometry_id", "continue_search",
             "instance_intersection_function_table_offset",
             "opaque_primitive", "geometry_intersection_function_table_offset", "primitive_data", "curve_parameter",
             "key_frame_count", "time", "motion_start_time", "motion_end_time", "stitchable", "visible", "extern",
             "render_target", "threads_per_object_threadgroup", "cull_distance", "instance_count", "vertex_count",
             "max_total_threads_per_mesh_threadgroup", "requires_dispatch_threads_per_threadgroup", "sampler",
             "clamp_to_edge", "dynamic_libraries", "func", "dispatch_threads_per_threadgroup")  # fmt: skip
_OTHERS = ("kernel", "buffer", "threadgroup", "texture", "sampler", "id", "function_constant", "visible", "host_name",
           "max_total_threads_per_threadgroup", "required_threads_per_threadgroup", "stage_in", "patch",
           "likely", "unlikely", "maybe_unused", "nodiscard", "fallthrough", "clang", "unroll", "gnu", "deprecated",
           "always_inline", "noinline", "user", "raster_order_group", "vertex", "fragment")  # fmt: skip
# Parts of the types of parameters that need no attribute. One without a name is a macro of parameters.
_UNMARKED = ("texture", "sampler", "imageblock")
# Ends of the types that are bound to the index of a buffer themselves.
_BOUND = ("structure", "table")
_LAST_BUFFER = 30
_MOST_THREADS = 1024


def check(file, lines, tokens, functions):
    """Findings in the attributes of a file and the signatures of its kernels."""

    def finding(token, rule, message):
        return Finding(file, *lines.at(token.start), rule, message)

    yield from _unknown(finding, tokens)
    yield from _host_names(finding, lines, tokens)
    resources = _structs_of_resources(tokens)
    for function in functions:
        if function.is_kernel:
            yield from _kernel(finding, function, lines, resources)


def _structs_of_resources(tokens):
    """The structs whose members have attributes: textures and samplers, say, which have places of their own."""
    found = set()
    for i, token in enumerate(tokens[:-2]):
        if token.text == "struct" and tokens[i + 2].text == "{":
            if any(inner.text == "[[" for inner in tokens[i + 2 : closing(tokens, i + 2)]):
                found.add(tokens[i + 1].text)
    return found


def _unknown(finding, tokens):
    for i, token in enumerate(tokens):
        name = tokens[i + 1].text if token.text == "[[" and i + 1 < len(tokens) else ""
        # Attributes have lower case letters: others are of macros.
        if name.islower() and name not in (*VALUES, *_OTHERS, *_GRAPHICS):
            yield finding(tokens[i + 1], "attribute", f"there is no attribute {name}")


def _host_names(finding, lines, tokens):
    seen = {}
    for i, token in enumerate(tokens):
        if token.text == "host_name" and i + 2 < len(tokens) and tokens[i + 2].kind == "string":
            name = tokens[i + 2].text
            if name in seen and not lines.exclude(seen[name].start, token.start):
                yield finding(token, "attribute", f"the host name {name} is there already")
            seen[name] = token


def _kernel(finding, function, lines, resources):
    for name, (token, arguments) in function.attributes.items():
        if name.endswith("threads_per_threadgroup") and arguments and arguments[0].isdigit():
            if int(arguments[0]) > _MOST_THREADS:
                yield finding(token, "threads", f"expected at most {_MOST_THREADS} threads but got {arguments[0]}")
    returned = [token for token in function.returns if token.text not in ("inline", "static", "METAL_FUNC")]
    if [token.text for token in returned] != ["void"]:
        written = " ".join(token.text for token in returned) or "nothing"
        yield finding(function.name, "kernel-return", f"{function.name.text} is declared to return {written}, not void")
    seen = {}
    for parameter in _of_one_unit(function.parameters, lines):
        for name, (token, arguments) in parameter.attributes.items():
            key = (name, arguments)
            # Of parameters with function constants one pipeline has one.
            is_one_of_several = any("function_constant" in p.attributes for p in (parameter, seen.get(key, parameter)))
            if key in seen and name in (*VALUES, "buffer", "texture", "sampler") and not is_one_of_several:
                rule = "buffer-index" if name == "buffer" else "attribute"
                index = f"({arguments[0]})" if arguments else ""
                yield finding(token, rule, f"{name}{index} is there already, on {_called(seen[key])}")
            seen[key] = parameter
        yield from _parameter(finding, parameter, resources)


def _of_one_unit(parameters, lines):
    """The parameters without those of an `#else`."""
    kept = []
    for parameter in parameters:
        if not kept or not lines.exclude(kept[-1].tokens[-1].start, parameter.tokens[0].start):
            kept.append(parameter)
    return kept


def _called(parameter):
    return parameter.name.text if parameter.name else "another parameter"


def _parameter(finding, parameter, resources):
    place, attributes = parameter.tokens[0], parameter.attributes
    name = parameter.name.text if parameter.name else "this parameter"
    for attribute in attributes:
        if attribute in VALUES:
            yield from _type(finding, parameter, attribute)
    if parameter.is_pointer:
        if not parameter.words & {"device", "constant", "threadgroup"}:
            yield finding(place, "pointer-space", f"{name} is a pointer without device, constant or threadgroup")
        for attribute in set(attributes) & set(VALUES):
            yield finding(place, "attribute", f"{name} is a buffer, so it cannot be {attribute}")
    elif "buffer" in attributes and not any(w.startswith("tensor") or w.endswith(_BOUND) for w in parameter.words):
        yield finding(place, "parameter", f"{name} is a buffer, so it must be a pointer or a reference")
    elif parameter.name and not attributes and not parameter.words & resources and not _needs_no_mark(parameter):
        yield finding(place, "parameter", f"{name} is neither a buffer nor has an attribute")
    if "buffer" in attributes and attributes["buffer"][1]:
        index = attributes["buffer"][1][0]
        if index.isdigit() and int(index) > _LAST_BUFFER:
            yield finding(attributes["buffer"][0], "buffer-index", f"expected at most {_LAST_BUFFER} but got {index}")


def _needs_no_mark(parameter):
    return any(part in word for part in _UNMARKED for word in parameter.words)


def _type(finding, parameter, attribute):
    given = " ".join(token.text for token in parameter.type if token.text not in ("const", "metal", "::"))
    fits = ("uint", "ushort", "uint32_t", "uint16_t", "unsigned", "unsigned int")
    if attribute in _VECTORS:
        fits += ("uint2", "uint3", "ushort2", "ushort3")
    if given not in fits and not parameter.is_pointer:
        wanted = "uint3" if attribute in _VECTORS else "uint"
        yield finding(parameter.tokens[0], "attribute-type", f"{attribute} is {wanted} but is declared as {given}")
