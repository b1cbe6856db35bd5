"""Indicators that follow a stream are ordinary ones to everybody who looks."""

from __future__ import annotations

import pytest

from llm_plugin.engine.loop.indicator_lanes import Lane

START = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 8)
    self.spy = self.add_equity('SPY', Resolution.MINUTE, fill_forward=True).symbol
    self.lines = [self.ema(self.spy, 10), self.sma(self.spy, 15), self.wwma(self.spy, 7), self.roc(self.spy, 9)]
    self.late = None
    self.seen = []
    self.told = []

def note(self, *values):
    self.seen.append((self.time, *values))
"""
LOOKS = {
    "values": "self.note(*[(i.current.value, i.current.time, i.samples, i.is_ready, i.name) for i in self.lines])",
    "comparisons": "self.note(self.lines[0] > self.lines[1], float(self.lines[0]), str(self.lines[1]))",
    "windows": "self.note(*[[(p.time, p.value) for p in i.window] for i in self.lines])",
    "previous": """
    if self.time.minute == 45:
        self.note(*[(i.previous.value, i.previous.time) for i in self.lines])""",
    "grown window": "self.note(self.lines[0][3], self.lines[0].window.count, self.lines[0].window.samples)",
    "reset": """
    if self.time.hour == 11 and self.time.minute == 0:
        self.lines[0].reset()
    self.note(self.lines[0].current.value, self.lines[0].samples, self.lines[1].current.value)""",
    "by hand": """
    if self.time.minute == 30:
        self.lines[1].update(self.time, 150.0)
    self.note(*[i.current.value for i in self.lines])""",
    "late handler": """
    if self.time.hour == 12 and self.time.minute == 0:
        self.lines[1].updated += lambda sender, point: self.told.append((point.time, point.value, sender.samples,
                                                                         self.lines[0].current.value,
                                                                         self.lines[2].current.value))
    self.note(len(self.told))""",
    "its consolidator": """
    if self.time.minute == 20:
        (consolidator,) = self.lines[0].consolidators
        self.note(consolidator.consolidated.close, consolidator.consolidated.end_time, consolidator.window.count)""",
    "late indicator": """
    if self.late is None and self.time.hour == 13:
        self.late = self.ema(self.spy, 5)
    self.note(self.late and (self.late.samples, self.late.current.value), self.lines[0].current.value)""",
    "unregistered": """
    if self.time.hour == 14 and self.time.minute == 5:
        self.unregister_indicator(self.lines[1])
    self.note(*[(i.samples, i.current.value) for i in self.lines])""",
    "copy": """
    import copy
    if self.time.minute == 10:
        twin = copy.copy(self.lines[2])
        twin.update(self.time, 1.0)
        self.note(type(twin).__name__, twin.samples, twin.current.value, self.lines[2].samples)""",
    "subscription changes": """
    if self.time.hour == 11 and self.time.minute == 30 and self.late is None:
        self.late = self.add_equity('AIG', Resolution.MINUTE).symbol
    self.note(*[(i.samples, i.current.value) for i in self.lines])""",
}


def _source(look: str) -> str:
    lines = look.strip("\n")
    body = lines if lines.startswith(" ") else "    " + lines
    return START + "\ndef on_data(self, data):\n" + body + "\n"


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_following_cannot_be_told_from_being_updated(run, monkeypatch, look):
    following = run(_source(look)).algorithm
    with monkeypatch.context() as patch:
        patch.setattr(Lane, "follow", lambda self, consolidators: None)
        updated = run(_source(look)).algorithm

    assert len(updated.seen) > 1
    assert following.seen == updated.seen
    assert following.told == updated.told


def test_a_stream_that_begins_anew_is_not_followed_any_more(run, monkeypatch):
    source = (
        START
        + """
def on_data(self, data):
    if self.time.hour == 12 and self.time.minute == 0:
        manager, (config, *rest) = self._engine.data_manager, self.subscription_manager.subscriptions
        now = self._engine.clock.utc_us
        again = manager._make(config, self.securities[self.spy], manager.start_us)
        for stream in again:
            stream.skip_to(now)
        manager._streams = [s for s in manager._streams if s.config is not config or s.auxiliary] + again
        manager._rebuild()
    self.note(*[(i.samples, i.current.value) for i in self.lines])
"""
    )
    following = run(source).algorithm
    monkeypatch.setattr(Lane, "follow", lambda self, consolidators: None)
    assert following.seen == run(source).algorithm.seen
    assert following.seen[-1][1][0] == 780


def test_an_indicator_that_is_only_read_follows_to_the_end(run):
    algorithm = run(_source(LOOKS["values"])).algorithm

    (stream,) = {c.stream for c in algorithm.subscription_manager.subscriptions if c.lane is not None}
    assert stream.lane.followed == 4
    assert type(algorithm.lines[0]) is not type(algorithm.lines[0]).__mro__[1]
    assert isinstance(algorithm.lines[0], type(algorithm.lines[0]).__mro__[1])


def test_a_handler_keeps_an_indicator_an_ordinary_one(run):
    algorithm = run(
        START.replace("self.late = None", "self.late = None\n    self.lines[0].updated += self.note")
    ).algorithm

    assert len(algorithm.seen) == 780
    assert all(
        config.lane is None or not config.lane.followed for config in algorithm.subscription_manager.subscriptions
    )
