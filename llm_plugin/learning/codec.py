"""Matured decisions as JSON lines. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from llm_plugin.domain import Decision, DecisionRequest, from_jsonable, to_jsonable
from llm_plugin.errors import DataError
from llm_plugin.learning.types import MaturedDecision, Origin, StoredPrompt

__all__ = ["matured_from_json", "matured_to_json"]


def matured_to_json(decision: MaturedDecision) -> dict[str, Any]:
    """Return plain JSON types; the ids and results that people look for stand first."""
    prompt = decision.prompt
    return {
        "decision_id": decision.decision_id,
        "time_utc": to_jsonable(decision.time_utc),
        "action": decision.signal_action.value,
        "net_r": to_jsonable(decision.net_r),
        "realised_r": to_jsonable(decision.realised_r),
        "closed_utc": to_jsonable(decision.closed_utc),
        "matured_utc": to_jsonable(decision.matured_utc),
        "origin": decision.origin,
        "template_version": decision.template_version,
        "schema_version": decision.schema_version,
        "prompt": None if prompt is None else {"prefix": prompt.prefix, "suffix": prompt.suffix, "hash": prompt.hash},
        "request": to_jsonable(decision.request),
        "decision": to_jsonable(decision.decision),
    }


def matured_from_json(values: Mapping[str, Any]) -> MaturedDecision:
    """Rebuild a decision.

    Raises:
        DataError: Something is missing or unknown; named.
    """
    try:
        prompt = values["prompt"]
        if values["origin"] not in get_args(Origin):
            raise ValueError(f"origin {values['origin']!r} is not one of {', '.join(get_args(Origin))}")
        return MaturedDecision(
            request=from_jsonable(DecisionRequest, values["request"]),
            decision=from_jsonable(Decision, values["decision"]),
            prompt=None if prompt is None else StoredPrompt(prompt["prefix"], prompt["suffix"], prompt["hash"]),
            template_version=values["template_version"],
            schema_version=values["schema_version"],
            net_r=values["net_r"],
            realised_r=values["realised_r"],
            closed_utc=datetime.fromisoformat(values["closed_utc"]),
            matured_utc=datetime.fromisoformat(values["matured_utc"]),
            origin=values["origin"],
        )
    except (KeyError, TypeError, ValueError) as error:
        name = values.get("decision_id", "without an id")
        raise DataError(f"matured decision {name} cannot be read: {type(error).__name__}: {error}") from error
