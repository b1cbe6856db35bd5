"""Semantics 6.3: data classes written by users."""

from __future__ import annotations

import pytest

from llm_plugin.errors import UnsupportedLeanApi

SOURCE = """
class Weather(PythonData):
    def get_source(self, config, date, is_live):
        return SubscriptionDataSource("{path}", SubscriptionTransportMedium.{medium}, FileFormat.CSV)

    def reader(self, config, line, date, is_live):
        if not line[:1].isdigit():
            return None
        day, value, wind = line.split(",")
        point = Weather()
        point.symbol = config.symbol
        point.time = datetime.strptime(day, "%Y-%m-%d")
        point.end_time = point.time + timedelta(days=1)
        point.value = float(value)
        point["wind"] = float(wind)
        return point


class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_benchmark(lambda time: 0)
        self.weather = self.add_data(Weather, "LONDON", Resolution.DAILY).symbol
        self.seen = []

    def on_data(self, data):
        point = data.get(Weather)[self.weather]
        assert data[self.weather] is point and data.contains_key(self.weather)
        self.seen.append((str(self.time), point.value, point["wind"], self.securities[self.weather].price))
"""


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "weather.csv"
    path.write_text("day,value,wind\n2013-10-06,11.5,3\n2013-10-07,12.5,4\nx\n2013-10-08,broken,5\n2013-10-09,14,6\n")
    return path


def test_points_arrive_at_their_end_time_and_bad_lines_are_reported(run, lines):
    result = run(source=SOURCE.format(path=lines, medium="LOCAL_FILE"))

    assert result.algorithm.seen == [
        ("2013-10-07 00:00:00", 11.5, 3.0, 11.5),
        ("2013-10-08 00:00:00", 12.5, 4.0, 12.5),
        ("2013-10-10 00:00:00", 14.0, 6.0, 14.0),
    ]
    assert sum("ValueError in reader" in line and "broken" in line for line in result.log_lines) == 1


def test_the_network_is_not_opened(run, lines):
    with pytest.raises(UnsupportedLeanApi, match=r"RemoteFile.*opens no network connection"):
        run(source=SOURCE.format(path="https://example.org/x.csv", medium="REMOTE_FILE"))


def test_a_web_address_is_remote_without_being_said_to_be(run, lines):
    source = SOURCE.replace(", SubscriptionTransportMedium.{medium}, FileFormat.CSV", "")

    with pytest.raises(UnsupportedLeanApi, match=r"RemoteFile.*opens no network connection"):
        run(source=source.format(path="HTTPS://example.org/x.csv"))
    assert len(run(source=source.format(path=lines)).algorithm.seen) == 3


@pytest.mark.parametrize(("sort", "days"), [(True, [7, 8, 10]), (False, [7, 10])])
def test_points_that_are_out_of_order_count_only_when_the_source_is_sorted(run, tmp_path, sort, days):
    path = tmp_path / "mixed.csv"
    path.write_text("2013-10-06,11,3\n2013-10-09,14,6\n2013-10-07,12,4\n")
    body = SOURCE.replace("return SubscriptionDataSource(", "source = SubscriptionDataSource(").replace(
        "FileFormat.CSV)", f"FileFormat.CSV)\n        source.sort = {sort}\n        return source"
    )

    result = run(source=body.format(path=path, medium="LOCAL_FILE"))

    assert [int(text[8:10]) for text, *_ in result.algorithm.seen] == days


def test_history_reads_a_users_class_for_symbols_that_are_not_subscribed_to_it(run, lines):
    asked = """
        self.set_start_date(2013, 10, 10)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        frame = self.history(Weather, [self.spy, self.weather], timedelta(30))
        self.frames = [frame.loc["SPY"]["value"].tolist(), frame.loc["LONDON"]["wind"].tolist()]
        self.last = self.history(Weather, [self.spy, self.weather], 1)["value"].tolist()
        self.plain = list(self.history(TradeBar, [self.spy], 2).columns)
"""
    source = SOURCE.format(path=lines, medium="LOCAL_FILE").replace(
        "        self.seen = []\n", "        self.seen = []" + asked
    )

    algorithm = run(source=source.replace("def on_data", "def on_other_data")).algorithm

    assert algorithm.frames == [[11.5, 12.5, 14.0], [3.0, 4.0, 6.0]]
    # The last line ends with the day before the start.
    assert algorithm.last == [14.0, 14.0]
    assert "close" in algorithm.plain
