"""The tables. What they are made by is `migrations/`; a test holds the two together.

Every key begins with the tenant. Sealed columns come in threes: `kek` names the key-encryption key, `wrapped` is the
row's data key under it, `sealed` the text under the data key. What stands in the clear beside them is what people and
look-ups need. Times are Unix seconds of the database's clock.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, LargeBinary, MetaData, Table, Text

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
