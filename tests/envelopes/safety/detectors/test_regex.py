"""Expressions by name and of one's own: what they match, what is refused before it can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.detectors.regex import Regex
from mcp_gateway.envelopes.safety.detectors.regex_presets import PRESETS
from mcp_gateway.envelopes.safety.scan import placeholder, redact, scan

ALL = Regex.of({"preset_patterns": {"presets": list(PRESETS)}})

EXAMPLES = {
    "email": "ann@example.com",
    "phone_us": "(212) 555-0123",
    "phone_international": "+49 30 1234 5678",
    "us_ssn": "078-05-1120",
    "us_itin": "912-70-1234",
    "us_zip_code": "90210-1234",
    "uk_nino": "AB 12 34 56 C",
    "uk_postcode": "SW1A 1AA",
    "canada_sin": "130 692 544",
    "india_pan": "ABCPE1234F",
    "india_aadhaar": "2345 6789 0123",
    "brazil_cpf": "529.982.247-25",
    "date_of_birth": "DOB: 1980-01-31",
    "credit_card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "swift_bic": "BIC: DEUTDEFF",
    "bitcoin_address": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "ethereum_address": "0x" + "aB" * 20,
    "ipv4": "192.0.2.255",
    "ipv6": "2001:db8::1",
    "mac_address": "00:1b:44:11:3a:b7",
    "url": "https://example.com/x?y",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "private_ipv4": "10.1.2.3",
    "aws_access_key": "AKIA" + "Q" * 16,
    "aws_secret_key": "aws_secret_access_key=" + "a" * 40,
    "github_token": "ghp_" + "a" * 36,
    "gitlab_token": "glpat-" + "a" * 20,
    "slack_token": "xoxb-" + "1" * 12,
    "slack_webhook": "https://hooks.slack.com/services/" + "T" * 24,
    "stripe_key": "sk_test_" + "a" * 24,
    "google_api_key": "AIza" + "a" * 35,
    "google_oauth_token": "ya29." + "a" * 30,
    "openai_api_key": "sk-proj-" + "a" * 40,
    "anthropic_api_key": "sk-ant-" + "a" * 40,
    "huggingface_token": "hf_" + "a" * 34,
    "npm_token": "npm_" + "a" * 36,
    "pypi_token": "pypi-" + "a" * 60,
    "sendgrid_key": "SG." + "a" * 22 + "." + "b" * 43,
    "twilio_key": "AC" + "0" * 32,
    "telegram_bot_token": "123456789:AA" + "a" * 33,
    "discord_token": "M" + "a" * 23 + ".abcdef." + "b" * 27,
    "azure_storage_key": "AccountKey=" + "a" * 86 + "==",
    "heroku_api_key": "heroku key 123e4567-e89b-12d3-a456-426614174000",
    "jwt": "eyJhbGciOiJI.eyJzdWIiOiIx.sig",
    "private_key": "-----BEGIN RSA PRIVATE KEY-----",
    "bearer_token": "Bearer " + "a" * 24,
    "basic_auth_url": "https://user:pass@example.com",
    "password_assignment": "password = 'hunter22'",
}


@pytest.mark.parametrize("name", PRESETS)
def test_every_name_finds_what_it_says(name: str) -> None:
    text = f"see {EXAMPLES[name]} here"
    found = Regex.of({"presets": [name]}).find(text)
    assert [finding.kind for finding in found] == [name]
    assert EXAMPLES[name].startswith(text[found[0].start : found[0].end][:8])


@pytest.mark.parametrize("text", ["", "nothing to see", "1.2.3", "日本語のテキスト", "SELECT a FROM b WHERE c = 1"])
def test_what_is_ordinary_is_left_alone(text: str) -> None:
    assert ALL.find(text) == ()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "neither"),
        ({"presets": ["emial"]}, "`presets` may hold"),
        ({"custom_patterns": [{"pattern": "(?=a)b"}]}, "linear time"),
        ({"custom_patterns": [{"pattern": r"(a)\1"}]}, "linear time"),
        ({"custom_patterns": [{"pattern": "a*"}]}, "empty text"),
        ({"custom_patterns": [{"pattern": ""}]}, "is empty"),
        ({"custom_patterns": [{"pattern": "a" * 3000}]}, "too long"),
        ({"custom_patterns": [{"pattern": "a", "redaction_text": 'x"y'}]}, "no quotes"),
        ({"custom_patterns": [{"pattern": "[A-Z]{3}", "redaction_text": "GONE"}]}, "itself matched"),
        ({"custom_patterns": [{"pattern": "a", "name": "A b"}]}, "lower-case"),
        ({"custom_patterns": [{"pattern": "a", "name": "email"}], "presets": ["email"]}, "more than one"),
        ({"custom_patterns": [{"patern": "a"}]}, "did you mean `pattern`"),
        ({"custom_patterns": ["a"]}, "mapping"),
    ],
)
def test_wrong_options_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Regex.of(config)


def test_an_own_expression_has_its_own_label() -> None:
    guard = Regex.of(
        {
            "custom_patterns": [
                {"pattern": "PRJ-[0-9]+", "redaction_text": "(project)"},
                {"pattern": "emp[0-9]{5}", "name": "staff"},
            ]
        }
    )
    text = "PRJ-12 by emp12345"
    found = scan(text, [guard])
    assert redact(text, found, lambda finding: guard.label(finding) or placeholder(finding)) == "(project) by [STAFF]"


def test_an_expression_that_explodes_elsewhere_comes_to_an_end() -> None:
    guard = Regex.of({"custom_patterns": [{"pattern": "(a+)+$"}, {"pattern": "(x|xx)+y"}]})
    assert not guard.find("a" * 100_000 + "!" + "x" * 100_000)


@given(st.text(max_size=60), st.sampled_from(sorted(EXAMPLES)), st.text(max_size=60))
def test_what_was_taken_out_stays_out(before: str, name: str, after: str) -> None:
    text = f"{before} {EXAMPLES[name]} {after}".encode("utf-8", "replace").decode()
    once = redact(text, scan(text, [ALL]))
    assert redact(once, scan(once, [ALL])) == once
