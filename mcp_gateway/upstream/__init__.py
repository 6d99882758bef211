"""The way to MCP servers: connectors, eras, sessions, inventory, invocation."""
