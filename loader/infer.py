"""Arrays and template constants of a step that its entry leaves out, taken from the signature in the kernel's file."""

from .errors import suggest
from .spec import Array

_NUMBERS = ("int", "bool", "uint")


def pairs(value, what, parameters):
    """(parameter, array) of each input or output of a kernel: from a list, or from a mapping of some parameters; the
    array of any other parameter has its name. `parameters` are the file's, None if it cannot be read, which others
    report."""
    if parameters is None and value.is_mapping():
        return tuple((name, child.name()) for name, child in value.named().items())
    if value is None or value.is_mapping():
        given = {} if value is None else value.named()
        for name, child in given.items():
            if name not in parameters:
                takes = ", ".join(parameters)
                raise child.error(f"the kernel has no {what} {name!r}; it has {takes}.{suggest(name, parameters)}")
        return tuple((name, given[name].name() if name in given else name) for name in parameters)
    return tuple((child.name(), child.name()) for child in value.items())


def template(kernel, given, arrays, dtypes, names, step):
    """The template constants of a kernel, in its order: those `given`; else a dtype is that of the array declared
    with it, and a number has the value of its name. Unknown constants are left out; the loader sets HAS_<NAME>."""
    made = dict(given)
    for parameter in kernel.template:
        text = None if parameter.name in given else _value(parameter, kernel, arrays, dtypes, names)
        if text is not None:
            made[parameter.name] = names.expression(step, text)
    order = [parameter.name for parameter in kernel.template]
    return dict(sorted(made.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)))


def _value(parameter, kernel, arrays, dtypes, names):
    """The value of a template parameter as an expression, or None."""
    if parameter.type in _NUMBERS:
        return parameter.name if parameter.name in names.numbers else None
    return _dtype(parameter.name, kernel, arrays, dtypes)


def _dtype(typename, kernel, arrays, dtypes):
    """The dtype of the first array whose elements are of a template's typename, as an expression, or None."""
    for parameter in kernel.parameters:
        if typename in parameter.type.replace("*", " ").split() and parameter.name in arrays:
            return dtypes.get(arrays[parameter.name])
    return None


def dtypes(spec, variant):
    """The dtype of every array that a step may take or make, as an expression."""
    found = {array.name: f"dtype({array.name})" for array in spec.inputs}
    for array in (*spec.outputs, *variant.saved, *variant.workspace):
        found[array.name] = _declared(array, found)
    found |= {f"grad_{array.name}": found[array.name] for array in (*spec.inputs, *spec.outputs)}
    return found | {option.name: "float32" for option in spec.options if option.kind == "float"}


def _declared(array: Array, found):
    return array.dtypes[0] if array.like is None else found.get(array.like, array.like)
