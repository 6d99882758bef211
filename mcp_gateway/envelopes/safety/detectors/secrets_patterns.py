"""The expressions by which secrets are known: those of detect-secrets, and those that it lacks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.ibm_cos_hmac import IbmCosHmacDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from mcp_gateway.envelopes.safety.text.regex import Pattern

_PLUGINS: Final[tuple[tuple[str, RegexBasedDetector], ...]] = (
    ("artifactory_credentials", ArtifactoryDetector()),
    ("aws_access_key", AWSKeyDetector()),
    ("azure_storage_key", AzureStorageKeyDetector()),
    ("basic_auth", BasicAuthDetector()),
    ("cloudant_credentials", CloudantDetector()),
    ("discord_bot_token", DiscordBotTokenDetector()),
    ("github_token", GitHubTokenDetector()),
    ("gitlab_token", GitLabTokenDetector()),
    ("ibm_cloud_iam_key", IbmCloudIamDetector()),
    ("ibm_cos_hmac_credentials", IbmCosHmacDetector()),
    ("mailchimp_access_key", MailchimpDetector()),
    ("npm_token", NpmDetector()),
    ("openai_token", OpenAIDetector()),
    ("pypi_token", PypiTokenDetector()),
    ("sendgrid_api_key", SendGridDetector()),
    ("slack_token", SlackDetector()),
    ("softlayer_credentials", SoftlayerDetector()),
    ("square_oauth_secret", SquareOAuthDetector()),
    ("stripe_access_key", StripeDetector()),
    ("telegram_bot_token", TelegramBotTokenDetector()),
    ("twilio_api_key", TwilioKeyDetector()),
)
"""Not among them: those of private keys and JSON Web Tokens, which find a part of one, and of entropy without words."""

_VALUE_ONLY: Final = frozenset(
    {
        "aws_access_key",
        "basic_auth",
        "cloudant_credentials",
        "ibm_cloud_iam_key",
        "ibm_cos_hmac_credentials",
        "npm_token",
    }
    | {"softlayer_credentials"}
)
"""Kinds whose expressions hold more than the secret: their first group is it, where there is one."""

_LOOSE: Final = frozenset({r'(?:\s|=|:|"|^)AP[\dABCDEF][a-zA-Z0-9]{8,}(?:\s|"|$)'})
"""Expressions that ordinary words match (here: APARTMENTS in capitals)."""

_LOOK_AROUND: Final = (
    (re.compile(re.escape(r"(?:(?<=\W)|(?<=^))")), r"(?:^|\\W)"),
    (re.compile(r"^(.*)\(\?!\\w\)$"), r"(\1)(?:\\W|$)"),
    (re.compile(r"\(\?!\[([^]]+)\]\)\)\(.*\)$"), r")(?:[^\1]|$)"),
)
"""Look-around has no linear time: what stands beside the secret is matched with it, and the secret is a group."""

_BODY: Final = r"[A-Za-z0-9+/=\s\\:,.()_\-]"
_KEY: Final = r"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"


@dataclass(frozen=True, slots=True)
class Secret:
    """One expression, and the group of it that is the secret."""

    kind: str
    source: str
    group: int = 0
    ignore_case: bool = False


_OWN: Final = (
    Secret("private_key", rf"-----BEGIN {_KEY}{_BODY}*?-----END {_KEY}|-----BEGIN {_KEY}{_BODY}*"),
    Secret(
        "private_key", r"PuTTY-User-Key-File-[23]:(?s:.*?)Private-MAC: ?[0-9a-fA-F]+|PuTTY-User-Key-File-[23]:(?s:.*)"
    ),
    Secret("jwt", r"\beyJ[A-Za-z0-9_-]{8,400}(?:\.[A-Za-z0-9_-]*){1,4}"),
    Secret("anthropic_api_key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    Secret("openai_token", r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}|\bsk-[A-Za-z0-9]{48}\b"),
    Secret("google_api_key", r"\bAIza[A-Za-z0-9_-]{35}"),
    Secret("google_oauth_token", r"\bya29\.[A-Za-z0-9_-]{20,}|\bGOCSPX-[A-Za-z0-9_-]{28}|\b1//0[A-Za-z0-9_-]{40,}"),
    Secret("github_token", r"\bgithub_pat_[A-Za-z0-9_]{36,}"),
    Secret(
        "slack_token", r"\bxapp-[0-9]-[A-Za-z0-9]+-[0-9]+-[A-Za-z0-9]{20,}|\bxoxe(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{20,}"
    ),
    Secret("slack_token", r"\bxox[abposr]-[0-9A-Za-z-]{20,}"),
    Secret("npm_token", r"\bnpm_[A-Za-z0-9]{36}"),
    Secret("stripe_access_key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{20,}|\bwhsec_[A-Za-z0-9+/]{24,}"),
    Secret("hugging_face_token", r"\bhf_[A-Za-z0-9]{30,}"),
    Secret("digitalocean_token", r"\bdo[opr]_v1_[a-f0-9]{64}"),
    Secret("vault_token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    Secret("shopify_token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    Secret("databricks_token", r"\bdapi[a-f0-9]{32}\b"),
    Secret("linear_api_key", r"\blin_api_[A-Za-z0-9]{40}"),
    Secret("postman_api_key", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    Secret("age_secret_key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}"),
    Secret("azure_sas", r"\bsig=([A-Za-z0-9%/+]{43,}(?:%3[dD]|=))", 1),
    Secret("bearer_token", r"\b(?:bearer|basic)\s{1,3}([A-Za-z0-9._~+/-]{20,}=*)", 1, True),
    Secret("jwk_private_key", r"\"(?:d|k)\\?\"\s{0,3}:\s{0,3}\\?\"([A-Za-z0-9_-]{42,})\\?\"", 1),
)


def _of_plugins() -> Iterator[Secret]:
    for kind, plugin in _PLUGINS:
        for expression in plugin.denylist:
            if expression.pattern in _LOOSE:
                continue
            source = expression.pattern
            for look, beside in _LOOK_AROUND:
                source = look.sub(beside, source)
            grouped = source.endswith(r"(?:\W|$)") or (kind in _VALUE_ONLY and expression.groups > 0)
            # A hyphen after a range is no range (`[A-Za-z0-9-_]`); a thousand repetitions are as many as any.
            source = re.sub(r"\{(\d+),\d{4,}\}", r"{\1,}", source.replace("0-9-_", r"0-9\-_"))
            yield Secret(kind, source, int(grouped), bool(expression.flags & re.IGNORECASE))


SECRETS: Final = (*_OWN, *_of_plugins())
COMPILED: Final = tuple(Pattern(secret.source, ignore_case=secret.ignore_case) for secret in SECRETS)
