"""`mcp-gateway plan`: who would see what, and what of it is new."""
