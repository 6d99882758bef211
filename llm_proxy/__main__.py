"""`python -m llm_proxy`: the LLM plane alone, with the options of `mcp-gateway serve`."""

import sys
from importlib import import_module
from typing import Final

_COMMAND: Final = "mcp_gateway.cli.main"
"""By name: the plane is made of nothing but `core` and `envelopes`; only a process needs what puts it together."""


def main() -> None:
    """The command."""
    sys.argv[1:] = ["serve", "--only", "models", *sys.argv[1:]]
    import_module(_COMMAND).main()


if __name__ == "__main__":
    main()
