"""YAML read strictly: every value knows its file, line, op and key, so every error can say where it is."""

import math
import re

import yaml

from . import files
from .errors import ManifestError, suggest

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The deepest nesting of values, and the most values with every alias written out.
_DEPTH, _VALUES = 32, 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LONGEST_MESSAGE = 1000


class Value:
    """A YAML node and the way to it; `line` is that of its key, where it has one."""

    def __init__(self, node, file, op=None, key="", line=None):
        self.node, self.file, self.op, self.key = node, file, op, key
        self.line = node.start_mark.line + 1 if line is None else line

    def error(self, message):
        """The error to raise about this value."""
        where = " ".join(part for part in (f"[{self.op}]" if self.op else "", self.key) if part)
        text = f"{where + ': ' if where else ''}{message}"
        text = text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."
        return ManifestError(f"{self.file}:{self.line}: {text}")

    def fields(self, required=(), optional=()):
        """A mapping with just these keys, as a dict of values; with neither given, any keys."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error(f"expected a mapping but got {self._kind()}")
        found = {}
        for key_node, value_node in self.node.value:
            plain = isinstance(key_node, yaml.ScalarNode)
            name = key_node.value if plain else "?"
            key, line = f"{self.key}.{name}" if self.key else str(name), key_node.start_mark.line + 1
            child = Value(value_node, self.file, self.op, key, line)
            if not plain:
                raise child.error("expected a plain key")
            if _CONTROL.search(name):
                raise child.error("a key may not hold control characters")
            if name in found:
                raise child.error("this key is here twice")
            known = (*required, *optional)
            if known and name not in known:
                raise child.error(f"unknown key; expected one of {', '.join(known)}.{suggest(name, known)}")
            found[name] = child
        for name in required:
            if name not in found:
                raise self.error(f"the key {name!r} is missing")
        return found

    def named(self):
        """A mapping with any keys that are identifiers, as a dict of values."""
        fields = self.fields()
        for name, child in fields.items():
            child.check_name(name)
        return fields

    def check_name(self, name):
        if not name.isidentifier() or not name.isascii():
            raise self.error(f"expected a name but got {name!r}")

    def within(self, op):
        """The same value with the name of its op, for errors."""
        return Value(self.node, self.file, op, line=self.line)

    def items(self):
        """A sequence, as a list of values."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error(f"expected a list but got {self._kind()}")
        return [Value(node, self.file, self.op, f"{self.key}[{i}]") for i, node in enumerate(self.node.value)]

    def is_list(self):
        return isinstance(self.node, yaml.SequenceNode)

    def is_mapping(self):
        return isinstance(self.node, yaml.MappingNode)

    def text(self):
        """A scalar as it is written."""
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag.endswith(":null"):
            raise self.error(f"expected a word but got {self._kind()}")
        if found := _CONTROL.search(self.node.value):
            raise self.error(f"expected a word but got the control character {found[0]!r}")
        return self.node.value

    def name(self):
        """A scalar that is an identifier."""
        self.check_name(self.text())
        return self.text()

    def integer(self):
        try:
            return self._typed("int", "an integer", int)
        except ValueError as error:
            if isinstance(error, ManifestError):
                raise
            raise self.error(f"expected an integer in decimal digits but got {self.node.value!r}") from None

    def boolean(self):
        return self._typed("bool", "true or false", lambda text: text.lower() in ("true", "yes", "on"))

    def number(self):
        """A finite number; also `1e-5`, which YAML 1.1 takes for a word."""
        text = self.text()
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"expected a number but got {text!r}")
        return value

    def _typed(self, tag, expected, convert):
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag != f"tag:yaml.org,2002:{tag}":
            raise self.error(f"expected {expected} but got {self._kind()}")
        return convert(self.node.value)

    def _kind(self):
        if isinstance(self.node, yaml.MappingNode):
            return "a mapping"
        if isinstance(self.node, yaml.SequenceNode):
            return "a list"
        return repr(self.node.value) if self.node.value else "nothing"


def read(path, file):
    """The root value of the YAML file at `path`, called `file` in errors."""
    text = files.read(path, file)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ManifestError(f"{file}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        line = files.line_of(text, getattr(error, "position", 0))
        raise ManifestError(f"{file}:{line}: not YAML: {getattr(error, 'reason', error)}") from None
    if node is None:
        raise ManifestError(f"{file}:1: the file is empty")
    if _count(node, file, {}, 0) > _VALUES:
        raise ManifestError(f"{file}:1: expected at most {_VALUES} values, with each alias written out")
    return Value(node, file)


def _count(node, file, known, depth):
    """How many values a node comes to; `known` holds the numbers of nodes seen before, by their id."""
    if depth > _DEPTH:
        line = node.start_mark.line + 1
        raise ManifestError(f"{file}:{line}: values nest deeper than {_DEPTH}, or an alias stands within itself")
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        children = node.value if isinstance(node, yaml.SequenceNode) else [x for pair in node.value for x in pair]
        known[id(node)] = 1 + sum(_count(child, file, known, depth + 1) for child in children)
    return known[id(node)]
