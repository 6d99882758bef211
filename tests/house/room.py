"""An import-linter contract type for one row of the table of rooms: the complete list of what a room may import."""

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


class RoomContract(Contract):
    """A room's direct imports, checked against an allow list.

    Options: `room` (a package or module), `may_import` (packages or modules of ours that it may import beside itself
    and beside the bare root packages, which hold a version only), `never` (outside packages that it may not import).
    A room that does not exist keeps its contract, so the rules can be written before the room.
    """

    type_name = "room"

    room = fields.StringField()
    may_import = fields.SetField(subfield=fields.StringField(), required=False, default=frozenset())
    never = fields.SetField(subfield=fields.StringField(), required=False, default=frozenset())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Read every direct import of every module in the room."""
        del verbose  # there is nothing to add: a broken contract always names the line
        roots = {str(root) for root in self.session_options["root_packages"]}
        wrong = [
            detail
            for importer in sorted(graph.modules)
            if _within(importer, str(self.room))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._may(imported, roots)
            for detail in self._details(graph, importer, imported)
        ]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line for each import that the room may not have."""
        for line in check.metadata["wrong"]:
            output.print_error(line)

    def _may(self, imported: str, roots: set[str]) -> bool:
        allowed: Any = self.may_import
        never: Any = self.never
        if any(_within(imported, str(package)) for package in never):
            return False
        if imported.split(".", 1)[0] not in roots or imported in roots:
            return True
        return _within(imported, str(self.room)) or any(_within(imported, str(package)) for package in allowed)

    @staticmethod
    def _details(graph: ImportGraph, importer: str, imported: str) -> list[str]:
        details = graph.get_import_details(importer=importer, imported=imported)
        return [f"{importer}:{detail['line_number']} may not import {imported}" for detail in details]
