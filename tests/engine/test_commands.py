"""Commands in a backtest: registered, run by type or by `on_command`, and never an end of the run."""

from __future__ import annotations

import pytest

from llm_plugin.engine.algorithm.commands import Command

SOURCE = """
class Buy(Command):
    quantity = 0

    def run(self, algorithm):
        if not self.target:
            raise ValueError("no target")
        algorithm.order(self.target[0], self.quantity, tag=self.parameters["tag"])
        return True


class Plain:
    quantity = 0

    def run(self, algorithm):
        algorithm.seen.append(self.quantity)


class Lacking:
    pass


class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 7)
        self.add_equity("SPY", Resolution.MINUTE)
        self.seen = []
        self.add_command(Buy)
        self.add_command(Plain)
        try:
            self.add_command(Lacking)
        except NotImplementedError as error:
            self.refused = str(error)

    def on_data(self, data):
        self.come()
        self.quit()

    def come(self):
        payload = '{"target": ["SPY"], "Quantity": 3, "parameters": {"tag": "Signal X"}}'
        calls = [("Buy", payload), ("buy", "{}"), ("Plain", '{"quantity": 7}'), ("Nobody", "")]
        calls.append(("", '{"Symbol": "IBM"}'))
        for call in calls * 2:
            answer = CallbackCommand(*call).run(self)
            self.seen.append((answer.command_name, answer.success))
        self.sent = [self.broadcast_command({"quantity": 1}) for _ in range(2)]

    def on_command(self, data):
        self.seen.append(data.symbol)
        return None
"""


def test_commands_run_by_type_and_by_handler(run):
    result = run(source=SOURCE)

    found = result.algorithm
    once = [("Buy", True), ("buy", None), 7, ("Plain", None), ("Nobody", None), "IBM", ("OnCommand", None)]
    assert found.seen == once * 2
    assert [(order.quantity, order.tag) for order in result.orders] == [(3, "Signal X")] * 2
    assert "Lacking must implement the method 'run(algorithm)'" in found.refused
    assert found.sent == [None, None]


@pytest.mark.parametrize(
    "line",
    ["error running command 'buy' error: 'no target'", "unregistered command type 'Nobody'", "broadcast commands is"],
)
def test_what_went_wrong_is_told_once(run, line):
    assert sum(line in text for text in run(source=SOURCE).log_lines) == 1


def test_a_command_knows_its_values_in_any_case_and_none_of_others():
    command = Command()
    command.Quantity = 3

    assert (command.quantity, command.QUANTITY, command.other) == (3, 3, None)
    assert str(command) == '{"Quantity": 3}'
    assert (command.set_property("Side", "buy"), command.get_property("SIDE")) == ("buy", "buy")
    with pytest.raises(NotImplementedError, match="Command must implement the method 'run'"):
        command.run(None)
