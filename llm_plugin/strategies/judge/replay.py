"""The trusted replay: a candidate's order requests, sent again in a process in which none of its code ever ran.

Fills, fees, equity and statistics of a verdict come from here. What the candidate's own engine told it about its orders
has no part in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import (
    AccountType,
    DataNormalizationMode,
    OrderType,
    Resolution,
    SecurityType,
)
from llm_plugin.engine.base.environment_enums import BrokerageName
from llm_plugin.engine.base.zones import from_us
from llm_plugin.engine.framework.pipeline import FrameworkPipeline
from llm_plugin.engine.framework.universe import Universe
from llm_plugin.engine.orders import properties as order_properties
from llm_plugin.engine.orders.combos import GroupOrderManager
from llm_plugin.engine.orders.options import OrderProperties
from llm_plugin.engine.orders.tickets import SubmitOrderRequest, UpdateOrderFields
from llm_plugin.engine.orders.time_in_force import TimeInForce
from llm_plugin.engine.runner import BacktestResult, run_backtest
from llm_plugin.engine.scheduling.schedule import ScheduledEvent
from llm_plugin.errors import AlgorithmError, LeanLlmError
from llm_plugin.strategies.judge.identity import named_symbol, subscribed_symbol
from llm_plugin.strategies.judge.models import ROLES, rebuild
from llm_plugin.strategies.judge.script import Action, BadScript, Model, Script, Subscription

__all__ = ["Player", "Replayed", "current_script", "replay"]

_ALGORITHM = Path(__file__).with_name("replay_algorithm.py")
_MOST_LEVERAGE = 1000
_script: ContextVar[tuple[Script, date, date] | None] = ContextVar("judge_script", default=None)


def current_script() -> tuple[Script, date, date]:
    """Return the script that is being replayed, its first and its last day.

    Raises:
        RuntimeError: None is: only `replay` runs the replay's algorithm.
    """
    script = _script.get()
    if script is None:
        raise RuntimeError("the replay's algorithm is run by llm_plugin.strategies.judge.replay.replay")
    return script


@dataclass
class Replayed:
    """What the replay gave.

    Attributes:
        result: The engine's result.
        asked_us: When each order was asked for, by the replay's number of the order.
        lost: Requests that named nothing that the replay knows.
    """

    result: BacktestResult
    asked_us: dict[int, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def replay(
    script: Script, data_folder: Path, *, start: date | None = None, end: date | None = None, scratch: Path
) -> Replayed:
    """Send a script's requests at their times on trusted data.

    Args:
        script: What the candidate asked for.
        data_folder: LEAN-format data.
        start: First day; None takes the script's.
        end: Last day.
        scratch: A folder for the object store, which stays empty.

    Raises:
        BadScript: The settings name something that cannot be.
    """
    world = script.world
    if world is None:
        raise BadScript("it never finished `initialize`")
    first, last = start or _day(world.start), end or _day(world.end)
    token = _script.set((script, first, last))
    try:
        result = run_backtest(
            _ALGORITHM,
            data_folder=data_folder,
            results_folder=None,
            start=first,
            end=last,
            raise_errors=False,
            object_store_folder=scratch,
        )
    finally:
        _script.reset(token)
    player = getattr(result.algorithm, "player", None)
    if player is None or result.error:
        raise BadScript(f"its settings cannot be replayed: {result.error or 'no run'}")
    return Replayed(result, player.asked_us, player.lost)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadScript(f"{text[:40]!r} is no date") from None


class _Framework(FrameworkPipeline):
    """The last step of every moment: there the requests of that moment are sent, after corporate actions."""

    player: Player

    @property
    def is_idle(self) -> bool:  # asked at each moment, while models are set once
        """Whether nothing is to be sent now."""
        return not self.player.is_due

    @is_idle.setter
    def is_idle(self, by_models: bool) -> None:
        """What the models say has no say."""

    def on_slice(self, data: Any) -> None:
        """Send what the candidate asked for at this moment."""
        self.player.send_due()


class _Arrivals(Universe):
    """Chooses nothing: it makes time stand at each moment at which the candidate subscribed to something."""

    def __init__(self, player: Player, moments: list[int]) -> None:
        super().__init__("judge", None, SecurityType.BASE)
        self._player, self._moments = player, moments

    def trigger_times(self, start_utc: datetime, end_utc: datetime, hours: Any) -> Iterator[datetime]:
        """The moments of the subscriptions."""
        return (moment for moment in map(from_us, self._moments) if start_utc <= moment <= end_utc)

    def select_symbols(self, algorithm: Any, utc_time: datetime) -> Any:
        """Subscribe, and leave everything else as it is."""
        self._player.subscribe_due()
        return Universe.UNCHANGED


class Player:
    """Sends a script's requests through an algorithm.

    Args:
        algorithm: The replay's algorithm.
        script: What is sent.
        first: First day.
        last: Last day.
    """

    def __init__(self, algorithm: Any, script: Script, first: date, last: date) -> None:
        self._algorithm, self._script = algorithm, script
        self._first, self._last = first, last
        self._core = algorithm._engine
        self._next = 0
        self._subscribed = 0
        self._model = 0
        self._sending = False
        self._tickets: dict[int, Any] = {}
        self._symbols: dict[str, Any] = {}
        self._groups: dict[int, GroupOrderManager] = {}
        self._seen: set[tuple[str, int]] = set()
        self.asked_us: dict[int, int] = {}
        self.lost: list[str] = []

    def prepare(self) -> None:
        """Make account, streams and the moments at which something is sent."""
        world, algorithm, core = self._script.world, self._algorithm, self._core
        if world is None:
            raise AlgorithmError("no settings")
        if world.brokerage or world.account_type != int(AccountType.MARGIN):
            algorithm.set_brokerage_model(BrokerageName(world.brokerage), AccountType(world.account_type))
        algorithm.set_time_zone(world.zone)
        if world.currency != "USD":
            algorithm.set_account_currency(world.currency)
        algorithm.set_start_date(self._first)  # prices are seeded as of this day
        algorithm.set_end_date(self._last)
        for currency, amount in world.cash:
            if currency == world.currency:
                algorithm.set_cash(amount)
            else:
                algorithm.set_cash(currency, amount)
        # More prices than the candidate had let no order through that it did not send.
        core.settings.seed_initial_prices = world.seeds_prices
        core.settings.daily_precise_end_time = world.precise_end_time
        core.universe_settings.data_normalization_mode = DataNormalizationMode(world.normalization)
        self._warm_up()
        framework = _Framework(algorithm, lambda symbol: core.entry_of(symbol).exchange_hours)
        framework.player = self
        algorithm.framework = framework
        self._subscribe_until(0)
        if world.benchmark is not None:
            kind, ticker, market = world.benchmark
            core.benchmark_request = named_symbol(core, kind, ticker, market)
        elif world.constant_benchmark:
            algorithm.set_benchmark(lambda time: 0)
        arrivals = sorted({stream.utc_us for stream in self._script.subscriptions if stream.utc_us})
        if arrivals:
            algorithm.add_universe(_Arrivals(self, arrivals))
        moments = sorted({action.utc_us for action in self._script.actions})
        algorithm.schedule.add(ScheduledEvent("judge", (from_us(moment) for moment in moments), self._wake))

    def _warm_up(self) -> None:
        from datetime import timedelta

        world = self._script.world
        if world is not None and world.warmup_seconds > 0:
            self._algorithm.set_warm_up(timedelta(seconds=world.warmup_seconds))
        elif world is not None and world.warmup_bars:
            self._algorithm.set_warm_up(world.warmup_bars)

    # When.
    @property
    def is_due(self) -> bool:
        """Whether a request waits for this moment."""
        now = self._core.clock.utc_us
        actions = self._script.actions
        return self._next < len(actions) and actions[self._next].utc_us <= now

    def _wake(self) -> None:
        # In the middle of a moment the framework's step follows; between two moments nothing does.
        current = self._algorithm._current_slice
        if current is None or current._us != self._core.clock.utc_us:
            self.send_due()

    def on_event(self) -> None:
        """Send what was asked for inside of the order event that happens now."""
        actions, now = self._script.actions, self._core.clock.utc_us
        count = len(self._core.transactions.events)
        while self._next < len(actions):
            action = actions[self._next]
            if action.utc_us != now or action.nested != count:
                return
            self._send_next()

    def send_due(self) -> None:
        """Send everything up to now."""
        actions, now = self._script.actions, self._core.clock.utc_us
        while self._next < len(actions) and actions[self._next].utc_us <= now:
            if actions[self._next].ending:
                return
            self._send_next()

    def finish(self) -> None:
        """Send what is left."""
        actions, now = self._script.actions, self._core.clock.utc_us
        while self._next < len(actions):
            if actions[self._next].utc_us > now:
                self._lose(f"{len(actions) - self._next} requests are of a time after the end")
                return
            self._send_next()

    def _send_next(self) -> None:
        action = self._script.actions[self._next]
        self._next += 1
        self._set_models(action.utc_us)
        try:
            if action.what == "order":
                self._order(action)
            else:
                self._change(action)
        except (LeanLlmError, ValueError, KeyError, TypeError, ArithmeticError) as error:
            self._lose(f"{action.what} {action.order}: {error}")

    def _lose(self, text: str) -> None:
        if len(self.lost) < 20:
            self.lost.append(text[:300])

    # What.
    def subscribe_due(self) -> None:
        """Subscribe to what the candidate subscribed to up to now."""
        self._subscribe_until(self._core.clock.utc_us)

    def _subscribe_until(self, utc_us: int) -> None:
        streams = self._script.subscriptions
        while self._subscribed < len(streams) and streams[self._subscribed].utc_us <= utc_us:
            stream = streams[self._subscribed]
            self._subscribed += 1
            if (stream.sid, stream.resolution) in self._seen:
                continue
            try:
                self._subscribe(stream)
                self._seen.add((stream.sid, stream.resolution))
            except (LeanLlmError, ValueError, KeyError, TypeError) as error:
                self._lose(f"{stream.ticker}: {error}")

    def _subscribe(self, stream: Subscription) -> None:
        symbol = subscribed_symbol(self._core, stream.kind, stream.ticker, stream.market, stream.sid)
        given = {
            "resolution": Resolution(stream.resolution),
            "fill_forward": stream.fill_forward,
            "leverage": stream.leverage if stream.leverage > 0 else 0,
            "extended_market_hours": stream.extended,
            "data_normalization_mode": DataNormalizationMode(stream.normalization),
        }
        self._algorithm._subscribe(symbol, stream.ticker, given)
        self._symbols[stream.sid] = symbol

    def _set_models(self, utc_us: int) -> None:
        rows = self._script.models
        while self._model < len(rows) and rows[self._model].utc_us <= utc_us:
            row = rows[self._model]
            self._model += 1
            symbol = self._symbols.get(row.sid)
            if symbol is not None:
                try:
                    self._put_model(self._core.securities[symbol], row)
                except (ValueError, TypeError, ArithmeticError) as error:
                    self._lose(f"model of {row.sid}: {error}")

    @staticmethod
    def _put_model(security: Any, row: Model) -> None:
        if row.role == "leverage":
            if 0 < row.leverage <= _MOST_LEVERAGE and security.leverage != row.leverage:
                security.set_leverage(row.leverage)
        elif row.role in ROLES:
            attribute = ROLES[row.role][0]
            if type(getattr(security, attribute, None)).__name__ != row.name or row.values:
                setattr(security, attribute, rebuild(row.role, row.name, row.values))

    def _order(self, action: Action) -> None:
        symbol, core = self._symbols.get(action.sid), self._core
        if symbol is None:
            raise KeyError(f"{action.sid} was not subscribed to")
        properties = _properties(action)
        request = SubmitOrderRequest.make(
            OrderType(action.kind), symbol, action.quantity, core.clock.utc_time, action.tag, properties,
            action.is_async, **dict(action.prices),
        )  # fmt: skip
        if action.group is not None:
            number, count, quantity, limit = action.group
            if number not in self._groups:
                group = GroupOrderManager(core.transactions.next_group_id(), count, quantity, limit)
                self._groups[number] = group
            request.group_order_manager = self._groups[number]
        # What its fill makes the candidate ask for needs the ticket's number already.
        expected = core.transactions._last_id + 1
        self.asked_us[expected] = action.utc_us
        self._tickets[action.order] = expected
        response = self._algorithm.submit_order_request(request).submit_request.response
        if response.is_error:
            self._lose(f"order {action.order}: {response.error_message}")

    def _change(self, action: Action) -> None:
        number = self._tickets.get(action.order)
        ticket = self._core.transactions.get_order_ticket(number) if number is not None else None
        if ticket is None:
            raise KeyError("there is no such order")
        if action.what == "cancel":
            ticket.cancel(action.tag or None)
            return
        fields = UpdateOrderFields()
        for name, value in action.prices:
            setattr(fields, name, value)
        if action.tag:
            fields.tag = action.tag
        ticket.update(fields)


def _properties(action: Action) -> OrderProperties:
    kind = vars(order_properties).get(action.properties, OrderProperties)
    if not isinstance(kind, type) or not issubclass(kind, OrderProperties):
        kind = OrderProperties
    properties = kind.__new__(kind)
    OrderProperties.__init__(properties)  # some brokerages' own take the exchange, which changes no fill
    properties.time_in_force = _life(action.life)
    for name, value in action.options:
        if name in kind._options:
            setattr(properties, name, value)
    return properties


def _life(text: str) -> Any:
    kind, _, moment = text.partition(":")
    if kind == "Day":
        return TimeInForce.DAY
    if kind == "GoodTilDate":
        return TimeInForce.good_til_date(datetime.fromisoformat(moment))
    return TimeInForce.GOOD_TIL_CANCELED
