"""The text of a PTX module as programs."""

import re
from dataclasses import dataclass, field

import numpy as np

_LETTERS = {"b": "u", "u": "u", "s": "i"}
# u32 and so on; bits without a type count as unsigned.
TYPES = {
    "pred": np.bool_,
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
    **{f"{kind}{8 * n}": np.dtype(f"{letter}{n}").type for kind, letter in _LETTERS.items() for n in (1, 2, 4, 8)},
}
_ENTRY = re.compile(r"\.visible \.entry (\w+)\((.*?)\)\s*(?:\.\w+[^\n{]*\n)*\s*\{", re.S)
_VARIABLE = re.compile(r"\.(\w+) (?:\.align (\d+) )?\.(\w+) ([\w$]+)(?:\[(\d+)\])?(?: = ([^;]+))?")
_STATEMENT = re.compile(r"\s*(?:([$\w]+:)(?!:)|([{}])|([^;]+);)")
_OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^\s,{\[][^,]*")


@dataclass(frozen=True)
class Instruction:
    text: str
    guard: str
    negated: bool
    op: tuple
    operands: tuple


@dataclass
class Program:
    """One kernel: sizes of its parameters, types of its registers, offsets in shared and local memory, contents of
    constants, and its instructions with the labels that point into them."""

    name: str
    parameters: dict = field(default_factory=dict)
    registers: dict = field(default_factory=dict)
    offsets: dict = field(default_factory=lambda: {"shared": {}, "local": {}})
    sizes: dict = field(default_factory=lambda: {"shared": 0, "local": 0})
    constants: dict = field(default_factory=dict)
    code: list = field(default_factory=list)
    labels: dict = field(default_factory=dict)


def programs(text):
    """Every kernel of a module."""
    text = re.sub(r"//[^\n]*", "", text)
    if ".func" in text:
        raise NotImplementedError("a function that is called")
    entries = list(_ENTRY.finditer(text))
    variables = {m[4]: m for m in _VARIABLE.finditer(text[: entries[0].start()])}
    return [_program(entry, text, variables) for entry in entries]


def _program(entry, text, variables):
    program = Program(entry[1])
    for m in _VARIABLE.finditer(entry[2]):
        program.parameters[m[4]] = _size(m)
    depth, at = 1, entry.end()
    while depth:
        m = _STATEMENT.match(text, at)
        at = m.end()
        label, brace, statement = m.groups()
        if label:
            program.labels[label[:-1]] = len(program.code)
        elif brace:
            depth += 1 if brace == "{" else -1
        else:
            _add(program, " ".join(statement.split()))
    for name in set(re.findall(r"[\w$]+", text[entry.end() : at])) & set(variables):
        _declare(program, variables[name])
    return program


def _add(program, statement):
    if statement.startswith(".reg"):
        _, kind, names = statement.split(None, 2)
        for name in re.split(r",\s*", names):
            m = re.fullmatch(r"(.*)<(\d+)>", name)
            every = [f"{m[1]}{i}" for i in range(int(m[2]))] if m else [name]
            program.registers.update(dict.fromkeys(every, TYPES[kind[1:]]))
    elif m := _VARIABLE.match(statement):
        _declare(program, m)
    elif not statement.startswith("."):
        program.code.append(_instruction(statement))


def _instruction(text):
    m = re.fullmatch(r"(?:@(!?)(%\w+) )?(\S+) ?(.*)", text)
    operands = tuple(x.strip() for x in _OPERAND.findall(m[4]))
    return Instruction(text, m[2], bool(m[1]), tuple(m[3].split(".")), operands)


def _declare(program, variable):
    """A variable of a kernel's, or one of the module that it uses."""
    space, align, kind, name, _, value = variable.groups()
    if space in program.sizes:
        start = -(-program.sizes[space] // int(align)) * int(align)
        program.offsets[space][name] = start
        program.sizes[space] = start + _size(variable)
    else:
        data = np.zeros(_size(variable), np.uint8)
        numbers = np.array([int(x, 0) for x in re.findall(r"-?\w+", value or "")], np.int64).astype(TYPES[kind])
        data[: numbers.nbytes] = numbers.view(np.uint8)
        program.constants[name] = data


def _size(variable):
    return np.dtype(TYPES[variable[3]]).itemsize * int(variable[5] or 1)
