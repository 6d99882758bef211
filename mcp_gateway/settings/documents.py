"""Reading the YAML files: bytes, nodes and a model for each, with every problem collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from mcp_gateway.core.errors import Problem
from mcp_gateway.settings.nodes import Entries, Mark, Node, plain
from mcp_gateway.settings.problems import problem_at, translate
from mcp_gateway.settings.references import Resolver
from mcp_gateway.settings.yaml import MAX_BYTES, YamlProblem, read

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document(Generic[M]):
    """A file that was read. `root` is None if it is not YAML, `model` is None if it is not valid."""

    path: Path
    data: bytes
    root: Node | None
    model: M | None

    def has(self, *keys: str) -> bool:
        """Whether the file itself says something (other than null) at `keys`."""
        node = self.root
        for key in keys:
            if not isinstance(node, Entries) or key not in node.entries:
                return False
            node = node.entries[key][1]
        return node is not None and getattr(node, "value", node) is not None

    def problem(self, loc: tuple[str | int, ...], message: str, hint: str = "") -> Problem:
        """A problem with the part of this file at `loc`."""
        return problem_at(str(self.path), self.root or Entries(Mark(1, 1), {}), loc, message, hint)


def read_document(path: Path, model: type[M], resolver: Resolver, problems: list[Problem]) -> Document[M]:
    """Read and validate one file; what is wrong with it is added to `problems`."""
    resolver.files.add(path)
    file = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        problems.append(Problem(file, 0, 0, f"cannot read the file: {error.strerror}"))
        return Document(path, b"", None, None)
    try:
        root = read(data)
    except YamlProblem as error:
        problems.append(Problem(file, error.mark.line, error.mark.column, error.message, error.hint))
        return Document(path, data, None, None)
    content = plain(root)
    if content is None:
        root, content = Entries(Mark(1, 1), {}), {}
    if not isinstance(content, Mapping):
        problems.append(Problem(file, root.mark.line, root.mark.column, "expected a mapping of settings"))
        return Document(path, data, root, None)
    try:
        return Document(path, data, root, model.model_validate(content, context=resolver))
    except ValidationError as error:
        problems.extend(translate(file, root, error, model))
        return Document(path, data, root, None)
