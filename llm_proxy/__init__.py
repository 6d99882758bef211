"""The completions plane of the gateway: it shares `mcp_gateway.core` and `mcp_gateway.envelopes`."""

__version__ = "0.1.0"
