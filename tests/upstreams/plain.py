"""A small well-behaved MCP server of a business: a ledger with tools, prompts, resources and a resource template.

Run it with `python -m tests.upstreams.plain --port 0 [--era both|modern|legacy] [--json]` or `--transport stdio`.
Posting an entry changes `ledger://balance` for its subscribers, and closing a period adds a resource and a tool, so
that list changes can be observed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, ToolsListChanged
from mcp_types import (
    CallToolResult,
    GetPromptResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    Resource,
    ResourceTemplate,
    TextContent,
    ToolAnnotations,
)

from tests.upstreams.fixture import (
    Call,
    Offer,
    PromptSpec,
    ResourceSpec,
    TemplateSpec,
    WideServer,
    object_schema,
    text,
    tool,
)
from tests.upstreams.serving import build_server, main

NAME = "ledger"
CURRENCIES = ["EUR", "USD", "CHF"]
BALANCE = "ledger://balance"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Entry:
    number: int
    amount: Decimal
    currency: str
    requester: str
    memo: str

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "amount": str(self.amount),
            "currency": self.currency,
            "requester": self.requester,
            "memo": self.memo,
        }


@dataclass(slots=True)
class Ledger:
    entries: list[Entry] = field(default_factory=list)

    def post(self, amount: Decimal, currency: str, requester: str, memo: str) -> Entry:
        entry = Entry(len(self.entries) + 1, amount, currency, requester, memo)
        self.entries.append(entry)
        return entry

    def balance(self, currency: str) -> str:
        return str(sum((e.amount for e in self.entries if e.currency == currency), Decimal("0.00")))

    def balances(self) -> dict[str, str]:
        return {currency: self.balance(currency) for currency in CURRENCIES}


@dataclass(frozen=True, slots=True)
class Desk:
    """The bodies of the ledger's tools and prompts."""

    ledger: Ledger
    offer: Offer

    async def query_balance(self, call: Call) -> CallToolResult:
        currency = str(call.arguments.get("currency", "EUR"))
        found = {"currency": currency, "balance": self.ledger.balance(currency)}
        return text(f"{found['balance']} {currency}", structured=found)

    async def query_entries(self, call: Call) -> CallToolResult:
        limit = int(call.arguments.get("limit", 10))
        wanted = str(call.arguments.get("contains", "")).lower()
        found = [e.as_json() for e in self.ledger.entries if wanted in e.memo.lower()][-limit:]
        return text(json.dumps(found), structured={"entries": found})

    async def post_entry(self, call: Call) -> CallToolResult:
        given = call.arguments
        try:
            amount = Decimal(str(given["amt"])).quantize(Decimal("0.01"))
        except (KeyError, InvalidOperation):
            return text("amt is not an amount", is_error=True)
        currency = str(given.get("currency", ""))
        if currency not in CURRENCIES:
            return text(f"currency is not one of {', '.join(CURRENCIES)}", is_error=True)
        entry = self.ledger.post(amount, currency, str(given.get("requester", "")), str(given.get("memo", "")))
        await call.audience.publish(ResourceUpdated(uri=BALANCE))
        booked = entry.as_json()
        return text(f"Booked entry {entry.number}: {entry.amount} {entry.currency}", structured=booked)

    async def close_period(self, call: Call) -> CallToolResult:
        """Adds the resource `ledger://periods/<period>` and the tool `report_<period>`."""
        period = str(call.arguments["period"])
        closed = json.dumps({"period": period, "balances": self.ledger.balances()})

        async def report(call: Call) -> CallToolResult:
            return text(closed)

        spec = resource(f"ledger://periods/{period}", f"Period {period}", "Balances at its close", closed)
        self.offer.resources[spec.resource.uri] = spec
        name = f"report_{period}"
        self.offer.tools[name] = tool(name, f"The balances at the close of {period}", report, annotations=READING)
        await call.audience.publish(ResourcesListChanged())
        await call.audience.publish(ToolsListChanged())
        return text(f"Closed {period}")

    async def reconcile(self, call: Call) -> CallToolResult:
        steps = int(call.arguments.get("steps", 3))
        for step in range(1, steps + 1):
            await call.progress(step, steps, f"account {step} of {steps}")
            await call.log("info", f"account {step} reconciled")
        return text(f"Reconciled {steps} accounts")

    async def monthly_review(self, call: Call) -> GetPromptResult:
        asked = f"Review the ledger for {call.arguments['month']} and explain every entry above 1000."
        return GetPromptResult(messages=[PromptMessage(role="user", content=TextContent(type="text", text=asked))])


