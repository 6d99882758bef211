"""The cases of `mcp-gateway policy test`: YAML files, read as strictly as the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError, field_validator

from mcp_gateway.cli.policy.decide import LOOPBACK
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Text, empty_mapping
from mcp_gateway.settings.nodes import Entries, Items, plain
from mcp_gateway.settings.problems import problem_at, translate
from mcp_gateway.settings.yaml import MAX_BYTES, YamlProblem, read

SUFFIXES: Final = (".yaml", ".yml")


def _address(value: str) -> str:
    ip_address(value)
    return value


class PrincipalCase(Model):
    """Who asks, with what a token would say."""

    id: Text = Field(description="`issuer name|sub`, `virtual_account:name` or `anonymous`.")
    teams: tuple[Text, ...] = Field(default=(), description="Groups.")
    scopes: tuple[Text, ...] = Field(default=(), description="Scopes of the token.")
    email: Text | None = Field(default=None, description="Address.")
    claims: FrozenMapping[Text, Any] = Field(default_factory=empty_mapping, description="Claims, which become tags.")
    client_id: Text | None = Field(default=None, description="The agent.")


class Case(Model):
    """One call and what the policies are to say."""

    name: Text | None = Field(default=None, description="What it shows.")
    principal: PrincipalCase = Field(description="Who asks.")
    server: Text = Field(description="Virtual server.")
    tool: Text = Field(description="Tool, by the name that agents see.")
    arguments: FrozenMapping[Text, Any] = Field(default_factory=empty_mapping, description="As the agent gives them.")
    metadata: FrozenMapping[Text, Text] | None = Field(default=None, description="Of the request.")
    output: FrozenMapping[Text, Any] | None = Field(default=None, description="Structured content that comes back.")
    is_error: Flag = Field(default=False, description="Whether the tool fails.")
    now: AwareDatetime | None = Field(default=None, description="When. Default: now.")
    ip: Annotated[Text, AfterValidator(_address)] = Field(default=LOOPBACK, description="Where from.")
    expect: Literal["allow", "deny"] = Field(description="The answer.")
    by: tuple[Text, ...] | None = Field(default=None, description="Policies that must be among the deciding ones.")

    @field_validator("principal", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"id": value} if isinstance(value, str) else value


class CaseFile(Model):
    """A file of cases."""

    cases: tuple[Case, ...] = Field(min_length=1, description="The cases.")


@dataclass(frozen=True, slots=True)
class Placed:
    """A case and where it stands."""

    file: str
    line: int
    column: int
    case: Case

    @property
    def title(self) -> str:
        """Its name, else what it is about."""
        case = self.case
        return case.name or f"{case.principal.id} calls {case.server}/{case.tool}"


def read_cases(path: Path) -> Sequence[Placed]:
    """The cases of a file, or of all YAML files directly in a folder, by name.

    Raises `ConfigurationError` with every problem, also where there is no case at all.
    """
    files = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path]
    problems: list[Problem] = []
    found = [placed for file in files for placed in _read(file, problems)]
    if not problems and not found:
        problems.append(Problem(str(path), 0, 0, "there are no cases", "write `cases:` in a .yaml file"))
    if problems:
        raise ConfigurationError(problems)
    return found


def _read(path: Path, problems: list[Problem]) -> list[Placed]:
    file = str(path)
    try:
        with path.open("rb") as stream:
            root = read(stream.read(MAX_BYTES + 1))
    except OSError as error:
        problems.append(Problem(file, 0, 0, f"cannot read the file: {error.strerror}"))
        return []
    except YamlProblem as error:
        problems.append(Problem(file, error.mark.line, error.mark.column, error.message, error.hint))
        return []
    if isinstance(root, Items):
        root = Entries(root.mark, {"cases": (root.mark, root)})
    content = plain(root)
    if not isinstance(content, Mapping):
        message = "expected a list of cases, or a mapping with `cases`"
        problems.append(Problem(file, root.mark.line, root.mark.column, message))
        return []
    try:
        cases = CaseFile.model_validate(content).cases
    except ValidationError as error:
        problems.extend(translate(file, root, error, CaseFile))
        return []
    places = [problem_at(file, root, ("cases", index), "") for index in range(len(cases))]
    return [Placed(file, at.line, at.column, case) for at, case in zip(places, cases, strict=True)]
