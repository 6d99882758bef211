"""`python -m mcp_gateway`: the same command as the console script `mcp-gateway`."""

from mcp_gateway.cli.main import main

if __name__ == "__main__":
    main()
