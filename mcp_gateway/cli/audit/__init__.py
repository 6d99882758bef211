"""`mcp-gateway audit`: is the record as it was written, what does it hold."""
