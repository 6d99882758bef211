"""Well-known expressions by the names that admins know. RE2 syntax; no checksums: that is guard type `pii`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_UUID: Final = r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HEX4: Final = r"[0-9a-fA-F]{1,4}"

PRESETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # People and places
        "email": r"\b[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){0,6}\.[A-Za-z]{2,24}\b",
        "phone_us": r"(?:\+1[ .\-]?)?(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[ .\-])[2-9][0-9]{2}[ .\-][0-9]{4}\b",
        "phone_international": r"\+[1-9][0-9]{0,2}(?:[ .\-]?\(?[0-9]{1,4}\)?){2,5}\b",
        "us_ssn": r"\b(?:00[1-9]|0[1-9][0-9]|[1-5][0-9]{2}|6(?:[0-57-9][0-9]|6[0-57-9])|[78][0-9]{2})"
        r"-(?:0[1-9]|[1-9][0-9])-(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})\b",
        "us_itin": r"\b9[0-9]{2}-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-2]|9[4-9])-[0-9]{4}\b",
        "us_zip_code": r"\b[0-9]{5}-[0-9]{4}\b",
        "uk_nino": r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b",
        "uk_postcode": r"\b(?:GIR ?0AA|[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2})\b",
        "canada_sin": r"\b[1-79][0-9]{2}[ \-][0-9]{3}[ \-][0-9]{3}\b",
        "india_pan": r"\b[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]\b",
        "india_aadhaar": r"\b[2-9][0-9]{3}[ \-][0-9]{4}[ \-][0-9]{4}\b",
        "brazil_cpf": r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b",
        "date_of_birth": r"(?i)\b(?:date of birth|born on|dob)\b[ :]{1,3}[0-9]{1,4}[./\-][0-9]{1,2}[./\-][0-9]{1,4}\b",
        # Money
        "credit_card": r"\b(?:4[0-9]{3}|5[1-5][0-9]{2}|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]|720[0-9]|6(?:011|5[0-9]{2}))"
        r"[ \-]?[0-9]{4}[ \-]?[0-9]{4}[ \-]?[0-9]{4}\b|\b3[47][0-9]{2}[ \-]?[0-9]{6}[ \-]?[0-9]{5}\b",
        "iban": r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
        "swift_bic": r"(?i)\b(?:bic|swift)\b[ :]{1,3}[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b",
        "bitcoin_address": r"\b(?:bc1[ac-hj-np-z02-9]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b",
        "ethereum_address": r"\b0x[0-9a-fA-F]{40}\b",
        # Networks and machines
        "ipv4": rf"\b{_OCTET}(?:\.{_OCTET}){{3}}\b",
        "ipv6": rf"\b(?:{_HEX4}:){{7}}{_HEX4}\b|\b(?:{_HEX4}:){{1,6}}(?::{_HEX4}){{1,6}}\b|\b(?:{_HEX4}:){{1,7}}:",
        "mac_address": r"\b[0-9a-fA-F]{2}(?:[:\-][0-9a-fA-F]{2}){5}\b",
        "url": r"\bhttps?://[^\s\"'<>\\]{1,1000}",
        "uuid": _UUID,
        "private_ipv4": rf"\b(?:10\.{_OCTET}|192\.168|172\.(?:1[6-9]|2[0-9]|3[01]))\.{_OCTET}\.{_OCTET}\b",
        # Keys of services
        "aws_access_key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
        "aws_secret_key": r"(?i)\baws.{0,20}?(?:secret|private).{0,20}?['\"=: ][A-Za-z0-9/+]{40}\b",
        "github_token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b",
        "gitlab_token": r"\bglpat-[A-Za-z0-9_\-]{20,64}\b",
        "slack_token": r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,250}\b",
        "slack_webhook": r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/+_]{20,100}",
        "stripe_key": r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,247}\b",
        "google_api_key": r"\bAIza[0-9A-Za-z_\-]{35}\b",
        "google_oauth_token": r"\bya29\.[0-9A-Za-z_\-]{20,400}\b",
        "openai_api_key": r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_\-]{20,200}\b",
        "anthropic_api_key": r"\bsk-ant-[A-Za-z0-9_\-]{20,200}\b",
        "huggingface_token": r"\bhf_[A-Za-z0-9]{30,60}\b",
        "npm_token": r"\bnpm_[A-Za-z0-9]{36}\b",
        "pypi_token": r"\bpypi-[A-Za-z0-9_\-]{50,400}\b",
        "sendgrid_key": r"\bSG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}\b",
        "twilio_key": r"\b(?:AC|SK)[0-9a-f]{32}\b",
        "telegram_bot_token": r"\b[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}\b",
        "discord_token": r"\b[MNO][A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,40}\b",
        "azure_storage_key": r"\bAccountKey=[A-Za-z0-9+/]{86}==",
        "heroku_api_key": r"(?i)\bheroku.{0,30}?" + _UUID,
        "jwt": r"\beyJ[A-Za-z0-9_\-]{8,1000}\.eyJ[A-Za-z0-9_\-]{8,1000}\.[A-Za-z0-9_\-]{0,1000}",
        "private_key": r"-----BEGIN (?:[A-Z]{1,20} ){0,2}PRIVATE KEY(?: BLOCK)?-----",
        "bearer_token": r"(?i)\bbearer [A-Za-z0-9._~+/\-]{20,1000}={0,2}",
        "basic_auth_url": r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@\"']{1,64}:[^\s/@\"']{1,128}@[A-Za-z0-9.\-]{1,253}",
        "password_assignment": r"(?i)\b(?:password|passwd|pwd)[\"']?[ ]{0,2}[:=][ ]{0,2}[\"']?[^\s\"',;]{6,128}",
    }
)
"""Name and expression."""
