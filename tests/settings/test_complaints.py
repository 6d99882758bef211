"""Every wrong configuration is refused at the right place, with words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.files import GATEWAY, SERVER, complaints

ADMIN = "auth: {roles: {admin: ['team:a']}}"
GATEWAY_CASES = [
    ("serer: {}", "1:1: unknown key `serer` (did you mean `server`?)"),
    ("server: {prot: 1}", "1:10: unknown key `prot` (did you mean `port`?)"),
    ("server:\n  port: '80'", "2:9: expected a whole number, found `80`"),
    ("server: {port: 99999}", "1:16: expected 65535 or less, found the number 99999"),
    ("server: [1]", "1:1: expected a mapping, found a list"),
    ("- server", "1:1: expected a mapping of settings"),
    (
        "server: {limits: {body: 4}}",
        "1:25: expected a size such as 512KiB or 4MiB (units B, KiB, MiB, GiB, kB, MB, GB) (write the unit: 4B)",
    ),
    (
        "server: {limits: {keepalive: 10 s}}",
        "1:30: expected a duration such as 500ms, 10s or 2m (units ms, s, m, h, d)",
    ),
    ("server: {port: 8081}", "1:16: the control plane must not share"),
    ("server: {public_url: 'https://u:p@x'}", "1:22: a URL holds no user or password"),
    ("server: {public_url: 'ftp://x'}", "1:22: expected a URL starting with http:// or https://"),
    ("server: {host: 'a b'}", "1:16: expected a host name"),
    ("state: {database: 'postgresql://u:hunter2@h/db'}", "1:19: a literal secret is refused"),
    ("state: {database: 'mysql://h'}", "1:19: expected sqlite:///"),
    ("state: {redis: env:NOPE}", "1:16: the environment variable NOPE is not set"),
    ("state: {encryption_keys: []}", "1:9: expected at least one entry"),
    ("state: {encryption_keys: [hunter2]}", "1:27: a literal secret is refused: expected env:NAME or file:/path"),
    ("state: {encryption_keys: [env:SHORT]}", "1:27: an encryption key has at least 32"),
    ("state: {encryption_keys: [env:SAME]}", "1:27: this encryption key is not random"),
    ("state: {encryption_keys: [env:GOOD, file:nope]}", "1:37: this encryption key file does not exist"),
    ("identity: {anonymous: always}", "1:23: expected loopback or never, found `always`"),
    ("identity: {anonymous: loopbak}", "1:23: expected loopback or never, found `loopbak` (did you mean `loopback`?)"),
    ("identity: {virtual_accounts: yes}", "1:30: expected true or false, found `yes`"),
    ("upstreams: {Time: {command: [x]}}", "1:13: expected a name of 1 to 63"),
    ("upstreams: {a: {}}", "1:13: missing key `url`"),
    ("upstreams: {a: {command: [x], url: 'https://x'}}", "1:31: unknown key `url`"),
    ("upstreams: {a: {command: x}}", "1:26: expected a list, found `x`"),
    ("upstreams: {a: {command: []}}", "1:17: expected at least one entry"),
    ("upstreams: {a: {command: [x, 5]}}", "1:30: expected a string, found the number 5"),
    ("upstreams: {a: {command: [x, --token=hunter2]}}", "1:30: a literal secret is refused: arguments are visible"),
    ("upstreams: {a: {command: [x], env: {GITHUB_TOKEN: hunter2}}}", "1:51: a literal secret is refused"),
    ("upstreams: {a: {command: [x], env: {TOKEN: 'file:nope'}}}", "1:44: cannot read the secret file"),
    ("upstreams: {a: {command: [x], env: {LEVEL: 5}}}", "1:44: expected a string (put it in quotes)"),
    (
        "upstreams: {a: {url: 'http://example.com/mcp'}}",
        "1:22: plain http is accepted for loopback addresses only (use https)",
    ),
    ("upstreams: {a: {url: 'https://x/mcp?api_key=hunter2'}}", "1:22: a literal secret in a URL is refused"),
    (
        "upstreams: {a: {url: 'https://x', protocol: 2026-07-27}}",
        "1:45: expected auto or 2026-07-28 or 2025-11-25 or 2025-06-18 or "
        "2025-03-26, found `2026-07-27` (did you mean `2026-07-28`?)",
    ),
    ("upstreams: {a: {url: 'https://x', transport: http}}", "1:46: expected streamable-http or sse, found `http`"),
    ("upstreams: {a: {url: 'https://x', tls: {ca: 'file:nope'}}}", "1:45: there is no file nope"),
    ("upstreams: {a: {url: 'https://x', auth: {type: heder}}}", "1:48: expected none or header"),
    ("upstreams: {a: {url: 'https://x', auth: {}}}", "1:35: missing key `type`"),
    (
        "upstreams: {a: {url: 'https://x', auth: {type: header, headers: {Authorization: hunter2}}}}",
        "1:81: a literal secret is refused",
    ),
    (
        "upstreams: {a: {url: 'https://x', auth: {type: header, headers: {Host: env:GOOD}}}}",
        "1:66: this header is set by",
    ),
    (
        "upstreams: {a: {url: 'https://x', auth: {type: header, headers: {X-K: env:LINES}}}}",
        "1:71: the secret is not a header",
    ),
    ("upstreams: {a: {url: 'https://x', breaker: {failures: 0}}}", "1:55: expected 1 or more, found the number 0"),
    ("virtual_servers: nope/", "1:18: there is no folder nope"),
    ("policies: {path: p}", "1:18: there is no folder"),
    ("policies: {mode: audit}", "1:1: there is no folder"),
    ("policies: off", "1:11: expected none, found `off`"),
    ("metadata: {keys: {a: {pattern: '('}}}", "1:32: not a regular expression: missing )"),
    ("metadata: {keys: {a: {pattern: '(?=a)'}}}", "1:32: not a regular expression: invalid perl operator: (?="),
    ("metadata: {keys: {a: {pattern: '(a)\\1'}}}", "1:32: not a regular expression: invalid escape sequence"),
    ("metadata: {keys: {a: {pattern: '[a-c]', allowed: [a, d]}}}", "1:54: this value does not match the pattern"),
    (f"metadata: {{keys: {{a: {{allowed: [{'x' * 129}]}}}}}}", "1:33: a metadata value has at most 128 characters"),
    ("metadata: {keys: {'a b': {}}}", "expected a key of 1 to 128 characters without spaces"),
    ("metadata: {keys: {a: {allowed: [x]}}, stamp: [{set: {a: y}}]}", "1:57: this value is not what `keys` says of it"),
    ("metadata: {keys: {a: {required: true}}, stamp: [{set: {a: ''}}]}", "this value is not what `keys` says of it"),
    ("metadata: {stamp: [{when: {subjects: [payments]}, set: {a: y}}]}", "expected user:<name>, team:<name>"),
    ("metadata: {stamp: [{set: {}}]}", "1:21: expected at least one entry"),
    ("egress: {allow: [10.0.0.1/8]}", "1:18: expected a network"),
    ("telemetry: {trace_ratio: 2}", "1:26: expected 1 or less, found the number 2"),
    ("telemetry: {audit: {bodies: hashes}}", "1:29: this needs a `path` that the record is kept in"),
    ("guardrails: nowhere.yaml", "1:13: there is no file"),
    # who may ask the control plane
    ("server: {admin: {host: 0.0.0.0}}", "1:24: a control plane on another interface than loopback needs `auth`"),
    ("server: {admin: {host: 10.1.2.3}}", "1:24: a control plane on another interface than loopback needs `auth`"),
    (f"server: {{admin: {{host: '::', {ADMIN}}}}}", "`public_url` is needed where the control plane listens on every"),
    ("server: {admin: {audience: api}}", "1:28: `audience` has no effect without `auth`"),
    ("server: {admin: {auth: {}}}", "1:18: missing key `roles`"),
    ("server: {admin: {auth: {roles: {}}}}", "1:25: nobody could ask the control plane anything"),
    ("server: {admin: {auth: {roles: {admin: [alice]}}}}", "1:41: expected <issuer name>|<sub>, team:<name>"),
    ("server: {admin: {auth: {roles: {admin: ['user:a@b']}}}}", "1:41: expected <issuer name>|<sub>, team:<name>"),
    ("server: {admin: {auth: {roles: {admin: ['corp|a']}}}}", "1:41: there is no issuer `corp` (known: none)"),
    ("server: {admin: {auth: {roles: {reader: ['claim:a=b']}}}}", "1:42: a claim needs exactly one of"),
    (
        f"server: {{admin: {{{ADMIN}}}}}\nidentity: {{virtual_accounts: false, anonymous: loopback}}",
        "1:18: nobody could ask the control plane: no issuers and no virtual accounts",
    ),
    (
        f"server: {{admin: {{{ADMIN}, audience: api}}}}\n"
        "identity: {issuers: [{name: corp, issuer: https://login.example.com, audiences: [api]}]}",
        "the audience of the control plane is one of the data plane",
    ),
    (
        f"server: {{admin: {{{ADMIN}, audience: http://127.0.0.1:8080/v1}}}}",
        "the audience of the control plane is one of the data plane",
    ),
    (f"server: {{admin: {{{ADMIN}, public_url: 'https://gw.example.com/x'}}}}", "expected an origin such as"),
    # whom it serves
    (
        "server: {host: 0.0.0.0}",
        "1:16: serving another interface than loopback without policies needs `policies: none`",
    ),
    (
        "server: {host: 0.0.0.0}\npolicies: none\nidentity: {virtual_accounts: false}",
        "1:16: serving another interface than loopback needs `identity.issuers` or",
    ),
    ("server: {host: 0.0.0.0}\npolicies: none", "an encryption key file does not exist; one is made on loopback only"),
    (
        "server: {host: 0.0.0.0}\npolicies: none\nstate: {encryption_keys: [env:GOOD]}",
        "1:1: `public_url` is needed where the gateway listens on every interface",
    ),
    (
        "server: {public_url: 'https://mcp.example.com'}\nidentity: {anonymous: loopback}",
        "2:23: `anonymous: loopback` needs a `server.public_url` on loopback",
    ),
    (
        "identity: {anonymous: never, virtual_accounts: false}",
        "1:1: nobody could call: no issuers, no virtual accounts, and no anonymous callers",
    ),
    (
        "identity: {issuers: [{name: a, issuer: 'https://a/', login: {client_id: x, scopes: [email]}}]}",
        "1:76: signing in needs the scope `openid`",
    ),
    (
        "identity: {issuers: [{name: a, issuer: 'https://a/', algorithms: [HS256]}]}",
        "1:67: expected",
    ),
    (
        "identity:\n  issuers:\n"
        "    - {name: a, issuer: 'https://a/', groups_prefix: a,\n"
        "       introspection: &i {client_id: x, client_secret: env:GOOD}}\n"
        "    - {name: b, issuer: 'https://b/', groups_prefix: b, introspection: *i}",
        "5:57: only one issuer can have `introspection`",
    ),
    (
        "upstreams: {a: {url: 'https://x', auth: {type: header, headers: {X-K: null}}}}",
        "1:66: expected env:NAME or file:/path",
    ),
    (
        "identity:\n  issuers:\n    - {name: a, issuer: 'https://a/'}\n"
        "    - {name: a, issuer: 'https://b/', groups_prefix: b}",
        "3:7: `groups_prefix` is mandatory",
    ),
    (
        "identity:\n  issuers:\n    - {name: a, issuer: 'https://a/', groups_prefix: a}\n"
        "    - {name: a, issuer: 'https://b/', groups_prefix: b}",
        "4:14: two issuers have the same name",
    ),
    ("a: 1\na: 2", "2:1: duplicate key `a` (first at line 1, column 1)"),
]
ENVIRON = {
    "SHORT": "abcdefgh12345678",
    "SAME": "a" * 64,
    "GOOD": "b3XrT9pLq0Zs8VnW5kYdHc2JmEu7fGaR",
    "LINES": "one\r\nX-Other: two",
}

SERVER_CASES = [
    ("sources: [{upstream: time}]", "1:1: missing key `name`"),
    ("name: one", "1:1: missing key `sources`"),
    ("name: one\nsources: []", "2:1: expected at least one entry"),
    ("name: One!\nsources: [{upstream: time}]", "1:7: expected a name of 1 to 63"),
    ("name: one\nsources: [{upstream: tme}]", "2:22: unknown upstream `tme` (did you mean `time`?)"),
    ("name: one\nsources: [{upstream: nothing-like-it}]", "2:22: unknown upstream `nothing-like-it` (known: time)"),
    (
        "name: one\nsources:\n  - upstream: time\n    enabled_tool: [x]",
        "4:5: unknown key `enabled_tool` (did you mean `enabled_tools`?)",
    ),
    ("name: one\nsources: [{upstream: time, prefix: 'a b'}]", "2:36: expected a prefix"),
    (SERVER + "    tools: {x: {name: 'a b'}}", "4:23: expected a tool name of 1 to 64 characters"),
    (SERVER + "    tools: {x: {name: " + "a" * 65 + "}}", "4:23: expected a tool name"),
    (
        SERVER + "    tools: {x: {annotations: {readOnlyhint: true}}}",
        "4:31: unknown key `readOnlyhint` (did you mean `readOnlyHint`?)",
    ),
    (SERVER + "    tools: {x: {cost: -1}}", "4:23: expected 0 or more, found the number -1"),
    (SERVER + "    tools: {x: {arguments: {a: {value: 1, from: principal.id}}}}", "4:43: unknown key `from`"),
    (SERVER + "    tools: {x: {arguments: {a: {from: principal.id, name: b}}}}", "4:53: unknown key `name`"),
    (
        SERVER + "    tools: {x: {arguments: {a: {from: principal.mail}}}}",
        "4:39: expected principal.{id,subject,email,issuer,claims.X}",
    ),
    (SERVER + "    tools: {x: {arguments: {a: {naem: b}}}}", "4:33: unknown key `naem` (did you mean `name`?)"),
    (SERVER + "    tools: {x: {arguments: {a: {name: c}, b: {name: c}}}}", "4:53: two arguments get the same name"),
    (SERVER + "conflicts: prefx", "4:12: expected error or prefix or priority, found `prefx` (did you mean `prefix`?)"),
    (SERVER + "timeout: 60", "4:10: expected a duration"),
    (
        SERVER + "rate_limits: [{id: a, limit: 1, unit: calls_per_week, mode: audit}]",
        "4:39: expected calls_per_second or",
    ),
    (
        SERVER + "rate_limits: [{id: a, limit: 1, unit: calls_per_day, per: [usr], mode: audit}]",
        "4:60: expected user, team",
    ),
    (SERVER + "scopes: ['a b']", "4:10: expected one scope (RFC 6749 §3.3)"),
    ("name: one\nsources: [", "not YAML"),
]


@pytest.mark.parametrize(("gateway", "expected"), GATEWAY_CASES)
def test_gateway_file(tmp_path: Path, gateway: str, expected: str) -> None:
    found = [text.replace(f"{tmp_path}/", "") for text in complaints(tmp_path, gateway, ENVIRON)]
    assert [text for text in found if text.startswith("gateway.yaml:") and expected in text], found
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(("server", "expected"), SERVER_CASES)
def test_virtual_server_file(tmp_path: Path, server: str, expected: str) -> None:
    found = complaints(tmp_path, GATEWAY, one=server)
    assert [text for text in found if text.startswith("virtual_servers/one.yaml:") and expected in text], found


def test_all_problems_of_all_files_are_reported_in_order(tmp_path: Path) -> None:
    found = complaints(
        tmp_path,
        "serer: 1\nupstreams: {time: {command: 1}}\nextra: 2\n",
        one="nam: one\n",
        two="name: two\nsources: [{upstream: x}]\n",
    )
    assert [text.split(": ")[0] for text in found] == [
        "gateway.yaml:1:1",
        "gateway.yaml:2:29",
        "gateway.yaml:3:1",
        "virtual_servers/one.yaml:1:1",
        "virtual_servers/one.yaml:1:1",
        "virtual_servers/one.yaml:1:1",
        "virtual_servers/two.yaml:2:22",
    ]


def test_two_virtual_servers_of_one_name(tmp_path: Path) -> None:
    found = complaints(tmp_path, GATEWAY, one=SERVER, two=SERVER)
    assert found == [
        "virtual_servers/two.yaml:1:7: another virtual server is called `one` (see virtual_servers/one.yaml)"
    ]
