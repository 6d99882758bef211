"""Copies of the record of calls: one row for each record of a chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "mcp_audit",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("chain", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        # In the key: of two records that claim one place, both are kept, and verifying finds them.
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True)),
        sa.Column("event", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("principal", sa.Text),
        sa.Column("server", sa.Text),
        sa.Column("upstream", sa.Text),
        sa.Column("target", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("line", sa.Text, nullable=False),
    )
    op.create_index("mcp_audit_by_time", "mcp_audit", ["tenant", "at"])
    op.create_index("mcp_audit_by_request", "mcp_audit", ["tenant", "request_id"])
