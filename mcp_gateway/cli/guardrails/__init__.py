"""`mcp-gateway guardrails`, one file per command."""
