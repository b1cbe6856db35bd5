"""Checks between keys; those of one key stand at its field."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from llm_plugin.errors import TemplateError
from llm_plugin.settings._models import Settings

__all__ = ["cross_problems", "template_problems"]


def template_problems(settings: Settings) -> list[str]:
    """Return what is wrong with the prompt templates."""
    from llm_plugin.prompts.templates import Template

    try:
        Template.from_settings(settings.prompts, settings.features.user)
    except TemplateError as error:
        return error.problems
    return []


def cross_problems(settings: Settings) -> list[str]:
    """Return contradictions between keys."""
    found = _reasoning(settings) + _ordered(settings)
    validator, risk = settings.validator, settings.risk
    if validator.mode == "service" and validator.url is None:
        found.append("validator.url = None: mode service needs the address, as http://127.0.0.1:8900")
    if risk.blackout_start == risk.blackout_end:
        found.append(f"risk.blackout_end = {risk.blackout_end!r}: must differ from blackout_start")
    try:
        ZoneInfo(risk.blackout_timezone)
    except (KeyError, ValueError, OSError):
        found.append(f"risk.blackout_timezone = {risk.blackout_timezone!r}: must be an IANA zone, as America/New_York")
    return found


def _reasoning(settings: Settings) -> list[str]:
    mode = settings.reasoning.mode
    if mode == "always":
        return ["reasoning.mode = 'always': is not available in this version; use entry or every_n"]
    if mode == "every_n" and not settings.fusion.use_selective_querying:
        return ["reasoning.mode = 'every_n': needs fusion.use_selective_querying: true"]
    return []


def _ordered(settings: Settings) -> list[str]:
    fusion, session, sizing = settings.fusion, settings.session, settings.sizing
    pairs: list[tuple[str, float, str, float]] = [
        ("fusion.adx_range", fusion.adx_range, "fusion.adx_trend", fusion.adx_trend),
        ("session.cold_win_rate", session.cold_win_rate, "session.hot_win_rate", session.hot_win_rate),
        ("sizing.three_quarters_from", sizing.three_quarters_from, "sizing.full_from", sizing.full_from),
    ]
    risk = settings.risk
    pairs.append(
        ("risk.min_trades_for_win_rate", risk.min_trades_for_win_rate, "session.recent_trades", session.recent_trades)
    )
    return [f"{low} = {a}: must not lie above {high} = {b}" for low, a, high, b in pairs if a > b]
