"""Semantics 12: fees."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from llm_plugin.engine.models import fee_rules


@pytest.mark.parametrize(
    ("quantity", "value", "expected"),
    [(688, 99600, 3.44), (1, 10, 1.0), (100, 14500, 1.0), (1000, 500, 2.5)],
    ids=["per share", "minimum is not capped", "minimum", "half a percent at most"],
)
def test_interactive_brokers_equity(quantity, value, expected):
    assert fee_rules.interactive_brokers_equity_fee(float(quantity), float(value)) == pytest.approx(expected)
    exact = fee_rules.interactive_brokers_equity_fee(Decimal(quantity), Decimal(value))
    assert exact == Decimal(str(expected))


def test_interactive_brokers_forex_has_tiers_and_minimum():
    assert fee_rules.interactive_brokers_forex_fee(50_000.0) == 2.0
    assert fee_rules.interactive_brokers_forex_fee(1_000_000.0) == pytest.approx(20.0)
    assert fee_rules.interactive_brokers_forex_fee(1_000_000.0, monthly_usd=3e9) == pytest.approx(10.0)


def test_interactive_brokers_cfd_minimum_depends_on_the_currency():
    assert fee_rules.interactive_brokers_cfd_fee(1000.0, "USD") == 1.0
    assert fee_rules.interactive_brokers_cfd_fee(1000.0, "JPY") == 40.0


def test_fxcm_charges_per_thousand_units():
    assert fee_rules.fxcm_forex_fee("EURUSD", 10_000.0) == pytest.approx(0.4)
    assert fee_rules.fxcm_forex_fee("EURGBP", 10_000.0) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2018, 4, 4, tzinfo=UTC), ("0.003", "0")),
        (datetime(2019, 6, 1, tzinfo=UTC), ("0.0025", "0.0015")),
        (datetime(2023, 1, 1, tzinfo=UTC), ("0.008", "0.006")),
    ],
    ids=["2018", "2019", "2023"],
)
def test_coinbase_rates_follow_the_calendar(moment, expected):
    assert fee_rules.coinbase_fee_rates(moment) == tuple(Decimal(rate) for rate in expected)


def test_coinbase_stable_pairs_are_cheaper():
    before, after = datetime(2022, 5, 31, tzinfo=UTC), datetime(2022, 6, 1, tzinfo=UTC)
    assert fee_rules.coinbase_fee_rates(before, True)[0] == Decimal("0.001")
    assert fee_rules.coinbase_fee_rates(after, True)[0] == Decimal("0.00001")
