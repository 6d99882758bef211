from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from mcp_gateway.core.errors import ProtocolViolation, Rejected
from mcp_gateway.upstream import handshake
from mcp_gateway.upstream.handshake import LEVELS, RESERVED, LevelGate, passes, stamp, stamp_handshake
from mcp_gateway.upstream.wire import HANDSHAKE, MODERN


@mark.parametrize("version", HANDSHAKE)
def test_every_handshake_version_is_accepted(version: str) -> None:
    greeting = handshake.read_initialize(
        {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "s"}, "instructions": "i"}
    )
    assert (greeting.version, greeting.modern) == (version, False)
    assert greeting.capabilities == {"tools": {}}
    assert greeting.server_info == {"name": "s"}
    assert greeting.instructions == "i"


@mark.parametrize("version", ["2026-07-28", "1999-01-01", "", None, 7])
def test_other_versions_at_initialize_are_a_violation(version: object) -> None:
    with raises(ProtocolViolation):
        handshake.read_initialize({"protocolVersion": version, "capabilities": {}, "serverInfo": {}})


def test_a_greeting_of_wrong_shape_is_a_violation() -> None:
    with raises(ProtocolViolation):
        handshake.read_initialize({"protocolVersion": HANDSHAKE[0], "capabilities": []})


def test_discovery_that_names_the_modern_version_decides_for_it() -> None:
    greeting = handshake.read_discover(
        {
            "supportedVersions": ["2025-11-25", MODERN],
            "capabilities": {"tools": {}},
            "_meta": {handshake.SERVER_INFO: {"name": "s"}},
        }
    )
    assert greeting is not None
    assert (greeting.version, greeting.modern, greeting.server_info) == (MODERN, True, {"name": "s"})


@mark.parametrize("result", [{}, {"supportedVersions": "2026-07-28"}, {"supportedVersions": ["2025-11-25"]}])
def test_discovery_without_a_modern_version_leads_to_initialize(result: dict[str, object]) -> None:
    assert handshake.read_discover(result) is None


def test_discovery_without_a_common_version_is_a_violation() -> None:
    with raises(ProtocolViolation):
        handshake.read_discover({"supportedVersions": ["2031-01-01"]})


@mark.parametrize("code", [-32601, -32602, -32600, -32000, 1])
def test_an_error_that_anyone_sends_leads_to_the_newest_handshake(code: int) -> None:
    assert handshake.version_after(Rejected(code, "no")) == HANDSHAKE[0]


def test_a_version_error_that_names_handshake_versions_leads_to_the_newest_of_them() -> None:
    error = Rejected(-32022, "no", {"supported": ["2025-03-26", "2025-06-18"], "requested": MODERN})
    assert handshake.version_after(error) == "2025-06-18"


@mark.parametrize("error", [Rejected(-32020, "no"), Rejected(-32021, "no"), Rejected(-32022, "no")])
def test_an_error_that_only_a_modern_server_sends_is_no_way_back(error: Rejected) -> None:
    with raises(Rejected) as caught:
        handshake.version_after(error)
    assert caught.value is error


def test_a_version_error_without_common_version_is_a_violation() -> None:
    with raises(ProtocolViolation):
        handshake.version_after(Rejected(-32022, "no", {"supported": ["2031-01-01"]}))


def test_initialize_names_the_gateway_unless_told_otherwise() -> None:
    params = handshake.initialize_params(version="2025-11-25", capabilities={"roots": {}})
    assert params["clientInfo"]["name"] == "mcp-gateway"
    assert params["capabilities"] == {"roots": {}}
    named = handshake.initialize_params(version="2025-11-25", capabilities={}, client_info={"name": "me"})
    assert named["clientInfo"] == {"name": "me"}


meta_keys = st.sampled_from(sorted(RESERVED)) | st.sampled_from(["traceparent", "com.example/x", "io.mcp.other/k"])
metas = st.dictionaries(meta_keys, st.just("from outside"))


@given(metas)
def test_no_reserved_key_from_outside_survives_a_modern_stamp(meta: dict[str, str]) -> None:
    params = {"name": "t", "_meta": dict(meta)}
    stamped = stamp(params, capabilities={"roots": {}}, log_level="info", progress_token=7)
    own = stamped["_meta"]
    assert {key: own.pop(key) for key in tuple(own) if key in RESERVED} == {
        handshake.PROTOCOL_VERSION: MODERN,
        handshake.CLIENT_CAPABILITIES: {"roots": {}},
        handshake.CLIENT_INFO: handshake.gateway_info(),
        handshake.LOG_LEVEL: "info",
        "progressToken": 7,
    }
    assert own == {key: value for key, value in meta.items() if key not in RESERVED}
    assert params == {"name": "t", "_meta": meta}, "the caller's params are not touched"


@given(metas)
def test_no_reserved_key_from_outside_survives_a_handshake_stamp(meta: dict[str, str]) -> None:
    kept = {key: value for key, value in meta.items() if key not in RESERVED}
    assert stamp_handshake({"_meta": meta}) == ({"_meta": kept} if kept else {})
    assert stamp_handshake({"_meta": meta}, progress_token=3) == {"_meta": {**kept, "progressToken": 3}}


def test_optional_marks_are_left_out() -> None:
    assert set(stamp({}, capabilities={})["_meta"]) == {
        handshake.PROTOCOL_VERSION,
        handshake.CLIENT_CAPABILITIES,
        handshake.CLIENT_INFO,
    }


def test_the_subscription_id_is_taken_out_and_nothing_else() -> None:
    params = {"uri": "a:b", "_meta": {handshake.SUBSCRIPTION_ID: 3, "x": 1}}
    assert handshake.subscription_of(params) == 3
    assert handshake.without_subscription(params) == {"uri": "a:b", "_meta": {"x": 1}}
    assert handshake.without_subscription({"_meta": {handshake.SUBSCRIPTION_ID: 3}}) == {}


def test_levels_pass_from_their_threshold_up() -> None:
    for at, threshold in enumerate(LEVELS):
        assert [passes(level, threshold) for level in LEVELS] == [index >= at for index in range(len(LEVELS))]
    assert not passes("shout", "debug")
    assert not passes("error", None)


@given(st.lists(st.sampled_from([*LEVELS, None])))
def test_the_gate_opens_only_for_what_is_more_verbose_than_before(wanted: list[str | None]) -> None:
    gate = LevelGate({"logging": {}})
    for level in wanted:
        before = gate.level
        sent = gate.admit(level)
        needed = level is not None and (before is None or LEVELS.index(level) < LEVELS.index(before))
        assert sent == (level if needed else None)
    asked = [level for level in wanted if level is not None]
    assert gate.level == (min(asked, key=LEVELS.index) if asked else None)


def test_the_gate_stays_shut_where_logging_is_not_offered_or_was_refused() -> None:
    assert LevelGate({"tools": {}}).admit("debug") is None
    gate = LevelGate({"logging": {}})
    gate.refused()
    assert gate.admit("debug") is None


def test_a_level_set_by_a_request_of_its_own_is_remembered() -> None:
    gate = LevelGate({"logging": {}})
    gate.note("info")
    assert gate.admit("error") is None
    assert gate.admit("debug") == "debug"