READING = ToolAnnotations(read_only_hint=True, open_world_hint=False)
POSTING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
CURRENCY = {"type": "string", "enum": CURRENCIES, "description": "ISO 4217 code"}
ENTRY = object_schema(
    {
        "number": {"type": "integer"},
        "amount": {"type": "string"},
        "currency": CURRENCY,
        "requester": {"type": "string"},
        "memo": {"type": "string"},
    },
    "number",
    "amount",
    "currency",
    "requester",
    "memo",
)
POST = object_schema(
    {
        "amt": {"type": "number", "description": "Amount; negative for a debit"},
        "currency": CURRENCY,
        "requester": {"type": "string", "description": "Who wants it booked"},
        "memo": {"type": "string", "description": "What it is for"},
    },
    "amt",
    "currency",
    "requester",
)


def resource(uri: str, name: str, description: str, body: str) -> ResourceSpec:
    """A JSON resource with a fixed body."""

    def read(variables: Mapping[str, str]) -> str:
        return body

    return ResourceSpec(Resource(uri=uri, name=name, description=description, mime_type=JSON), read)


def _stock_tools(offer: Offer, desk: Desk) -> None:
    balance = object_schema({"currency": {"type": "string"}, "balance": {"type": "string"}}, "currency", "balance")
    listed = object_schema({"entries": {"type": "array", "items": ENTRY}}, "entries")
    search = object_schema(
        {"limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}, "contains": {"type": "string"}}
    )
    period = object_schema({"period": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}}, "period")
    steps = object_schema({"steps": {"type": "integer", "minimum": 1, "maximum": 1000}})
    by_currency = object_schema({"currency": CURRENCY})
    for spec in (
        tool(
            "query_balance",
            "The balance in one currency",
            desk.query_balance,
            by_currency,
            annotations=READING,
            output_schema=balance,
        ),
        tool(
            "query_entries",
            "The latest entries, oldest first",
            desk.query_entries,
            search,
            annotations=READING,
            output_schema=listed,
        ),
        tool("post_entry", "Book an entry", desk.post_entry, POST, annotations=POSTING, output_schema=ENTRY),
        tool("close_period", "Close a month and publish its balances", desk.close_period, period, annotations=POSTING),
        tool("reconcile", "Go through the accounts, reporting progress", desk.reconcile, steps, annotations=READING),
    ):
        offer.tools[spec.tool.name] = spec


def _stock_rest(offer: Offer, desk: Desk, ledger: Ledger) -> None:
    month = PromptArgument(name="month", description="Like 2026-07", required=True)
    review = Prompt(name="monthly_review", description="Review one month of the ledger", arguments=[month])
    offer.prompts[review.name] = PromptSpec(review, desk.monthly_review)
    balances = Resource(uri=BALANCE, name="Balances", description="The balance in every currency", mime_type=JSON)
    offer.resources[BALANCE] = ResourceSpec(balances, lambda variables: json.dumps(ledger.balances()))
    accounts = resource("ledger://accounts", "Accounts", "The currencies that are kept", json.dumps(CURRENCIES))
    offer.resources[accounts.resource.uri] = accounts

    def read_entry(variables: Mapping[str, str]) -> str:
        number = int(variables["number"])
        found = next((e for e in ledger.entries if e.number == number), None)
        return json.dumps(found.as_json() if found else None)

    template = ResourceTemplate(
        uri_template="ledger://entries/{number}", name="Entry", description="One entry", mime_type=JSON
    )
    offer.templates.append(TemplateSpec(template, r"ledger://entries/(?P<number>[0-9]{1,9})", read_entry))


def complete(ref: str, argument: str, value: str) -> list[str]:
    months = [f"2026-{month:02}" for month in range(1, 13)]
    return [month for month in months if argument == "month" and month.startswith(value)]


def make() -> WideServer:
    ledger, offer = Ledger(), Offer(completions=complete)
    ledger.post(Decimal("1200.00"), "EUR", "controller@example.com", "opening balance")
    ledger.post(Decimal("-49.90"), "EUR", "ops@example.com", "hosting")
    desk = Desk(ledger, offer)
    _stock_tools(offer, desk)
    _stock_rest(offer, desk, ledger)
    return build_server(NAME, "1.0.0", offer, instructions="Read the ledger before you book.")


if __name__ == "__main__":
    sys.exit(main(make))
