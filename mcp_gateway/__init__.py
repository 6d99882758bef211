"""An agent gateway: virtual MCP servers composed from real ones."""

__version__ = "0.1.0"
