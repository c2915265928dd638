"""YAML read strictly: every value knows its file, line, op and key, so every error can say where it is."""

import difflib

import yaml

from .errors import ManifestError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def suggest(word, known):
    """`" Did you mean 'x'?"` for the nearest known word, else an empty string."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


class Value:
    """A YAML node and the way to it; `line` is that of its key, where it has one."""

    def __init__(self, node, file, op=None, key="", line=None):
        self.node, self.file, self.op, self.key = node, file, op, key
        self.line = node.start_mark.line + 1 if line is None else line

    def error(self, message):
        """The error to raise about this value."""
        where = " ".join(part for part in (f"[{self.op}]" if self.op else "", self.key) if part)
        return ManifestError(f"{self.file}:{self.line}: {where + ': ' if where else ''}{message}")

    def fields(self, required=(), optional=()):
        """A mapping with just these keys, as a dict of values; with neither given, any keys."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error(f"expected a mapping but got {self._kind()}")
        found = {}
        for key_node, value_node in self.node.value:
            name = key_node.value
            key, line = f"{self.key}.{name}" if self.key else str(name), key_node.start_mark.line + 1
            child = Value(value_node, self.file, self.op, key, line)
            if not isinstance(key_node, yaml.ScalarNode):
                raise child.error("expected a plain key")
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
            if not name.isidentifier():
                raise child.error(f"expected a name but got {name!r}")
        return fields

    def within(self, op):
        """The same value as the entry of an op, for errors."""
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
        return self.node.value

    def name(self):
        """A scalar that is a Python identifier."""
        text = self.text()
        if not text.isidentifier():
            raise self.error(f"expected a name but got {text!r}")
        return text

    def integer(self):
        return self._typed("int", "an integer", int)

    def boolean(self):
        return self._typed("bool", "true or false", lambda text: text.lower() in ("true", "yes", "on"))

    def number(self):
        """An integer or a float; also `1e-5`, which YAML 1.1 takes for a word."""
        try:
            return float(self.text())
        except ValueError:
            raise self.error(f"expected a number but got {self.node.value!r}") from None

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
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{file}:1: cannot be read: {error.strerror}") from None
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ManifestError(f"{file}:{mark.line + 1}: not YAML: {error.problem}") from None
    if node is None:
        raise ManifestError(f"{file}:1: the file is empty")
    return Value(node, file)
