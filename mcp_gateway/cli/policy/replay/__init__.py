"""`mcp-gateway policy replay`: what other policies would have decided of calls that were made."""
