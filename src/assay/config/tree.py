"""YAML text as a tree in which every key and value knows its line; it knows no key's meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from assay.errors import Problem

_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_STRING_TAG = "tag:yaml.org,2002:str"

Path = tuple[str | int, ...]
"""The way to a key: names, and indices from 0."""


@dataclass(frozen=True)
class Place:
    """Where something was written; `line` and `column` count from 1, None in an override."""

    file: str
    line: int | None = None
    column: int | None = None


@dataclass
class Node:
    """A value, where it was written and where its key was.

    `value` is a scalar, a dict of key to Node, or a list of Nodes. `short` marks a node that a
    short form put in; messages name the key above it.
    """

    value: Any
    place: Place
    key_place: Place
    short: bool = field(default=False, compare=False)


def parse_yaml(text: str, *, file: str) -> tuple[Node, list[Problem]]:
    """Every value of `text` with its place, and every problem: syntax, doubled keys, aliases, tags.

    Text that does not parse gives an empty mapping and its one located problem.
    """
    start = Place(file, 1, 1)
    try:
        composed = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        return Node({}, start, start), [_describe_syntax(error, text=text, file=file)]
    except RecursionError:
        deep = Problem("brackets within brackets, too deep", "a recipe", "remove them", file=file)
        return Node({}, start, start), [deep]
    if composed is None:
        return Node({}, start, start), []
    reader = _Reader(file)
    return reader.read(composed, start, ""), reader.problems


def to_plain(node: Node) -> Any:
    """The values alone: dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: to_plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(child) for child in node.value]
    return node.value


def find_nodes(root: Node, path: Path) -> Iterator[tuple[str | int, Node]]:
    """The nodes from the root down to `path`, skipping parts that the tree does not have."""
    node = root
    for part in path:
        children = node.value
        if isinstance(children, list):
            children = dict(enumerate(children))
        if isinstance(children, dict) and part in children:
            node = children[part]
            yield part, node


def locate(root: Node, path: Path, *, at_key: bool = False) -> tuple[Place, str]:
    """Where the value (or the key) at `path` was written, and its dotted name as written.

    A key that is not there is placed at the block that lacks it; a key that a short form put in
    has the name of what the user wrote.
    """
    nodes = list(find_nodes(root, path))
    names = [str(part) for part, node in nodes if not node.short]
    if len(nodes) < len(path):
        place = nodes[-1][1].key_place if nodes else root.place
        return place, ".".join([*names, *map(str, path[len(nodes) :])])
    last = nodes[-1][1] if nodes else root
    return (last.key_place if at_key else last.place), ".".join(names)


def copy_at(node: Node, place: Place) -> Node:
    """The same values, all said to be written at `place`."""
    value = node.value
    if isinstance(value, dict):
        value = {key: copy_at(child, place) for key, child in value.items()}
    elif isinstance(value, list):
        value = [copy_at(child, place) for child in value]
    return replace(node, value=value, place=place, key_place=place)


class _Reader:
    """Turns composed YAML nodes into Nodes and collects what a recipe may not contain."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._seen: set[int] = set()
        self._scalars = YAML(typ="safe", pure=True)

    def read(self, composed: Any, key_place: Place, key: str) -> Node:
        place = self._place(composed)
        if id(composed) in self._seen:
            self._report(key_place, key, "an alias (*name)", "plain values", "write the value out")
            return Node(None, place, key_place)
        self._seen.add(id(composed))
        if isinstance(composed, MappingNode):
            return Node(self._read_mapping(composed, key), place, key_place)
        if isinstance(composed, SequenceNode):
            children = [
                self.read(child, self._place(child), _join(key, str(index)))
                for index, child in enumerate(composed.value)
            ]
            return Node(children, place, key_place)
        if not composed.value:
            place = key_place
        return Node(self._read_scalar(composed, place, key), place, key_place)

    def _read_mapping(self, composed: MappingNode, above: str) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key_node, value_node in composed.value:
            place = self._place(key_node)
            if not isinstance(key_node, ScalarNode):
                self._report(place, above, "a list or block as a key", "a name", "write a name")
                continue
            name = self._read_text(key_node, place, above)
            key = _join(above, name)
            if name in entries:
                got = f"{name!r} again (first on line {entries[name].key_place.line})"
                self._report(place, key, got, "each key once", "remove one of the two")
                continue
            entries[name] = self.read(value_node, place, key)
        return entries

    def _read_scalar(self, composed: ScalarNode, place: Place, key: str) -> Any:
        tag = str(composed.tag)
        if tag == _STRING_TAG:
            return self._read_text(composed, place, key)
        if tag in _PLAIN_TAGS:
            return self._scalars.constructor.construct_object(composed)
        got = f"{composed.value!r} (a {tag.rsplit(':', 1)[-1].lstrip('!')})"
        allowed = "text, a number, true, false or null"
        self._report(place, key, got, allowed, f'put it in quotes: "{composed.value}"')
        return str(composed.value)

    def _read_text(self, composed: ScalarNode, place: Place, key: str) -> str:
        """The text, with characters that were escaped as two halves (as JSON does) made whole."""
        try:
            return str(composed.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._report(place, key, "half a character", "whole characters", "correct the escape")
            return ""

    def _place(self, composed: Any) -> Place:
        mark = composed.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _report(self, place: Place, key: str, got: str, allowed: str, do: str) -> None:
        self.problems.append(Problem(got, allowed, do, place.file, place.line, place.column, key))


def _join(above: str, name: str) -> str:
    return f"{above}.{name}" if above else name


_SYNTAX_FIXES = (
    ("'\\t'", "indent with spaces, not tabs"),
    ("mapping values are not allowed", "check the indentation, and quote text that holds `: `"),
    ("cannot start any token", "put the text in quotes"),
    ("another document", "remove everything from the second `---` on"),
    ("end of stream", "close the quote or bracket"),
    ("<stream end>", "close the quote or bracket"),
    ("undefined alias", "write the value out, or quote text that begins with `*`"),
    ("block end", "check the indentation of this line"),
)


def _describe_syntax(error: YAMLError, *, text: str, file: str) -> Problem:
    if isinstance(error, ReaderError):
        position = int(error.position)
        before = text[:position]
        return Problem(
            got=f"the character {error.character!r}",
            allowed="printable text",
            do="remove it",
            file=file,
            line=before.count("\n") + 1,
            column=position - before.rfind("\n"),
        )
    assert isinstance(error, MarkedYAMLError), "ruamel locates every other error"
    mark: StringMark | None = error.problem_mark or error.context_mark
    got = str(error.problem or error.context or "text that is not YAML")
    do = next((fix for sign, fix in _SYNTAX_FIXES if sign in got), "correct the YAML here")
    return Problem(
        got=f"a YAML error: {got}",
        allowed="valid YAML",
        do=do,
        file=file,
        line=mark.line + 1 if mark else None,
        column=mark.column + 1 if mark else None,
    )
