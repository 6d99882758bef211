"""`mcp-gateway demo`: real upstream servers, a real gateway, a real client, in one command."""
