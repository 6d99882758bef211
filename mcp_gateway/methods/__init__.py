"""One module per family of MCP methods: from a decoded request to an invocation, from an event to a notification."""
