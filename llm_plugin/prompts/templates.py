"""Prompt templates: built-in texts, parsing, and the check that every field exists before anything runs."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_plugin.errors import TemplateError, did_you_mean
from llm_plugin.prompts.fields import FIELDS, feature_names
from llm_plugin.prompts.values import Value, format_problem

if TYPE_CHECKING:
    from llm_plugin.settings import PromptsSettings

__all__ = [
    "ANSWER_MARK",
    "COMPACT_CONTEXT",
    "COMPACT_SYSTEM",
    "FULL_CONTEXT",
    "FULL_SYSTEM",
    "TEMPLATE_VERSION",
    "Template",
]

TEMPLATE_VERSION = "1"
ANSWER_MARK = "->"

COMPACT_SYSTEM = "Judge the signal: take it or HOLD.\n"

COMPACT_CONTEXT = """\
SIG={signal_action} CONF={signal_confidence:*100i} POS={position_side} PR={position_r:*10i} \
VOL={volatility_regime:i} VP={volatility_percentile:*10i} TREND={trend_along:i} ADX={adx:/5i} \
EFF={efficiency_ratio_24:*10i} RSI={rsi_along:/5i} MACD={macd_along:*10i} MOM={momentum_along:*2i} \
IMP={impulse_along:*2i} BB={band_along:*10i} RNG={range_along:*10i} AHEAD={room_ahead:i} \
BEHIND={room_behind:i} VWAP={vwap_along:i} HOUR={hour} DAY={weekday} SPR={spread_atr:*20i} RR={reward_risk:*5i} \
DD={drawdown:*50i} LOSS={consecutive_losses} WIN={win_rate:*20i} \
MEMR={memory_r:*5i} MEM={memory} SES={session_stats} ->"""

FULL_SYSTEM = """\
You validate trade signals. Decide from the market state, the position, similar past trades and the session's record.
Answer with one line: ACTION | confidence (0-1) | reason (max 10 words)
ACTION is one of HOLD, BUY, SELL, MOVE_TO_BE, ENABLE_TRAIL, DISABLE_TRAIL. HOLD on a new signal means: do not take it.
"""

FULL_CONTEXT = """\
Market: {market} ({contract_specs}), session {session}, {time}, price {price}
Signal: {signal_action}, confidence {signal_confidence:.2f}; stop {stop_distance:.5g}, target {target_distance:.5g} \
away, reward to risk {reward_risk:.2f}, timeout {timeout}
Trend: ADX {adx:.1f} ({trend_strength}), RSI {rsi:.1f}, MACD {macd:.3f}, VWAP distance {vwap_distance:.2f}
Volatility regime {volatility_regime}, support {support:.5g}, resistance {resistance:.5g}
Position: {position}, entry {entry_price:.5g}, unrealised P&L {unrealized_pnl:.2f}
Account: balance {balance:.2f}, peak {peak_balance:.2f}, drawdown {drawdown:.1%}
Record: win rate {win_rate:.0%}, consecutive losses {consecutive_losses}
Similar trades: {memory}
Session: {session_stats}
->"""

_STYLES = {"compact": (COMPACT_SYSTEM, COMPACT_CONTEXT), "full": (FULL_SYSTEM, FULL_CONTEXT)}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Template:
    """A checked template.

    Attributes:
        system: Text before every question, taken literally.
        parts: (literal, field name or None, format) in order.
    """

    system: str
    parts: tuple[tuple[str, str | None, str], ...]

    @classmethod
    def from_settings(cls, settings: PromptsSettings, user_features: Iterable[str] = ()) -> Template:
        """Build from `prompts`, null meaning the text of the style.

        Raises:
            TemplateError: With every unknown field and wrong format.
        """
        system, context = _STYLES[settings.style]
        return cls.parse(
            system if settings.system is None else settings.system,
            context if settings.context_template is None else settings.context_template,
            user_features,
        )

    @classmethod
    def parse(cls, system: str, context: str, user_features: Iterable[str] = ()) -> Template:
        """Check and split a template.

        Args:
            system: Text before every question; braces in it are plain text.
            context: The question with `{field}` or `{field:format}`.
            user_features: Registered features that exist beside the built-in ones.

        Raises:
            TemplateError: With every problem found.
        """
        known = {*FIELDS, *feature_names(), *user_features}
        try:
            raw = list(string.Formatter().parse(context))
        except ValueError as error:
            raise TemplateError(f"prompts.context_template: {error}; write {{{{ and }}}} for plain braces") from error
        parts: list[tuple[str, str | None, str]] = []
        problems: list[str] = []
        for literal, name, spec, conversion in raw:
            if name is not None:
                problems += _field_problems(name, spec or "", conversion, known)
            parts.append((literal, name, spec or ""))
        if not any(name for _, name, _ in parts):
            problems.append(
                f"prompts.context_template = {context!r}: names no field, so every question would be the same"
            )
        if problems:
            raise TemplateError(problems)
        return cls(_with_newline(system), tuple(parts))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that are used, in order of first use."""
        return tuple(dict.fromkeys(name for _, name, _ in self.parts if name))

    def render(self, values: Mapping[str, Value]) -> str:
        """Fill in the values; the text ends with the answer mark, without a space after it."""
        out = []
        for literal, name, spec in self.parts:
            out.append(literal)
            if name is not None:
                out.append(format(values[name], spec))
        text = "".join(out).rstrip()
        return text if text.endswith(ANSWER_MARK) else f"{text}\n{ANSWER_MARK}"


def _with_newline(system: str) -> str:
    return system if not system or system.endswith("\n") else system + "\n"


def _field_problems(name: str, spec: str, conversion: str | None, known: Collection[str]) -> list[str]:
    where = f"prompts.context_template: {{{name}}}"
    if not _PLAIN.fullmatch(name):
        return [f"{where}: is not a field name; attributes, indexes and positions cannot be used"]
    if conversion:
        return [f"{where}: conversion !{conversion} cannot be used; write a format after a colon"]
    if name not in known:
        return [f"{where}: unknown field{did_you_mean(name, known)}; docs/reference/prompts.md lists them all"]
    fault = format_problem(spec, text=name in FIELDS and FIELDS[name].text)
    return [f"{where}: format {spec!r} {fault}"] if fault else []
