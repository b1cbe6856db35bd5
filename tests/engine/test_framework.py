"""Insights, targets, portfolio construction, risk, execution and the pipeline, on a small fake algorithm."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal as D
from types import SimpleNamespace

import pytest

from llm_plugin.engine.algorithm.settings import UniverseSettings
from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.base.zones import zone
from llm_plugin.engine.framework import execution, models, portfolio, risk, universe
from llm_plugin.engine.framework.insight_collection import InsightCollection, InsightManager
from llm_plugin.engine.framework.insights import Insight, InsightDirection, InsightType, compute_close_time
from llm_plugin.engine.framework.pipeline import FrameworkApi, FrameworkPipeline
from llm_plugin.engine.framework.targets import OrderSizing, PortfolioTarget, PortfolioTargetCollection
from llm_plugin.engine.market.market_hours import ExchangeHours
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.errors import AlgorithmError

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday")
HOURS = ExchangeHours(
    {day: [{"start": "09:30:00", "end": "16:00:00", "state": "market"}] for day in WEEK}, zone("America/New_York")
)
NOW = datetime(2024, 1, 2, 15)
UP, DOWN, FLAT = InsightDirection.UP, InsightDirection.DOWN, InsightDirection.FLAT


def symbol(ticker):
    return Symbol(SecurityIdentifier(ticker, SecurityType.EQUITY, "usa"), ticker, ticker)


SPY, AAPL = symbol("SPY"), symbol("AAPL")


class Securities(dict):
    def contains_key(self, key):
        return key in self


class Algorithm(FrameworkApi):
    """Two securities at 100 with leverage 1 and no fees."""

    def __init__(self):
        self.utc_time = NOW
        self.is_warming_up = False
        self.errors, self.orders = [], []
        self.securities = Securities({item: self.security(item) for item in (SPY, AAPL)})
        self.settings = SimpleNamespace(
            free_portfolio_value=None, free_portfolio_value_percentage=0.0,
            minimum_order_margin_portfolio_percentage=0.001,
            max_absolute_portfolio_target_percentage=1e9, min_absolute_portfolio_target_percentage=1e-10,
        )  # fmt: skip
        self.portfolio = SimpleNamespace(
            exact_total=D(100_000), exact_remaining=D(100_000), total_portfolio_value=100_000.0
        )
        self.transactions = SimpleNamespace(open_remaining=lambda item: D(0))
        self.framework = FrameworkPipeline(self, lambda item: HOURS)

    def security(self, item):
        holdings = SimpleNamespace(
            exact_quantity=D(0), unrealized_profit_percent=0.0, is_long=True, target=None,
            absolute_holdings_value=0.0, absolute_holdings_cost=0.0,
        )  # fmt: skip

        def maximum(portfolio_, security, fraction, minimum):
            wanted = (fraction * D(100_000) / D(100)).to_integral_value()
            return SimpleNamespace(quantity=wanted - holdings.exact_quantity, is_error=False, reason="")

        model = SimpleNamespace(
            get_leverage=lambda s: 1.0, maximum_for_target=maximum, initial_margin=lambda s, q: abs(q) * 100
        )
        return SimpleNamespace(
            symbol=item, price=100.0, exact_price=D(100), holdings=holdings, buying_power_model=model, has_data=True,
            is_tradable=True, is_delisted=False, invested=False, type=SecurityType.EQUITY, volume=1000.0,
            symbol_properties=SimpleNamespace(exact_lot=D(1), exact_multiplier=D(1)),
            quote_currency=SimpleNamespace(exact_rate=D(1)), bid_price=99.9, ask_price=100.1,
            exchange=SimpleNamespace(exchange_open=True),
        )  # fmt: skip

    def error(self, text):
        self.errors.append(text)

    def market_order(self, item, quantity, asynchronous, tag):
        self.orders.append((item, quantity, asynchronous, tag))


def insight(item=SPY, direction=UP, minutes=60, **more):
    return Insight.price(item, timedelta(minutes=minutes), direction, **more)


def ready(algorithm, *insights):
    for n, item in enumerate(insights):
        item.generated_time_utc = NOW - timedelta(minutes=10 - n)
        item.set_period_and_close_time(HOURS)
    algorithm.insights.add_range(insights)
    return list(insights)


def data(has_data=True):
    return SimpleNamespace(has_data=has_data)


def test_close_times_count_market_time_only():
    # 15:50 New York + 20 minutes is 09:40 the next day.
    generated = datetime(2024, 1, 2, 20, 50)
    assert compute_close_time(HOURS, generated, timedelta(minutes=20)) == datetime(2024, 1, 3, 14, 40)
    assert compute_close_time(HOURS, generated, timedelta(days=2)) == datetime(2024, 1, 4, 20, 50)
    friday = datetime(2024, 1, 5, 20, 50)
    assert compute_close_time(HOURS, friday, timedelta(days=1)) == datetime(2024, 1, 8, 20, 50)
    assert compute_close_time(HOURS, generated, timedelta(hours=1)) == datetime(2024, 1, 3, 15, 20)
    with pytest.raises(ValueError, match="at least one second, not 0:00:00"):
        compute_close_time(HOURS, generated, timedelta(0))


def test_insights_by_bars_by_time_and_by_function():
    by_bars = Insight.price(SPY, Resolution.DAILY, 1, UP)
    by_time = Insight.Price(SPY, datetime(2024, 1, 2, 18), DOWN)
    by_function = Insight.price(SPY, lambda local: local + timedelta(minutes=5), UP, 0.1, 0.2, "me", 0.3, "tag")
    for item in (by_bars, by_time, by_function):
        item.generated_time_utc = NOW
        item.SetPeriodAndCloseTime(HOURS)
    assert by_bars.close_time_utc == NOW + timedelta(days=1)
    assert by_time.close_time_utc == datetime(2024, 1, 3, 14, 30)
    assert by_function.period == timedelta(minutes=5)
    assert (by_function.magnitude, by_function.confidence, by_function.weight) == (0.1, 0.2, 0.3)
    assert (by_function.source_model, by_function.tag) == ("me", "tag")
    plain = Insight(SPY, timedelta(days=1), InsightType.PRICE, UP, 0.025, None, weight=0.5)
    assert (plain.magnitude, plain.confidence, plain.weight) == (0.025, None, 0.5)
    with pytest.raises(TypeError, match="no argument 'colour'"):
        Insight(SPY, timedelta(days=1), InsightType.PRICE, UP, colour="red")


def test_groups_expiry_and_collections():
    algorithm = Algorithm()
    one, two = ready(algorithm, insight(), insight(AAPL, DOWN))
    grouped = Insight.group(insight(), insight(AAPL))
    assert grouped[0].group_id == grouped[1].group_id
    with pytest.raises(ValueError, match="belongs to a group already"):
        Insight.Group(grouped[0])
    assert algorithm.insights.get_next_expiry_time() == min(one.close_time_utc, two.close_time_utc)
    algorithm.insights.cancel([SPY])
    assert one.close_time_utc == NOW - timedelta(seconds=1)
    assert algorithm.insights.get_active_insights(NOW) == [two]
    assert algorithm.insights.remove_expired_insights(NOW) == [one]
    assert not algorithm.insights.contains_key(SPY)
    assert algorithm.insights.total_count == 2
    assert algorithm.insights.get_insights(lambda item: item.symbol == SPY) == [one]
    assert isinstance(algorithm.insights, InsightManager)
    held = InsightCollection()
    held.add(one)
    held.clear([SPY])
    assert held.count == 0


def targets_of(model, algorithm, insights=()):
    return {str(item.symbol): float(item.quantity) for item in model.create_targets(algorithm, list(insights))}


def test_equal_weighting_shares_between_insights_that_are_not_flat():
    algorithm = Algorithm()
    given = ready(algorithm, insight(SPY), insight(AAPL, DOWN))
    assert targets_of(portfolio.EqualWeightingPortfolioConstructionModel(), algorithm, given) == {
        "SPY": 500,
        "AAPL": -500,
    }
    long_only = portfolio.EqualWeightingPortfolioConstructionModel(Resolution.DAILY, portfolio.PortfolioBias.LONG)
    assert targets_of(long_only, algorithm, given) == {"SPY": 1000, "AAPL": 0}


def test_insight_confidence_and_accumulative_weighting():
    algorithm = Algorithm()
    given = ready(
        algorithm, insight(SPY, UP, weight=0.9, confidence=0.2), insight(AAPL, DOWN, weight=0.9, confidence=0.1),
    )  # fmt: skip
    by_weight = portfolio.InsightWeightingPortfolioConstructionModel()
    assert targets_of(by_weight, algorithm, given) == {"SPY": 500, "AAPL": -500}
    by_confidence = portfolio.ConfidenceWeightedPortfolioConstructionModel()
    assert targets_of(by_confidence, algorithm, given) == {"SPY": 200, "AAPL": -100}
    ready(algorithm, insight(SPY, UP))
    steps = portfolio.AccumulativeInsightPortfolioConstructionModel(percent=0.1)
    assert targets_of(steps, algorithm, given) == {"SPY": 200, "AAPL": -100}


def test_rebalancing_waits_for_its_time_or_a_change():
    algorithm = Algorithm()
    model = portfolio.EqualWeightingPortfolioConstructionModel(timedelta(days=1))
    given = ready(algorithm, insight(SPY, minutes=600))
    assert targets_of(model, algorithm, given) == {"SPY": 1000}
    algorithm.utc_time += timedelta(minutes=5)
    assert targets_of(model, algorithm) == {}
    algorithm.settings.rebalance_portfolio_on_insight_changes = False
    assert targets_of(model, algorithm, given) == {}
    algorithm.settings.rebalance_portfolio_on_insight_changes = None
    changes = SimpleNamespace(added_securities=[object()], removed_securities=[])
    model.on_securities_changed(algorithm, changes)
    assert targets_of(model, algorithm) == {"SPY": 1000}
    algorithm.utc_time += timedelta(days=1)
    assert targets_of(model, algorithm) == {"SPY": 1000}
    with pytest.raises(TypeError, match="rebalance must be"):
        portfolio.EqualWeightingPortfolioConstructionModel("daily")


def test_expired_insights_become_targets_of_zero():
    algorithm = Algorithm()
    model = portfolio.EqualWeightingPortfolioConstructionModel()
    ready(algorithm, insight(SPY, minutes=20))
    algorithm.utc_time += timedelta(hours=1)
    assert targets_of(model, algorithm) == {"SPY": 0}


def test_percent_targets_name_what_is_wrong():
    algorithm = Algorithm()
    assert PortfolioTarget.percent(algorithm, SPY, 2e9) is None
    assert "does not comply" in algorithm.errors[-1]
    assert PortfolioTarget.percent(algorithm, symbol("IBM"), 0.1) is None
    assert "IBM is not in the algorithm's securities" in algorithm.errors[-1]
    algorithm.securities[SPY].exact_price = D(0)
    assert PortfolioTarget.percent(algorithm, SPY, 0.1) is None
    assert "accurate price" in algorithm.errors[-1]
    algorithm.securities[AAPL].holdings.exact_quantity = D(100)
    assert PortfolioTarget.Percent(algorithm, AAPL, 0.5).quantity == 500
    assert PortfolioTarget.percent(algorithm, AAPL, 0.5, True, "why").quantity == 400


def test_targets_are_ordered_by_margin_impact_and_cleared_when_reached():
    algorithm = Algorithm()
    collection = PortfolioTargetCollection()
    algorithm.securities[AAPL].holdings.exact_quantity = D(50)
    collection.add_range([PortfolioTarget(SPY, 500), PortfolioTarget(AAPL, 10)])
    assert [str(item.symbol) for item in collection.order_by_margin_impact(algorithm)] == ["AAPL", "SPY"]
    algorithm.securities[SPY].holdings.exact_quantity = D(500)
    collection.clear_fulfilled(algorithm)
    assert collection.keys == [AAPL]
    assert OrderSizing.get_order_size_for_percent_volume(algorithm.securities[SPY], 0.01, -50) == -10
    algorithm.is_warming_up = True
    assert collection.order_by_margin_impact(algorithm) == []


def test_immediate_execution_orders_what_is_missing_until_it_is_there():
    algorithm = Algorithm()
    model = execution.ImmediateExecutionModel()
    model.execute(algorithm, [PortfolioTarget(SPY, 500, "tag")])
    model.execute(algorithm, [])
    assert algorithm.orders == [(SPY, D(500), True, "tag")] * 2
    algorithm.securities[SPY].holdings.exact_quantity = D(500)
    model.execute(algorithm, [PortfolioTarget(AAPL, 0)])
    assert len(algorithm.orders) == 2


def test_orders_below_the_minimum_margin_wait():
    algorithm = Algorithm()
    algorithm.settings.minimum_order_margin_portfolio_percentage = 0.01
    model = execution.ImmediateExecutionModel()
    model.execute(algorithm, [PortfolioTarget(SPY, 9)])
    assert algorithm.orders == []
    algorithm.portfolio.exact_remaining = D(-1)
    model.execute(algorithm, [])
    assert algorithm.orders == [(SPY, D(9), True, "")]


def test_spread_execution_waits_for_a_narrow_spread():
    algorithm = Algorithm()
    model = execution.SpreadExecutionModel(0.001)
    model.execute(algorithm, [PortfolioTarget(SPY, 5)])
    assert algorithm.orders == []
    algorithm.securities[SPY].bid_price = 100.05
    model.execute(algorithm, [])
    assert algorithm.orders == [(SPY, D(5), True, "")]


def test_risk_models_flatten_and_cancel():
    algorithm = Algorithm()
    held = algorithm.securities[SPY]
    held.invested, held.holdings.unrealized_profit_percent = True, -0.06
    ready(algorithm, insight(SPY))
    answer = risk.MaximumDrawdownPercentPerSecurity(0.05).manage_risk(algorithm, [])
    assert [(item.symbol, item.quantity) for item in answer] == [(SPY, 0.0)]
    assert algorithm.insights.get_active_insights(NOW) == []
    assert risk.MaximumUnrealizedProfitPercentPerSecurity(0.05).manage_risk(algorithm, []) == []
    held.holdings.unrealized_profit_percent = 0.06
    assert len(risk.MaximumUnrealizedProfitPercentPerSecurity(0.05).manage_risk(algorithm, [])) == 1


def test_portfolio_drawdown_and_trailing_stop():
    algorithm = Algorithm()
    model = risk.MaximumDrawdownPercentPortfolio(0.05)
    target = PortfolioTarget(SPY, 5)
    assert model.manage_risk(algorithm, [target]) == []
    algorithm.portfolio.total_portfolio_value = 94_000.0
    assert model.manage_risk(algorithm, []) == []
    assert [item.quantity for item in model.manage_risk(algorithm, [target])] == [0.0]
    assert model.manage_risk(algorithm, [target]) == []
    stop, held = risk.TrailingStopRiskManagementModel(0.05), algorithm.securities[SPY]
    held.invested = True
    for value, flat in ((100.0, 0), (120.0, 0), (115.0, 0), (113.0, 1), (113.0, 0)):
        held.holdings.absolute_holdings_value, held.holdings.absolute_holdings_cost = value, 100.0
        if value == 113.0 and not flat:
            held.holdings.absolute_holdings_cost = 113.0
        assert len(stop.manage_risk(algorithm, [])) == flat


class PascalAlpha(models.AlphaModel):
    def __init__(self, given):
        self.given = given
        self.changes = []

    def Update(self, algorithm, slice):
        return self.given

    def OnSecuritiesChanged(self, algorithm, changes):
        self.changes.append(changes)


class Recorder:
    """A model that derives from nothing."""

    def __init__(self, name, calls, answer):
        self.name, self.calls, self.answer = name, calls, answer

    def create_targets(self, algorithm, insights):
        self.calls.append((self.name, len(insights)))
        return self.answer

    def manage_risk(self, algorithm, targets):
        self.calls.append((self.name, [float(item.quantity) for item in targets]))
        return self.answer

    def execute(self, algorithm, targets):
        self.calls.append((self.name, [(str(item.symbol), float(item.quantity)) for item in targets]))


def test_the_pipeline_runs_alpha_portfolio_risk_and_execution_in_order():
    algorithm, calls, heard = Algorithm(), [], []
    algorithm.set_alpha(PascalAlpha([insight()]))
    algorithm.set_portfolio_construction(Recorder("pcm", calls, [PortfolioTarget(SPY, 5), PortfolioTarget(AAPL, 7)]))
    algorithm.set_risk_management(Recorder("risk", calls, [PortfolioTarget(SPY, 0)]))
    algorithm.SetExecution(Recorder("execution", calls, None))
    algorithm.insights_generated += lambda sender, packet: heard.append(packet.insights[0].symbol)
    algorithm.framework.on_slice(data(False))
    assert calls == []
    algorithm.framework.on_slice(data())
    assert calls == [("pcm", 1), ("risk", [5.0, 7.0]), ("execution", [("SPY", 0.0), ("AAPL", 7.0)])]
    assert heard == [SPY]
    made = algorithm.insights.get_insights()[0]
    assert (made.source_model, made.reference_value, made.generated_time_utc) == ("PascalAlpha", 100.0, NOW)
    assert algorithm.securities[SPY].holdings.target.quantity == 0
    algorithm.framework.on_securities_changed("changes")
    assert algorithm.alpha.changes == ["changes"]


def test_none_from_a_model_is_an_error_that_names_it():
    algorithm = Algorithm()
    algorithm.set_alpha(PascalAlpha(None))
    with pytest.raises(AlgorithmError, match=r"PascalAlpha\.update returned None"):
        algorithm.framework.on_slice(data())
    algorithm.set_alpha(PascalAlpha([]))
    algorithm.set_risk_management(Recorder("risk", [], None))
    with pytest.raises(AlgorithmError, match=r"Recorder\.manage_risk returned None"):
        algorithm.framework.on_slice(data())


def test_models_without_their_method_are_refused_when_they_are_set():
    algorithm = Algorithm()
    with pytest.raises(NotImplementedError, match="object must implement the method 'update'"):
        algorithm.set_alpha(object())
    with pytest.raises(TypeError, match="PascalAlpha is a class"):
        algorithm.set_alpha(PascalAlpha)
    with pytest.raises(NotImplementedError, match="'create_universes'"):
        algorithm.add_universe_selection(object())


def test_composites_concatenate_alphas_and_chain_risk():
    algorithm, calls = Algorithm(), []
    algorithm.add_alpha(PascalAlpha([insight(SPY)]))
    algorithm.add_alpha(PascalAlpha([insight(AAPL)]))
    algorithm.add_alpha(PascalAlpha([]))
    assert [item.symbol for item in algorithm.alpha.update(algorithm, None)] == [SPY, AAPL]
    algorithm.add_risk_management(Recorder("one", calls, [PortfolioTarget(SPY, 1)]))
    algorithm.add_risk_management(Recorder("two", calls, []))
    final = algorithm.risk_management.manage_risk(algorithm, [PortfolioTarget(SPY, 9), PortfolioTarget(AAPL, 8)])
    assert calls == [("one", [9.0, 8.0]), ("two", [1.0, 8.0])]
    assert [item.quantity for item in final] == [1.0, 8.0]


def test_emitted_insights_are_processed_at_once_but_not_while_warming_up():
    algorithm, calls = Algorithm(), []
    algorithm.set_portfolio_construction(Recorder("pcm", calls, []))
    algorithm.emit_insights(insight(SPY), insight(AAPL))
    assert calls == [("pcm", 2)]
    algorithm.is_warming_up = True
    algorithm.emit_insights([insight()])
    algorithm.EmitInsights(insight())
    assert calls == [("pcm", 2)]
    assert len(algorithm.errors) == 1


def test_universe_models_give_universes_and_their_times():
    algorithm = Algorithm()
    algorithm.universe_settings = UniverseSettings()
    algorithm.time = NOW
    algorithm.universe_symbol = lambda ticker, kind, market: symbol(ticker)
    manual = universe.ManualUniverseSelectionModel([SPY, AAPL]).create_universes(algorithm)[0]
    assert manual.select_symbols(algorithm, NOW) == [SPY, AAPL]
    model = universe.CustomUniverseSelectionModel("mine", lambda moment: ["SPY", "IBM"])
    custom = model.create_universes(algorithm)[0]
    friday = datetime(2024, 1, 5, 5)
    times = list(custom.trigger_times(friday, friday + timedelta(days=4), HOURS))
    assert [moment.day for moment in times] == [5, 8, 9]
    assert [str(item) for item in custom.select_symbols(algorithm, NOW)] == ["SPY", "IBM"]
    algorithm.add_universe_selection(universe.ManualUniverseSelectionModel([SPY]))
    algorithm.add_universe_selection(model)
    assert len(algorithm.framework.create_universes()) == 2
