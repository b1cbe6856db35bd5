"""What an algorithm says of itself and may ask: tags, figures of its own, what can be sold short."""

from __future__ import annotations

import json

BODY = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 7)
    self.spy = self.add_equity('SPY', Resolution.MINUTE)
    self.begin()

def on_data(self, data):
    self.come()
    self.quit()

def begin(self):
    pass

def come(self):
    pass
"""


def test_tags_are_cut_limited_and_written(run, tmp_path):
    result = run(
        BODY
        + """
def begin(self):
    self.set_tags(['alpha', ' ', '', 'x' * 300])
    self.add_tag('beta')
    self.add_tag('  ')
    self.first = sorted(self.tags)
    self.tags = [f'tag {n}' for n in range(150)]
    for n in range(2):
        self.add_tag('one more')
    self.many = len(self.tags)
    self.set_tags({'alpha'})
""",
        results_folder=tmp_path / "out",
    )

    found = result.algorithm
    assert found.first == ["alpha", "beta", "x" * 200]
    assert found.many == found.MAX_TAGS_COUNT == 100
    assert sum("Unable to add tag" in line for line in result.log_lines) == 1
    assert sum("It will be truncated" in line for line in result.log_lines) == 1
    files = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")]
    told = [file["algorithmConfiguration"] for file in files if "algorithmConfiguration" in file]
    assert told
    assert all(item["tags"] == ["alpha"] for item in told)


def test_runtime_figures_can_be_read_back(run):
    result = run(BODY + "\ndef come(self):\n    self.set_runtime_statistic('Mood', 'good')\n")

    assert result.algorithm.runtime_statistics == {"Mood": "good"}


def test_what_can_be_sold_short_counts_holdings_and_open_orders(run):
    result = run(
        BODY
        + """
def begin(self):
    self.free = self.shortable('SPY', 1000), self.shortable_quantity('SPY')
    class Ten(NullShortableProvider):
        def shortable_quantity(self, symbol, local_time):
            return 10
    self.spy.set_shortable_provider(Ten())

def come(self):
    spy = self.spy.symbol
    self.before = self.shortable(spy, 10), self.shortable(spy, -11), self.shortable(spy), self.shortable_quantity(spy)
    self.market_order(spy, -4)
    ticket = self.limit_order(spy, -5, 1000)
    self.beside = self.shortable(spy, 1), self.shortable(spy, 2), self.shortable(spy, 6, ticket.order_id)
"""
    )

    found = result.algorithm
    assert found.free == (True, 0)
    assert found.before == (True, False, True, 10)
    assert found.beside == (True, False, True)
