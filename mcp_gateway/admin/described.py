"""The OpenAPI document: what each route needs is said there, from the table of roles."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mcp_gateway.admin.roles import TABLE

ROLE: Final = "x-role"
"""The member of an operation that names the least role that may use it; `none` where nobody is asked."""

_SCHEME: Final = "bearer"


def describe(app: FastAPI) -> None:
    """Have `app` give the document with roles, challenges and the scheme of credentials."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
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
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


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
