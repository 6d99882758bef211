"""Secrets: what has the form of one, what a word calls one, and what only looks like it."""

from collections.abc import Iterable, Mapping

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.detectors.secrets import ASSIGNED, ASSIGNS, Secrets
from mcp_gateway.envelopes.safety.detectors.secrets_patterns import COMPILED
from mcp_gateway.envelopes.safety.finding import Finding
from mcp_gateway.envelopes.safety.scan import placeholder, redact, scan
from mcp_gateway.envelopes.safety.text.regex import Gate
from tests.envelopes.safety.support import CREDENTIALS, INNOCENT, made

_ALL = [(kind, text) for kind, texts in CREDENTIALS.items() for text in texts]
_PLACES = ["{}", "text {} text", '{{"key": "{}"}}', "({})", "export X={}", "<{}>", "x\n{}\ny", "'{}',"]


@pytest.mark.parametrize(("kind", "text"), _ALL)
@pytest.mark.parametrize("place", _PLACES)
def test_a_credential_is_found_whole_in_any_place(kind: str, text: str, place: str) -> None:
    whole = place.format(text)
    assert redact(whole, scan(whole, [Secrets()]), placeholder) == place.format(f"[{kind.upper()}]")


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_like_one_is_not_found(text: str) -> None:
    assert Secrets().find(text) == []


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://user:hunter2pass@db.example.com/x", "https://user:[BASIC_AUTH]@db.example.com/x"),
        ("postgres://app:s3cr3tpw@10.0.0.1:5432/db", "postgres://app:[BASIC_AUTH]@10.0.0.1:5432/db"),
        (made("api_key = 'a8F3kP9x", "Qz71LmNvBc24'"), "api_key = '[SECRET]'"),
        (made('{"client_secret": "a8F3kP9x', 'Qz71LmNvBc24"}'), '{"client_secret": "[SECRET]"}'),
        (
            made(r'{"a": "{\"access_token\":\"a8F3kP9x', r'Qz71LmNvBc24\"}"}'),
            r'{"a": "{\"access_token\":\"[SECRET]\"}"}',
        ),
        (made("password: Tr0ub4", "dor&3"), "password: [SECRET]"),
        (made("https://x.example/?password=Tr0ub4", "dor!&page=3"), "https://x.example/?password=[SECRET]&page=3"),
        (made("DB_PASSWORD=Tr0ub4", "dor!3"), "DB_PASSWORD=[SECRET]"),
        (made("secret_key: 0123456789abcdef", "fedcba9876543210"), "secret_key: [SECRET]"),
        (made("Authorization: Bearer a8F3kP9x", "Qz71LmNvBc24"), "Authorization: Bearer [BEARER_TOKEN]"),
        ('{"kty":"OKP","crv":"Ed25519","d":"' + "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" + '"}', None),
    ],
)
def test_of_what_holds_a_secret_the_secret_alone_is_redacted(text: str, redacted: str | None) -> None:
    left = redact(text, scan(text, [Secrets()]))
    assert left == (redacted or '{"kty":"OKP","crv":"Ed25519","d":"[JWK_PRIVATE_KEY]"}')


@pytest.mark.parametrize(
    "text",
    [
        "token: 123e4567-e89b-12d3-a456-426614174000",
        "password: changeme-Example1",
        "nextPageToken=a8F3kP9xQz71LmNvBc24",
        "sync_token: a8F3kP9xQz71LmNvBc24",
        "public_key: a8F3kP9xQz71LmNvBc24",
        "secret_name: prod-db-01/main-credentials-2026",
        "total_tokens: 12345678901234567890",
        "the secret: internationalization-is-hard-work",
        "keyboard: a8F3kP9xQz71LmNvBc24",
        "eyJub3QiOiJhIGhlYWQifQ.eyJhIjoxfQ.x",
    ],
)
def test_what_no_word_or_no_randomness_calls_a_secret_is_none(text: str) -> None:
    assert Secrets().find(text) == []


def test_without_entropy_only_forms_are_known() -> None:
    text = made("api_key = 'a8F3kP9x", "Qz71LmNvBc24'")
    assert Secrets.of({"entropy": False}).find(text) == []
    assert Secrets().find(text) != []


def test_a_key_that_has_no_end_yet_reaches_to_the_end_of_the_text() -> None:
    text = "x " + made("-----BEGIN RSA ", "PRIVATE KEY-----\n") + "MIIE" * 100
    assert Secrets().find(text) == [Finding("private_key", 2, len(text))]


def test_a_key_within_json_is_found_to_its_end() -> None:
    key = made("-----BEGIN ", r"PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END ", "PRIVATE KEY-----")
    assert redact(f'{{"k":"{key}"}}', Secrets().find(f'{{"k":"{key}"}}')) == '{"k":"[PRIVATE_KEY]"}'


@pytest.mark.parametrize(
    ("config", "message"), [({"entropy": 1}, "true or false"), ({"words": []}, "unknown option; known are: entropy")]
)
def test_a_configuration_that_says_nothing_is_refused(config: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Secrets.of(config)


@pytest.mark.parametrize(("kind", "text"), _ALL)
def test_what_the_library_finds_is_found(kind: str, text: str) -> None:
    skipped = {"KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector"}
    plugins: Iterable[type[BasePlugin]] = get_mapping_from_secret_type_to_class().values()
    for plugin in plugins:
        if plugin.__name__ not in skipped and list(plugin().analyze_string(text)):
            assert Secrets().find(text), plugin.__name__


@given(
    st.text(alphabet="sk-antAKIA0123456789gh_pxo.:/@='\"eyJ \n", max_size=300), st.sampled_from([t for _, t in _ALL])
)
def test_the_gate_lets_pass_what_an_expression_matches(noise: str, secret: str) -> None:
    patterns = (*COMPILED, ASSIGNS)
    gate = Gate(patterns)
    for text in (noise, noise + secret, secret + noise):
        matching = {index for index, pattern in enumerate(patterns) if pattern.within(text)}
        assert set(gate.matching(text)) == matching


_ASSIGNING = (
    "api_key",
    "a" * 50,
    "client-secret",
    "PASSWD",
    "ſecret",
    "_",
    "-2",
    '\\"',
    "'",
    " ",
    ":=",
    "=>",
    "= ",
    "tok",
)


@given(st.lists(st.sampled_from(_ASSIGNING) | st.text("aK9[,é", min_size=6, max_size=9), max_size=8).map("".join))
def test_what_a_word_calls_a_secret_is_looked_for_wherever_one_may_be(text: str) -> None:
    assert ASSIGNS.within(text) is ASSIGNED.within(text)
