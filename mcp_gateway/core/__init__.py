"""The grammar both planes are written in. Speaks no wire protocol, knows no room above it."""
