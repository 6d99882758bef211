"""What calls carry: little, or a kilobyte there and two back in which guardrails find nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tests.bench.sites import Site

_NOTE: Final = (
    "The supplier asked twice whether the delivery of the second half can wait until the dock is free again; "
    "procurement agreed on Tuesday, finance has not answered. Please book what arrived, keep the rest open, and "
    "leave the terms as they are: 30 days net, 2 % for payment within 10. See https://wiki.example.com/ledger/terms."
)
_ORDER: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "reference": "PO-2026-0417",
        "due": "2026-11-30",
        "currency": "EUR",
        "department": "warehouse north",
        "labels": ["quarterly", "partial delivery", "three-way match"],
        "lines": [
            {"item": "bracket, galvanised, 40 mm", "quantity": 1200, "price": "0.85", "account": "4930"},
            {"item": "hinge, left, stainless", "quantity": 340, "price": "3.10", "account": "4930"},
            {"item": "crate, returnable", "quantity": 12, "price": "17.50", "account": "4985"},
        ],
        "remarks": ["do not stack", "call the dock before noon", "no deliveries on the last Friday of a quarter"],
        "split": {"north": 0.4, "south": 0.35, "reserve": 0.25},
        "approved": True,
        "replaces": None,
        "note": _NOTE,
    }
)
"""A kilobyte, as JSON, with what is asked for besides."""

_BOOKED: Final = (
    "The goods of the first two lines were received at dock 4 and counted; the crates are missing and remain open. "
    "Amounts were posted without tax, which the monthly run adds. The match against the order differs by 0.15 EUR, "
    "less than the tolerance of 1 %, so nobody has to look at it. The next run is on 2026-12-01 at 06:30. "
    "The supplier was told by the portal that half of the order is closed and which lines are still expected; terms "
    "were not changed. What is expected after the due date is listed in the report of open orders, sorted by value, "
    "with the name of the department and the reason that was given. Receipts are kept with the order for ten years; "
    "see https://wiki.example.com/ledger/receipts for who may look at them and how long a copy takes."
)
_POSTINGS: Final = tuple(
    {
        "line": line,
        "account": account,
        "center": "warehouse-north",
        "debit": debit,
        "credit": "0.00",
        "text": f"{item} as ordered, received and counted",
        "state": "posted",
        "source": "goods receipt",
    }
    for line, (account, debit, item) in enumerate(
        (
            ("4930", "1020.00", "brackets"),
            ("4930", "1054.00", "hinges"),
            ("4985", "0.00", "crates"),
            ("1570", "394.06", "input tax"),
            ("3300", "2468.06", "payables"),
            ("4999", "0.15", "rounding"),
        ),
        start=1,
    )
)


def arguments(site: Site, key: str) -> dict[str, Any]:
    """The arguments of a call with `key`."""
    asked: dict[str, Any] = {"key": key, "limit": 3}
    return {**asked, "order": dict(_ORDER)} if site.full else asked


def definition(site: Site, name: str) -> dict[str, Any]:
    """A tool of ordinary size."""
    order = {"order": {"type": "object", "description": "What is booked"}} if site.full else {}
    return {
        "name": name,
        "title": f"Query {name}",
        "description": "The entry of the ledger that was booked under a key, with its amount and its currency.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "key": {"type": "string", "minLength": 1, "description": "The key of the entry"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
                **order,
            },
            "required": ["key"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }


def result(site: Site, key: str) -> dict[str, Any]:
    """What a call with `key` is answered with, apart from `resultType`: every caller can tell its own answer."""
    entry: dict[str, Any] = {"key": key, "amount": "4711.00", "currency": "EUR"}
    text = f"entry {key}: 4711.00 EUR, booked"
    if site.full:
        entry["postings"] = list(_POSTINGS)
        text = f"{text}. {_BOOKED}"
    return {"content": [{"type": "text", "text": text}], "structuredContent": entry, "isError": False}
