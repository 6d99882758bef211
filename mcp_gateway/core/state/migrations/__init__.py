"""Alembic's folder: only `core.state.migrate`, a process of its own, imports what is here."""
