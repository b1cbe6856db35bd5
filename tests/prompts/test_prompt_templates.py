"""Templates: every documented field renders, missing values read n/a, what does not exist is refused at load."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions import FEATURES, question

from llm_plugin.domain import Action, PositionState, QuestionKind
from llm_plugin.errors import TemplateError
from llm_plugin.features.catalog import llm_feature_names, market_feature_names
from llm_plugin.prompts import FIELDS, PromptRenderer, Template, trading_session
from llm_plugin.prompts.reference import render_reference
from llm_plugin.prompts.templates import COMPACT_CONTEXT
from llm_plugin.prompts.values import Value
from llm_plugin.session import SessionStatistics
from llm_plugin.settings import PromptsSettings

REQUIRED_FIELDS = """
market contract_specs session time price adx trend_strength rsi macd vwap_distance volatility_regime
support resistance position entry_price unrealized_pnl balance peak_balance drawdown win_rate consecutive_losses
signal_action signal_confidence stop_distance target_distance memory session_stats""".split()


def renderer(context: str | None = None, style: str = "compact", system: str | None = None) -> PromptRenderer:
    return PromptRenderer(PromptsSettings(style=style, context_template=context, system=system))  # type: ignore[arg-type]


def test_every_required_field_exists_and_is_described() -> None:
    assert [name for name in REQUIRED_FIELDS if name not in FIELDS] == []
    assert all(field.description for field in FIELDS.values())


def test_every_field_and_every_feature_renders_on_an_empty_market() -> None:
    names = [*FIELDS, *market_feature_names(), *llm_feature_names()]
    assert len(names) > 300
    text = "\n".join(f"{name}={{{name}}}" for name in names)
    rendered = renderer(text).render(question(features={})).suffix
    assert "adx=n/a" in rendered
    assert "rsi_14=n/a" in rendered
    assert "nan" not in rendered
    assert "None" not in rendered


def test_values_come_from_the_question() -> None:
    context = "{market} {price} {signal_action} {signal_confidence:.2f} {adx:.1f} {trend_strength} {support:.4f} "
    context += "{stop_distance:.5f} {target_distance:.5f} {timeout} {position} {drawdown:.1%} {session} {time}"
    request = question(13, equity=98_000.0)
    expected = "EURUSD 1.37 BUY 0.60 32.0 strong 1.3563 0.00405 0.00595 24h flat 2.0% overlap 2014-03-03 13:00\n->"
    assert renderer(context).render(request).suffix == expected


def test_unavailable_values_are_n_a_whatever_their_format() -> None:
    context = "{rsi:.1f} {vwap_distance:*10i} {win_rate:.0%} {entry_price:.5g} {target_distance} {memory_r:/5i}"
    request = question(features={"rsi_14": math.nan})
    assert renderer(context).render(request).suffix == "n/a n/a n/a n/a 0.00595 n/a\n->"


def test_an_open_position_is_described() -> None:
    position = PositionState(2000, 1.36, 20.0, 7, stop=1.355, target=1.38, trailing=True)
    request = question(kind=QuestionKind.POSITION, position=position, legal=(Action.SELL, Action.HOLD))
    text = renderer("{position} {entry_price} {unrealized_pnl} {position_r:.1f} {bars_held}").render(request).suffix
    assert text == "long 2000 trailing 1.36 20 2.0 7\n->"


def test_llm_features_are_computed_where_a_template_names_them() -> None:
    context = "{account_drawdown:.3f} {session_win_rate} {signal_buy:.0f} {position_stop_distance} {return_24}"
    request = question(equity=98_000.0)
    assert renderer(context).render(request).suffix == "0.020 n/a 1 n/a 1.4\n->"
    position = PositionState(1000, 1.36, stop=1.36)
    known = question(position=position, features={"atr_fraction_14": 0.005 / 1.37})
    statistics = SessionStatistics(request.market.time_utc, trades=4, wins=1, win_rate=0.25)
    text = renderer("{session_win_rate} {position_stop_distance:.2f}").render(known, statistics).suffix
    assert text == "0.25 2.00\n->"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{adxx}", r"\{adxx\}: unknown field \(did you mean 'adx'\?\)"),
        ("{rsi:d}", "format 'd' does not fit a number"),
        ("{market:.2f}", "format '.2f' does not fit a text"),
        ("{price.__class__}", "is not a field name; attributes"),
        ("{0}", "is not a field name"),
        ("{}", "is not a field name"),
        ("{price!r}", "conversion !r cannot be used"),
        ("{price", r"prompts.context_template: .*write \{\{ and \}\}"),
        ("no field at all", "names no field"),
    ],
)
def test_a_wrong_template_is_refused_at_load(template: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        Template.parse("", template)


def test_all_template_problems_are_reported_at_once() -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse("", "{adxx} {rsi:d} {price} {a.b}")
    assert len(caught.value.problems) == 3


def test_user_features_are_fields_once_the_configuration_names_them() -> None:
    template = Template.parse("", "{days_to_fed:.0f}", ["days_to_fed"])
    assert template.fields == ("days_to_fed",)
    with pytest.raises(TemplateError, match=r"days_to_fed.*unknown field"):
        Template.parse("", "{days_to_fed:.0f}")


def test_every_question_of_a_run_shares_the_prefix() -> None:
    made = renderer(system="Literal {braces} stay.")
    first, second = made.render(question(0)), made.render(question(1, Action.SELL))
    assert first.prefix == second.prefix == "Literal {braces} stay.\n"
    assert first.suffix != second.suffix
    assert first.hash != second.hash


def test_prompts_end_on_the_answer_mark_without_a_space() -> None:
    for template in ("{price}", "{price} ->", "{price} ->  \n", COMPACT_CONTEXT):
        assert renderer(template).render(question()).suffix.endswith("->")
        assert renderer(template).render(question()).suffix.count("->") == 1


def test_the_compact_prompt_is_short_whole_numbers() -> None:
    text = renderer().render(question(13), SessionStatistics(question().market.time_utc)).suffix
    fields = text.removesuffix(" ->").split()
    assert 20 <= len(fields) <= 32
    assert len(text) < 400
    numbers = [part.split("=")[1] for part in fields if part.split("=")[0] not in ("SIG", "MEM", "SES")]
    assert [value for value in numbers if value != "n/a" and not value.lstrip("-").isdigit()] == []
    assert "SIG=BUY CONF=60" in text
    assert "ADX=30" in text


def test_a_short_trade_reads_like_its_mirrored_long_one() -> None:
    mirrored = {
        **FEATURES,
        "trend_direction": -1.0,
        "rsi_14": 34.0,
        "macd_histogram": -0.23,
        "return_24": -1.4,
        "bollinger_b_20": 0.2,
    }
    names = "{trend_along:i} {rsi_along:i} {macd_along:*10i} {momentum_along:*10i} {band_along:*10i} {reward_risk:*10i}"
    long, short = question(0, Action.BUY), question(0, Action.SELL, features=mirrored)
    assert renderer(names).render(long).suffix == renderer(names).render(short).suffix
    assert renderer(names).render(question(0, Action.SELL)).suffix != renderer(names).render(long).suffix


def test_the_version_follows_the_templates() -> None:
    assert renderer().version == renderer().version
    assert len({renderer().version, renderer(style="full").version, renderer("{price}").version}) == 3


def test_the_reference_page_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "prompts.md"
    assert page.read_text(encoding="utf-8") == render_reference()
    assert all(f"| `{name}` |" in render_reference() for name in FIELDS)


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["i", "*100i", "/5i", "*10/5i", "", ".2f"]))
def test_any_number_renders(number: float, spec: str) -> None:
    text = format(Value(number), spec)
    if not math.isfinite(number):
        assert text == "n/a"
    elif abs(number) < 1e300:
        assert math.isfinite(float(text))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (datetime(2014, 1, 8, 3, tzinfo=UTC), "asia"),
        (datetime(2014, 1, 8, 9, tzinfo=UTC), "london"),
        (datetime(2014, 1, 8, 14, tzinfo=UTC), "overlap"),
        (datetime(2014, 1, 8, 19, tzinfo=UTC), "new_york"),
        (datetime(2014, 1, 8, 23, tzinfo=UTC), "off"),
        (datetime(2014, 7, 9, 12, 30, tzinfo=UTC), "overlap"),
    ],
)
def test_the_trading_session_follows_local_clocks(time: datetime, expected: str) -> None:
    assert trading_session(time) == expected
