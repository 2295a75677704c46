"""Values that must cross every border unchanged. Plain data: the peers of other libraries use it too."""

from typing import Any

SAMPLES: dict[str, Any] = {
    "null": None,
    "true": True,
    "integers": [0, -1, 2**31, -(2**31), 2**53, 2**63 - 1, -(2**63)],
    "floats": [0.5, -1.25e-7, 1e300],
    "text": "plain",
    "empty": ["", [], {}],
    "unicode": "Grüße, 世界 — Привет 👋🏽 \u200f\u2028 é e\u0301",
    "escapes": 'a "quoted" \\ path/\b\f\n\r\t\x01\x7f',
    "binary": bytes(range(256)),
    "no bytes": b"",
    "nested": {"list": [1, [2, [3, {"deep": [None, True, {"ключ": b"\x00\xff"}]}]]], "k": {"": {"a b": [[]]}}},
    "deep": [[[[[[[[[[[[[[[[[[[["bottom"]]]]]]]]]]]]]]]]]]]],
    "1 MiB of text": "0123456789abcdeß" * 65536,
    "1 MiB of bytes": bytes(range(256)) * 4096,
    "many values": [{"number": n, "text": f"value {n}"} for n in range(20000)],
}
