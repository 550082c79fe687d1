"""Values that no honest writer would put there."""

import random
from typing import Any

TRAP = "fuzz_trap"  # a module beside each mutated file, which nothing may ever import
SECRET = "what-lies-outside-5f1c"  # the content of a file outside, which no message may show

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 7, 10**6, 10**9, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**400, -(10**400)),
    *(0.0, -0.0, 0.5, 1e-320, 1e30, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
    *(True, False, None),
)
TEXTS: tuple[str, ...] = (
    *("", " ", "x", "a" * 100_000, "é" * 300, "\0", "a\0b", "a\nb", "\r\n", "\x1b[2J\x1b[31mred", "\x07", "\x9b31m"),
    *("\u202eright to left", "\u2028", "\ufeffx", "\ud800", "\U0001f600", "ﬃ", "\u200b"),
    *("..", ".", "/", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "a/b", "a\\b", "~", "$HOME"),
    *("hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp/model", "https://example.com/x.json", "//example.com/share"),
    *(f"{TRAP}:Env", f"{TRAP}.Step", f"{TRAP}", "subprocess.Popen", "os.system", "builtins.exec", "numpy.load"),
    *("${oc.env:HOME}", "${now:%Y}", "{{ 7 * 7 }}", "{0.__class__}", "%s%n", "{", "}", "{}"),
    *("[a](https://example.com)", "![a](https://example.com/a.png)", "<script>alert(1)</script>", "| a | b |", "`a`"),
    *("nan", "inf", "-inf", "1e999", "0x10", "1_0", "true", "null", "none", "[]", "9" * 5000, "-1", "1.5"),
    *("action", "observation.state", "observation.images.front", "index", "task", "name", "timestamp", "float32"),
    *("int64", "string", "video", "image", "object", "list", "<U9", "bfloat16", "complex64", "datetime64[ns]"),
)


def trees() -> list[Any]:
    """Return fresh lists and mappings."""
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    call = {"_target_": "os.system", "_args_": ["id"], "command": "id"}
    return [
        *([], {}, [[]], [None], [[], []], [1, "a", None], {"": 1}, {"a": {"b": {}}}, [float("nan")], [-1], [0], [1.5]),
        *([2**40], [2**40, 2**40], [10**400], [0] * 20_000, ["a"] * 20_000, {str(i): i for i in range(5000)}, deep),
        *({"class": f"{TRAP}.Step", "config": {}}, {"class": "subprocess.Popen", "config": {"args": ["id"]}}, call),
        *({"name": "x"}, {"name": {}}, {"name": []}, {"name": None}, {"name": "uniform"}, {"id": f"{TRAP}:Env"}),
    ]


def any_value(rng: random.Random) -> Any:
    """Return a number, a text, or a tree."""
    return rng.choice((lambda: rng.choice(NUMBERS), lambda: rng.choice(TEXTS), lambda: rng.choice(trees())))()


def any_key(rng: random.Random) -> str:
    return rng.choice(TEXTS)


def payload() -> bytes:
    """Return a pickle that would import the trap."""
    return f"c{TRAP}\nStep\n(tR.".encode()
