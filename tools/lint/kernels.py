"""The functions of a Metal file, from its tokens: kernels with their parameters, and where bodies lie."""

from dataclasses import dataclass

from .tokens import closing, split

_CONTROL = {"if", "for", "while", "switch", "do", "else", "catch"}
_TYPES = {"struct", "class", "namespace", "enum", "union", "extern"}
_NOT_NAMES = {"const", "device", "constant", "threadgroup", "thread", "volatile", "restrict", "__restrict"}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its tokens, the word that names it, and its attributes as {name: (token, arguments)}."""

    tokens: tuple
    name: object
    type: tuple
    attributes: dict

    @property
    def is_pointer(self):
        return any(token.text in ("*", "&", "[") for token in self.type)

    @property
    def words(self):
        return {token.text for token in self.type}


@dataclass(frozen=True)
class Function:
    """A function with a body. `template` holds its template parameters, None where it is no template;
    `body` the indices of its braces among the file's tokens."""

    name: object
    is_kernel: bool
    template: tuple | None
    returns: tuple
    parameters: tuple
    attributes: dict
    body: tuple


def functions(tokens):
    """Every function with a body, in order; those inside structs too, lambdas not."""
    found, start, i = [], 0, 0
    while i < len(tokens):
        text = tokens[i].text
        if text in (";", "}"):
            start = i + 1
        elif text == "{":
            head = tokens[start:i]
            function = _function(head, tokens, i)
            if function:
                found.append(function)
                i = function.body[1]
            start = i + 1
        elif text in ("(", "[["):
            i = closing(tokens, i)
        i += 1
    return found


def _function(head, tokens, opening):
    """The function whose body opens at `opening` after `head`, or None."""
    template, head = _template(head)
    words = [token.text for token in head]
    if not words or "(" not in words or set(words[:1]) & (_CONTROL | _TYPES):
        return None
    at = _opening(head)
    if at is None:
        return None
    returns, attributes = _take_attributes(head[: at - 1])
    keyword = any(token.text == "kernel" for token in returns)
    return Function(
        name=head[at - 1],
        is_kernel=keyword or "kernel" in attributes,
        template=template,
        returns=tuple(token for token in returns if token.text != "kernel"),
        parameters=tuple(_parameter(part) for part in split(head[at + 1 : closing(head, at)])),
        attributes=attributes,
        body=(opening, closing(tokens, opening)),
    )


def _opening(head):
    """The index of the bracket that opens the parameters, or None."""
    i = 0
    while i < len(head):
        if head[i].text == "[[":
            i = closing(head, i)
        elif head[i].text == "(":
            is_operator = any(token.text == "operator" for token in head[max(0, i - 3) : i])
            return i if i and (head[i - 1].kind == "word" or is_operator) else None
        i += 1
    return None


def _template(head):
    """The template parameters in front of a declaration, and the rest of it."""
    if not head or head[0].text != "template" or len(head) < 2 or head[1].text != "<":
        return None, head
    depth = 0
    for i, token in enumerate(head[1:], 1):
        depth += (token.text == "<") - (token.text == ">")
        if depth == 0:
            return tuple(tuple(part) for part in split(head[2:i])), head[i + 1 :]
    return None, head


def _take_attributes(tokens):
    """The tokens without attributes, and those by name."""
    rest, attributes, i = [], {}, 0
    while i < len(tokens):
        if tokens[i].text != "[[":
            rest.append(tokens[i])
            i += 1
            continue
        end = closing(tokens, i)
        for part in split(tokens[i + 1 : end]):
            arguments = tuple(token.text for token in part[2:-1])
            attributes.setdefault(part[0].text, (part[0], arguments))
        i = end + 1
    return rest, attributes


def _parameter(tokens):
    bare, attributes = _take_attributes(tokens)
    equals = next((i for i, token in enumerate(bare) if token.text == "="), len(bare))
    bracket = next((i for i, token in enumerate(bare) if token.text == "["), equals)
    words = bare[: min(equals, bracket)]
    named = len(words) > 1 and words[-1].kind == "word" and words[-1].text not in _NOT_NAMES
    extents = bare[bracket : bracket + 1] if bracket < equals else ()
    type_ = (*(words[:-1] if named else words), *extents)
    return Parameter(tuple(tokens), words[-1] if named else None, type_, attributes)


def constants(function):
    """(kind, name) of each template parameter: kind is `typename`, or the type of the value."""
    found = []
    for part in function.template or ():
        words = [token.text for token in part]
        words = words[: words.index("=")] if "=" in words else words
        named = len(words) > 1
        found.append(("typename" if words[0] in ("typename", "class") else words[0], words[-1] if named else ""))
    return found
