"""The names of OpenTelemetry's conventions for MCP and generative AI, and the gateway's own: nowhere else are any.

The conventions are in development, and no package has their names any more
(https://github.com/open-telemetry/semantic-conventions-genai).
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "mcp_gateway"
SERVICE: Final = "mcp-gateway"

# ---------------------------------------------------------------- shared

ERROR_TYPE: Final = "error.type"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE: Final = "service.instance.id"
RPC_STATUS: Final = "rpc.response.status_code"
JSONRPC_ID: Final = "jsonrpc.request.id"
CLIENT_ADDRESS: Final = "client.address"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
TRANSPORT: Final = "network.transport"
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
URL_PATH: Final = "url.path"
OTHER: Final = "_OTHER"
"""What the conventions say for a value of a closed set that is none of it."""

# ---------------------------------------------------------------- MCP

MCP_METHOD: Final = "mcp.method.name"
MCP_VERSION: Final = "mcp.protocol.version"
MCP_SESSION: Final = "mcp.session.id"
MCP_RESOURCE: Final = "mcp.resource.uri"

TOOL_ERROR: Final = "tool_error"
"""`error.type` of a result that says `isError`."""

MCP_SERVER_DURATION: Final = "mcp.server.operation.duration"
MCP_CLIENT_DURATION: Final = "mcp.client.operation.duration"
MCP_SERVER_SESSION: Final = "mcp.server.session.duration"
MCP_CLIENT_SESSION: Final = "mcp.client.session.duration"

# ---------------------------------------------------------------- generative AI

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
PROMPT_NAME: Final = "gen_ai.prompt.name"

CHAT: Final = "chat"
EMBEDDINGS: Final = "embeddings"
EXECUTE_TOOL: Final = "execute_tool"
RUN_GUARDRAIL: Final = "run_guardrail"

CLIENT_DURATION: Final = "gen_ai.client.operation.duration"
CLIENT_TOKENS: Final = "gen_ai.client.token.usage"
CLIENT_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
SERVER_DURATION: Final = "gen_ai.server.request.duration"
SERVER_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"
SERVER_PER_TOKEN: Final = "gen_ai.server.time_per_output_token"

GUARDRAIL_NAME: Final = "gen_ai.guardrail.component.name"
GUARDRAIL_TARGET: Final = "gen_ai.guardrail.target.type"
GUARDRAIL_SUBTYPE: Final = "gen_ai.guardrail.target.subtype"
GUARDRAIL_VERDICT: Final = "gen_ai.guardrail.verdict.type"
GUARDRAIL_ACTION: Final = "gen_ai.guardrail.action.type"

# ---------------------------------------------------------------- the gateway's own

REQUEST_ID: Final = "mcp_gateway.request.id"
SERVER: Final = "mcp_gateway.server"
UPSTREAM: Final = "mcp_gateway.upstream"
PRINCIPAL: Final = "mcp_gateway.principal"
SNAPSHOT: Final = "mcp_gateway.snapshot"
OUTCOME: Final = "mcp_gateway.outcome"
DIALECT: Final = "mcp_gateway.dialect"
RULE: Final = "mcp_gateway.route"
CACHE: Final = "mcp_gateway.cache"
OWN_PROVIDER: Final = "mcp_gateway.provider"
ATTEMPT: Final = "mcp_gateway.attempt"
COST: Final = "mcp_gateway.cost.usd"
ESTIMATED: Final = "mcp_gateway.usage.estimated"
METADATA: Final = "mcp_gateway.metadata."
BAGGAGE: Final = "mcp_gateway.baggage."
CONTENT_LEFT_OUT: Final = "mcp_gateway.content.left_out"
"""Attributes of content that are missing or shorter, because there was more of it than a span has room for."""

DECISION: Final = "mcp_gateway.decision"
DECISION_POLICIES: Final = "mcp_gateway.decision.policies"
DECISION_FAILURE: Final = "mcp_gateway.decision.failure"
LIMIT: Final = "mcp_gateway.limit"
AUDIT_CHAIN: Final = "mcp_gateway.audit.chain"
AUDIT_SEQ: Final = "mcp_gateway.audit.seq"

AUDIT_EVENT: Final = "mcp_gateway.audit."
"""Before the event of a record: the name of its log record."""

LOG_UID: Final = "log.record.uid"

DECIDED: Final = "mcp_gateway.decided"
"""The event of a policy decision; `mcp_gateway.decision.stage` says whether on the call or on its result."""

DECISION_STAGE: Final = "mcp_gateway.decision.stage"
