"""YAML that anyone may have written: numbers, texts, lists and tables, and nothing that takes long to read."""

import re
from collections import Counter
from typing import Any

import yaml

MAX_BYTES = 2**16  # a spec of 500 numbers; PyYAML reads it in a second
MAX_DEPTH = 32

_NUMBER = re.compile(r"[-+.0-9][-+.:_0-9a-zA-Z]{99,}")  # PyYAML takes the square of its length in base 60

_MARKS = yaml.AnchorToken | yaml.AliasToken | yaml.TagToken
_OPENING = yaml.BlockSequenceStartToken | yaml.BlockMappingStartToken | yaml.FlowSequenceStartToken
_OPENING |= yaml.FlowMappingStartToken
_CLOSING = yaml.BlockEndToken | yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken


def parse_yaml(text: str | bytes) -> Any:
    """Return what a YAML text holds.

    Raises:
        ValueError: It is none, or too long, or nested too deep, or has anchors, tags or an entry twice. It says which,
            in one line.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 2**10} KiB")
    try:
        _check_tokens(text)
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            _check_keys(node)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, LookupError, AttributeError, OverflowError, RecursionError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _check_tokens(text: str | bytes) -> None:
    """Look at the tokens as they come: PyYAML takes a time that grows with the square of the depth."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.ScalarToken) and token.plain and _NUMBER.fullmatch(token.value):
            raise ValueError(f"line {token.start_mark.line + 1}: a number of {len(token.value)} letters")
        if isinstance(token, _MARKS):
            raise ValueError(f"line {token.start_mark.line + 1}: anchors, aliases and tags are not read")
        depth += isinstance(token, _OPENING)
        depth -= isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            raise ValueError(f"line {token.start_mark.line + 1}: it is nested too deep")


def _check_keys(node: yaml.Node | None) -> None:
    nodes = [node]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            if twice := [key for key, count in keys.items() if count > 1]:
                raise ValueError(f"line {node.start_mark.line + 1}: '{twice[0]}' is there twice")
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
