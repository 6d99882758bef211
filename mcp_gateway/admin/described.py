"""The OpenAPI document: what each route needs is said there, from the table of roles."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mcp_gateway.admin.roles import TABLE

ROLE: Final = "x-role"
"""The member of an operation that names the least role that may use it; `none` where nobody is asked."""

_SCHEME: Final = "bearer"


class Described(FastAPI):
    """A FastAPI app whose document tells roles, challenges and the scheme of credentials."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            found = get_openapi(
                title=self.title, version=self.version, description=self.description, routes=self.routes
            )
            found.setdefault("components", {})["securitySchemes"] = {
                _SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token for the control plane, or a key of a virtual account, where "
                    "`server.admin.auth` is configured.",
                }
            }
            for path, operations in found["paths"].items():
                for method, operation in operations.items():
                    _tell(operation, method.upper(), path)
            self.openapi_schema = found
        return self.openapi_schema


def _tell(operation: dict[str, Any], method: str, path: str) -> None:
    # The document leaves the converter out of a path's parameter.
    role = next(role for (verb, route), role in TABLE.items() if (verb, route.replace(":path}", "}")) == (method, path))
    operation[ROLE] = "none" if role is None else role.word
    if role is None:
        return
    # An empty requirement beside it: on loopback, nobody may be asked for a credential.
    operation["security"] = [{_SCHEME: []}, {}]
    told = operation.setdefault("responses", {})
    told.setdefault("401", {"description": "No credential, or none that is good here"})
    told.setdefault("403", {"description": f"This needs the role {role.word}"})
