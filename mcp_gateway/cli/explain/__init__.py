"""`mcp-gateway explain`: the story of one request, from the record alone."""
