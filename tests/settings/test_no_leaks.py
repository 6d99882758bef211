"""No message about a wrong configuration holds a secret, whatever is wrong."""

from __future__ import annotations

import string
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.settings.load import load
from tests.settings.files import write

SECRETS = st.text(string.ascii_letters + string.digits + "-_:/@\r\n\t é", min_size=8, max_size=80)
PLACES = st.sampled_from(
    [
        "state: {database: env:S}",
        "state: {redis: env:S}",
        "state: {encryption_keys: [env:S]}",
        "state: {encryption_keys: [file:s]}",
        "upstreams: {a: {url: 'https://x', auth: {type: header, headers: {X-K: env:S}}}}",
        "upstreams: {a: {url: 'https://x', auth: {type: header, headers: {Bad Name: file:s}}}}",
        "upstreams: {a: {command: [x], env: {TOKEN: env:S, 'B-D': env:S}}}",
        "upstreams: {a: {url: 'https://x', auth: {type: client_credentials, client_id: c, client_secret: env:S}}}",
        "upstreams: {a: {url: 'https://x', auth: {type: id_jag, client_secret: env:S, scopes: 1}}}",
    ]
)


@given(PLACES, SECRETS.map(lambda text: f"9q¤{text}¤"))  # no message holds these by chance
def test_resolved_secrets_stay_out_of_messages(place: str, secret: str) -> None:
    with TemporaryDirectory() as folder:
        path = write(Path(folder), place + "\nwrong: 1\n")
        (Path(folder) / "s").write_text(secret, encoding="utf-8", newline="")
        try:
            load(path, {"S": secret})
        except ConfigurationError as error:
            assert secret not in str(error) + repr(error) + repr(error.__cause__) + repr(error.__context__)
        else:
            raise AssertionError("`wrong` was accepted")
