"""An import-linter contract type for pure modules: values in, values out, no I/O library behind them."""

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PureContract(Contract):
    """No chain of imports leads from these modules to an I/O library.

    Options: `modules` (packages or modules; ones that do not exist yet are kept) and `never` (outside packages). Chains
    through our own modules count, because importing a module that imports a socket library imports it too.
    """

    type_name = "pure"

    modules = fields.SetField(subfield=fields.StringField())
    never = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look for a shortest chain from every pure module to every forbidden package."""
        del verbose  # there is nothing to add: a broken contract always names the chain
        never: Any = self.never
        modules: Any = self.modules
        libraries = sorted(name for name in never if name in graph.modules)
        pure = sorted(name for name in modules if name in graph.modules)
        members = [member for name in pure for member in (name, *sorted(graph.find_descendants(name)))]
        chains = [graph.find_shortest_chain(member, library) for member in members for library in libraries]
        return ContractCheck(kept=not any(chains), metadata={"chains": [chain for chain in chains if chain]})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line for each chain, from the pure module to the library."""
        for chain in check.metadata["chains"]:
            output.print_error(" → ".join(chain))
