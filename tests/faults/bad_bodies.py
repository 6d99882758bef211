"""Bodies that no endpoint may take: tables of (name, what makes the body of a good call bad, what is answered)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
ID = 7
"""The id of every call that is spoilt."""

NODES, BODY = 20_000, 2 << 20
"""What the gateway under test is told to take."""

PARSE, INVALID, PARAMS = -32700, -32600, -32602


@dataclass(frozen=True, slots=True)
class Bad:
    """`spoil` makes a body of a good call. `id` is the one to be echoed."""

    name: str
    spoil: Callable[[Json], bytes]
    code: int = PARSE
    id: int | None = None
    status: int = 400


def _text(change: Callable[[str], str]) -> Callable[[Json], bytes]:
    return lambda call: change(json.dumps(call)).encode()


def _argument(raw: str) -> Callable[[Json], bytes]:
    """The call with `raw` as the value of an argument."""
    return _text(lambda text: text.replace('"SPOIL"', raw))


def _with(**changes: Any) -> Callable[[Json], bytes]:
    return lambda call: json.dumps({**call, **changes}).encode()


def _without(key: str) -> Callable[[Json], bytes]:
    return lambda call: json.dumps({name: value for name, value in call.items() if name != key}).encode()


def _params(**changes: Any) -> Callable[[Json], bytes]:
    return lambda call: json.dumps({**call, "params": {**call["params"], **changes}}).encode()


def _alike(key: str, value: Any) -> Callable[[Json], bytes]:
    return lambda call: json.dumps({**call, "params": {**call["params"], key: value}}).encode()


def _instead(value: Any) -> Callable[[Json], bytes]:
    return lambda call: json.dumps(value).encode()


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


NOT_JSON = (
    Bad("nothing", lambda call: b" "),
    Bad("cut short", _text(lambda text: text[:-1])),
    Bad("garbage", lambda call: bytes(range(256))),
    Bad("trailing object", _text(lambda text: text + text)),
    Bad("trailing bracket", _text(lambda text: text + "]")),
    Bad("comment", _text(lambda text: text + "// done")),
    Bad("single quotes", _text(lambda text: text.replace('"', "'"))),
    Bad("trailing comma", _text(lambda text: text[:-1] + ",}")),
    Bad("raw control character", _argument('"a\x01b"')),
    Bad("byte order mark", lambda call: b"\xef\xbb\xbf" + json.dumps(call).encode()),
    Bad("UTF-16 with mark", lambda call: json.dumps(call).encode("utf-16")),
    Bad("UTF-16 without mark", lambda call: json.dumps(call).encode("utf-16-le")),
    Bad("UTF-32", lambda call: json.dumps(call).encode("utf-32")),
    Bad("Latin-1", lambda call: json.dumps(call).encode().replace(b"SPOIL", b"caf\xe9")),
    Bad("overlong UTF-8", lambda call: json.dumps(call).encode().replace(b"SPOIL", b"\xc0\xaf")),
    Bad("surrogate in UTF-8", lambda call: json.dumps(call).encode().replace(b"SPOIL", b"\xed\xa0\x80")),
    Bad("lone high surrogate", _argument('"\\ud800"')),
    Bad("lone low surrogate", _argument('"x\\udc00y"')),
    Bad("NaN", _argument("NaN")),
    Bad("Infinity", _argument("-Infinity")),
    Bad("number that overflows", _argument("1e999")),
    Bad("integer of 400 digits", _argument("1" + "0" * 399)),
    Bad("integer of 65 bits", _argument(str(1 << 64))),
    Bad("number with a leading zero", _argument("01")),
    Bad("duplicate method", _text(lambda text: text[:-1] + ', "method": "tools/list"}')),
    Bad("duplicate id", _text(lambda text: text[:-1] + ', "id": 8}')),
    Bad("duplicate name", _text(lambda text: text.replace('"name": "ok"', '"name": "hang", "name": "ok"'))),
    Bad(
        "duplicate name, escaped",
        _text(lambda text: text.replace('"name": "ok"', '"n\\u0061me": "hang", "name": "ok"')),
    ),
    Bad("duplicate argument", _argument('{"a": 1, "a": 2}')),
    Bad("depth of 65", _argument(nested(65))),
    Bad("depth of 2,000", _argument(nested(2_000))),
    Bad("depth of 100,000", _argument(nested(100_000))),
    Bad("depth of 100,000 without an end", lambda call: b'{"a":' * 100_000),
    Bad("too many values", _argument("[" + "0," * NODES + "0]")),
    Bad("too many empty objects", _argument("[" + "{}," * NODES + "{}]")),
    Bad("too long a key", _argument(json.dumps({"k" * 257: 1}))),
    Bad("a key of a mebibyte", _argument(json.dumps({"k" * (1 << 20): 1}))),
    Bad("too long a string", _argument(json.dumps("s" * ((1 << 20) + 1)))),
)
"""Refused as no JSON that everybody reads alike. The id is not known then."""

NO_MESSAGE = (
    Bad("number", _instead(1), INVALID),
    Bad("string", _instead("tools/call"), INVALID),
    Bad("null", _instead(None), INVALID),
    Bad("batch", lambda call: json.dumps([call]).encode(), INVALID),
    Bad("batch of nothing", _instead([]), INVALID),
    Bad("no jsonrpc", _without("jsonrpc"), INVALID, ID),
    Bad("jsonrpc 1.0", _with(jsonrpc="1.0"), INVALID, ID),
    Bad("jsonrpc as a number", _with(jsonrpc=2.0), INVALID, ID),
    Bad("no method", _without("method"), INVALID, ID),
    Bad("method of null", _with(method=None), INVALID, ID),
    Bad("method of nothing", _with(method=""), INVALID, ID),
    Bad("method as a list", _with(method=["tools/call"]), INVALID, ID),
    Bad("method of a kilobyte", _with(method="m" * 1000), INVALID, ID),
    Bad("method in another case", lambda call: json.dumps(call).replace('"method"', '"Method"').encode(), INVALID, ID),
    Bad("id of null", _with(id=None), INVALID),
    Bad("id with a fraction", _with(id=1.5), INVALID),
    Bad("id of a boolean", _with(id=True), INVALID),
    Bad("id as an object", _with(id={"a": 1}), INVALID),
    Bad("id of ten kilobytes", _with(id="i" * 10_240), INVALID),
    Bad("params as a list", _with(params=[1]), INVALID, ID),
    Bad("params of null", _with(params=None), INVALID, ID),
    Bad("params as a string", _with(params="name=ok"), INVALID, ID),
    Bad("request and result at once", _with(result={}), INVALID, ID),
    Bad("request and error at once", _with(error={"code": 1, "message": "m"}), INVALID, ID),
    Bad("result and error at once", _instead({"jsonrpc": "2.0", "id": ID, "result": {}, "error": {}}), INVALID, ID),
    Bad("response without an id", _instead({"jsonrpc": "2.0", "result": {}}), INVALID),
)
"""Refused as no message of JSON-RPC."""

NO_CALL = (
    Bad("a name of null", _params(name=None), PARAMS, ID),
    Bad("name as a number", _params(name=1), PARAMS, ID),
    Bad("name unknown", _params(name="no such tool"), PARAMS, ID),
    Bad("name of a megabyte", _params(name="n" * 1_000_000), PARAMS, ID),
    Bad("name in another case", _params(name="OK"), PARAMS, ID),
    Bad("name with a trailing NUL", _params(name="ok\0"), PARAMS, ID),
    Bad("a second name in another case", _params(Name="hang"), PARAMS, ID),
    Bad("a second name that ends at NUL", _alike("name\0", "hang"), PARAMS, ID),
    Bad("second arguments with a long s", _alike("argument\u017f", {}), PARAMS, ID),
    Bad("arguments as a list", _params(arguments=[1]), PARAMS, ID),
    Bad("_meta as a list", _params(_meta=[]), PARAMS, ID),
)
"""Refused as parameters that no tool can be called with: HTTP 400 in the modern era, 200 before it."""
