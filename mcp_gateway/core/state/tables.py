"""The tables. What they are made by is `migrations/`; a test holds the two together.

Every key begins with the tenant. Sealed columns come in threes: `kek` names the key-encryption key, `wrapped` is the
row's data key under it, `sealed` the text under the data key. What stands in the clear beside them is what people and
look-ups need. Times are Unix seconds of the database's clock.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Double, Index, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

METADATA: Final = MetaData()

GRANTS: Final = Table(
    "mcp_grants",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("refreshable", BigInteger, nullable=False),
    Column("claim", Text),
    Column("claim_until", Double),
    Column("kek", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("mcp_grants_by_kek", "tenant", "kek"),
    Index("mcp_grants_by_upstream", "tenant", "upstream"),
)

REGISTRATIONS: Final = Table(
    "mcp_registrations",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("issuer", Text, primary_key=True),
    Column("kek", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

CANARIES: Final = Table(
    "mcp_canaries",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("kek", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

FLOWS: Final = Table(
    "mcp_flows",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("mcp_flows_by_expiry", "tenant", "expires_at"),
)

ACCOUNTS: Final = Table(
    "mcp_accounts",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("teams", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("owner", Text),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("rotated_at", Double),
)

ACCOUNT_KEYS: Final = Table(
    "mcp_account_keys",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("until", Double),
    Index("mcp_account_keys_by_account", "tenant", "account"),
)

LEDGER: Final = Table(
    "mcp_ledger",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("plane", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("teams", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("cache_read", BigInteger, nullable=False),
    Column("cache_write", BigInteger, nullable=False),
    Column("reasoning", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("seconds", Double, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("metadata", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    Index("mcp_ledger_by_time", "tenant", "at"),
)
"""What `envelopes.observability.ledger` writes. `at` is in seconds of the clock of the gateway that wrote the row."""

SPEND: Final = Table(
    "mcp_spend",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("plane", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("teams", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("metadata", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
)
"""The sums of `mcp_ledger` for each hour (since 1970) and all that can be grouped by, of which `digest` is one."""
