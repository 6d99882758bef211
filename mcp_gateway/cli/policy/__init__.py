"""`mcp-gateway policy`: what a reviewer asks about policies, one file a command."""
