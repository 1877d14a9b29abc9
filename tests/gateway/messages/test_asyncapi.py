"""The AsyncAPI document is made from the schemas, and the committed file is its output."""

import json
import re
from pathlib import Path
from typing import Any, get_args

from gateway.messages.asyncapi import build, document
from gateway.messages.base import TEXT_IN_JSON
from gateway.messages.market import STATUS_NAMES
from gateway.messages.protocol import ClientMessage, ServerMessage
from gateway.net.codec import JSON
from gateway.services.slip_views import RESULT_NAMES, STATE_NAMES
from gateway.session.permissions import ACCESS
from gateway.session.tokens import Role
from gateway.settings import CLOSE_MEANINGS, LIMITS, CloseCode, GatewaySettings
from tests.gateway.messages.samples import FROM_CLIENT, FROM_GATEWAY

FILE = Path(__file__).parents[3] / "docs" / "asyncapi.json"


def test_committed_file_is_the_output_of_the_command() -> None:
    assert FILE.read_text(encoding="utf-8") == document(ACCESS), (
        "overround asyncapi > docs/asyncapi.json"
    )


def test_text_is_the_document_in_json() -> None:
    assert json.loads(document(ACCESS)) == json.loads(json.dumps(build(ACCESS)))


def test_every_reference_has_a_target() -> None:
    complete = json.loads(json.dumps(build(ACCESS)))

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    target: Any = complete
                    for step in value.removeprefix("#/").split("/"):
                        target = target[step]
                else:
                    follow(value)
        elif isinstance(node, list):
            for item in node:
                follow(item)

    follow(complete)


def test_every_message_has_a_summary_and_a_channel() -> None:
    complete = build(ACCESS)
    messages = complete["components"]["messages"]
    assert len(messages) == len(get_args(ClientMessage)) + len(get_args(ServerMessage))
    assert all(message["summary"] for message in messages.values())
    reached = {name for channel in complete["channels"].values() for name in channel["messages"]}
    assert reached == set(messages)


def test_samples_fit_the_schemas_of_their_messages() -> None:
    """Check closed objects, required fields, enumerations, bounds and nested references."""
    schemas = json.loads(json.dumps(build(ACCESS)["components"]["schemas"]))
    for message in (*FROM_CLIENT, *FROM_GATEWAY):
        _fits(json.loads(JSON.encode(message)), schemas[type(message).__name__], schemas)


def _fits(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if _is_option(value, option, schemas)]
        assert options, (value, schema)
        schema = options[0]
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        assert value in schema["enum"]
    if schema.get("type") == "object" and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value)
        assert set(value) <= set(schema["properties"]), (value, schema)
        for name, item in value.items():
            _fits(item, schema["properties"][name], schemas)
    elif schema.get("type") == "array" and isinstance(schema.get("items"), list):
        for item, form in zip(value, schema["items"], strict=True):
            _fits(item, form, schemas)
    elif schema.get("type") == "array" and "items" in schema:
        for item in value:
            _fits(item, schema["items"], schemas)
    elif schema.get("type") == "string":
        assert re.search(schema.get("pattern", "").replace("\\Z", "$"), value)
    elif schema.get("type") == "integer":
        assert isinstance(value, int)
        assert value >= schema.get("minimum", value)
        assert value <= schema.get("maximum", value)


def _is_option(value: Any, option: dict[str, Any], schemas: dict[str, Any]) -> bool:
    try:
        _fits(value, option, schemas)
    except (AssertionError, TypeError):
        return False
    return True


def test_every_limit_and_close_code_is_documented() -> None:
    settings = GatewaySettings()
    not_visible = {
        # Addresses and the sizes of batches: a client sees nothing of these.
        "bets_host", "bets_port", "control_host", "control_port", "feed_host", "feed_port",
        "origins", "metrics_on_bets", "feed_pace_ms",
        "batch_rows_max", "calls_in_flight_max", "verdict_linger_ms", "batch_pace_ms",
        "close_linger_ms",
    }  # fmt: skip
    assert set(LIMITS) == set(settings.__struct_fields__) - not_visible
    text = document(ACCESS)
    assert all(f"| {name} | {getattr(settings, name)} |" in text for name in LIMITS)
    assert all(f"| {code.value} | {CLOSE_MEANINGS[code]} |" in text for code in CloseCode)


EXACT_MAX = 1 << 53
"""Readers that keep numbers as doubles have every integer up to here."""
CHECKED_ELSEWHERE = {
    # Versions and numbers that count what happened since the first start of one data folder.
    "version",
    "settlement_no",
}


def test_every_integer_that_may_pass_2_to_the_53_is_text_in_json() -> None:
    schemas = build(ACCESS)["components"]["schemas"]
    found = {
        name
        for schema in schemas.values()
        for name, field in schema.get("properties", {}).items()
        for option in field.get("anyOf", [field])
        if option.get("type") == "integer" and option.get("maximum", 0) > EXACT_MAX
    }
    assert found - CHECKED_ELSEWHERE <= set(TEXT_IN_JSON)
    for schema in schemas.values():
        for name in set(schema.get("properties", {})) & set(TEXT_IN_JSON):
            options = schema["properties"][name]["anyOf"]
            assert {"type": "string", "pattern": "^-?[0-9]{1,19}$"} in options
    names = {name for schema in schemas.values() for name in schema.get("properties", {})}
    assert {n for n in names if n.endswith(("_ns", "bet_id"))} <= set(TEXT_IN_JSON) <= names


def test_words_of_states_and_results_are_those_that_are_sent() -> None:
    schemas = build(ACCESS)["components"]["schemas"]

    def enumeration(schema: str, field: str) -> set[str]:
        return set(schemas[schema]["properties"][field]["enum"])

    statuses = set(STATUS_NAMES.values())
    assert (
        enumeration("Market", "status")
        == enumeration("Odds", "status")
        == enumeration("Book", "status")
    )
    assert enumeration("Market", "status") == statuses
    assert enumeration("MarketLine", "status") == statuses | {""}
    assert enumeration("LegView", "state") == set(STATE_NAMES.values())
    assert enumeration("SlipView", "state") == set(STATE_NAMES.values()) - {"released"}
    assert enumeration("SlipView", "result") == set(RESULT_NAMES.values())
    assert enumeration("Welcome", "role") == set(Role)
    assert enumeration("Bet", "state") == {"accepted", "rejected", "unknown"}
