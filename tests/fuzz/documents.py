"""Mutations of JSON, JSON lines, YAML, tables in text, and of any text."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import yaml

from tests.fuzz.hostile import TEXTS, TRAP, any_key, any_value

Place = tuple[Any, Any]  # a mapping or a list, and a key or an index in it
FLOW = "[" * 200_000
LAUGHS = "a: &a [x,x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 6)}]\n" for a, b in pairwise("abcdefghij"))
YAML_HEADS = (
    LAUGHS,
    "x: !!python/object/apply:os.system ['id']\n",
    f"x: !!python/name:{TRAP}.Step\n",
    "? [a]\n: b\n",
    "x: 2001-99-99\n",
    "x: 0b2\n",
    "x: 190:20:30\n",
    "x: .inf\n",
    "<<: {a: 1}\n",
    "--- \n---\n",
    "%YAML 9.9\n---\n",
)


def descend(document: Any, rng: random.Random) -> Place | None:
    """Return a random place in a tree, those near the root as likely as those far from it."""
    place = None
    while isinstance(document, dict | list) and document and (place is None or rng.random() < 0.75):
        key = rng.choice(list(document)) if isinstance(document, dict) else rng.randrange(len(document))
        place, document = (document, key), document[key]
    return place


def change_tree(document: Any, rng: random.Random) -> Any:
    """Return a tree with one to three changes."""
    box = [copy.deepcopy(document)]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        parent, key = descend(box[0], rng) or (box, 0)
        rng.choice(CHANGES)(parent, key, rng, box)
    return box[0]


def _replace(parent: Any, key: Any, rng: random.Random, _: Any) -> None:
    parent[key] = any_value(rng)


def _drop(parent: Any, key: Any, rng: random.Random, box: list) -> None:
    if parent is not box:
        del parent[key]


def _add(parent: Any, key: Any, rng: random.Random, _: Any) -> None:
    if isinstance(parent, dict):
        parent[any_key(rng)] = copy.deepcopy(rng.choice((parent[key], any_value(rng))))
    else:
        parent.insert(key, copy.deepcopy(rng.choice((parent[key], any_value(rng)))))


def _transplant(parent: Any, key: Any, rng: random.Random, box: list) -> None:
    other = descend(box[0], rng)
    if other:
        parent[key] = copy.deepcopy(other[0][other[1]])


def _rename(parent: Any, key: Any, rng: random.Random, _: Any) -> None:
    if isinstance(parent, dict):
        parent[rng.choice((any_key(rng), f"{key} ", str(key).upper(), f"{key}s"))] = parent.pop(key)


def _wrap(parent: Any, key: Any, rng: random.Random, _: Any) -> None:
    x = parent[key]
    parent[key] = rng.choice(([x], {"name": x}, {str(key): x}, [x] * 1000, str(x), [[x]]))


def _scale(parent: Any, key: Any, rng: random.Random, box: list) -> None:
    x = parent[key]
    if isinstance(x, bool) or not isinstance(x, int | float):
        _replace(parent, key, rng, box)
    else:
        parent[key] = rng.choice((-x, x + 1, x - 1, 2 * x, 10 * x, 1000 * x, 10**9 * x, x // 7, str(x)))


CHANGES: tuple[Callable[[Any, Any, random.Random, Any], None], ...] = (
    *(_replace, _replace, _replace, _drop, _add, _transplant, _rename, _wrap, _scale, _scale),
)


def dump(document: Any) -> str:
    """Return JSON of whatever Python's own writes: NaN, lone surrogates, numbers of 400 digits."""
    return json.dumps(document)


def change_json(text: bytes, rng: random.Random) -> bytes:
    """Return a changed JSON file: mostly a valid one."""
    if rng.random() < 0.15:
        return change_text(text, rng)
    try:
        return dump(change_tree(json.loads(text), rng)).encode()
    except (ValueError, RecursionError):
        return change_text(text, rng)


def change_lines(text: bytes, rng: random.Random) -> bytes:
    """Return changed JSON lines: some of them, or their order."""
    lines = text.splitlines() or [b"{}"]
    match rng.randrange(7):
        case 0:
            lines.insert(rng.randrange(len(lines) + 1), rng.choice((b"", b"{", b"[]", b"7", b"null", FLOW.encode())))
        case 1:
            rng.shuffle(lines)
        case 2:
            lines += lines[rng.randrange(len(lines)) :]
        case 3:
            return change_text(text, rng)
        case _:
            for number in rng.choices(range(len(lines)), k=rng.choice((1, 2, 20))):
                lines[number] = change_json(lines[number], rng)
    return b"\n".join(lines) + rng.choice((b"\n", b"\n", b""))


def change_yaml(text: bytes, rng: random.Random) -> bytes:
    """Return a changed YAML file."""
    if rng.random() < 0.4:
        return rng.choice((rng.choice(YAML_HEADS).encode() + text, change_text(text, rng)))
    document = change_tree(yaml.safe_load(text), rng)
    try:
        return yaml.safe_dump(document, allow_unicode=rng.random() < 0.5).encode(errors="surrogatepass")
    except (yaml.YAMLError, ValueError, RecursionError):
        return dump(document).encode()


def change_front_matter(text: bytes, rng: random.Random) -> bytes:
    """Return a Markdown file whose head is changed."""
    _, head, rest = text.split(b"---\n", 2)
    return b"---\n" + change_yaml(head, rng) + b"---\n" + rest


def change_table(text: bytes, rng: random.Random) -> bytes:
    """Return changed numbers with commas between them."""
    rows = [line.split(",") for line in text.decode().splitlines()]
    match rng.randrange(6):
        case 0:
            rows.append(list(rows[0]))
        case 1:
            rows[rng.randrange(len(rows))].pop()
        case 2:
            return change_text(text, rng)
        case 3:
            rows = [[*row, *row] for row in rows]
        case _:
            row = rng.choice(rows)
            row[rng.randrange(len(row))] = str(any_value(rng))
    return "\n".join(",".join(row) for row in rows).encode(errors="surrogatepass")


def change_text(text: bytes, rng: random.Random) -> bytes:
    """Return a text that is no valid one any more, or is one in another way."""
    return rng.choice(list(_texts(text, rng)))


def _texts(text: bytes, rng: random.Random) -> Iterator[bytes]:
    cut = rng.randrange(len(text) + 1)
    yield from (b"", b" ", b"\xff\xfe" + text, b"\xef\xbb\xbf" + text, text[:cut], text + text, text[cut:])
    yield text[:cut] + rng.choice(TEXTS).encode(errors="surrogatepass") + text[cut:]
    yield text[:cut] + bytes(rng.randrange(256) for _ in range(rng.choice((1, 8, 64)))) + text[cut:]
    yield from (b"[" * 100_000, b'{"a":' * 100_000, b"- " * 3000, b"{" * 3000, b"[" + b"0," * 10**6 + b"0]")
    yield from (b"1" * 100_000, b'{"a": 1, "a": 2}', text.replace(b":", b"=", 1))
    yield text.decode(errors="replace").encode("utf-16")
    yield text.replace(b'"', b"'")
