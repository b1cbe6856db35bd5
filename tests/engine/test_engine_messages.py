"""The handler of a brokerage's messages, and the benchmark of a user's brokerage model."""

from __future__ import annotations

import textwrap

import pytest

from llm_plugin.engine.runner import run_backtest
from llm_plugin.errors import AlgorithmError, UnsupportedLeanApi

START = """
from AlgorithmImports import *


class Handler(DefaultBrokerageMessageHandler):
    def handle_order(self, event_args):
        return True


class Chosen(DefaultBrokerageModel):
    def GetBenchmark(self, securities):
        return FuncBenchmark(lambda time: 7)


class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2024, 1, 2)
        self.set_end_date(2024, 1, 3)
"""


@pytest.fixture
def go(tmp_path, data_folder):
    """Run an algorithm whose initialize ends with the lines that are given."""

    def run(body: str):
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text(START + textwrap.indent(textwrap.dedent(body), " " * 8))
        return run_backtest(project, data_folder=data_folder, results_folder=None)

    return run


def test_messages_go_to_the_log(go):
    result = go("""
        handler = self.brokerage_message_handler
        assert type(handler) is DefaultBrokerageMessageHandler
        handler.handle_message(BrokerageMessageEvent(BrokerageMessageType.INFORMATION, "1", "hello"))
        handler.HandleMessage(BrokerageMessageEvent(BrokerageMessageType.Warning, "2", "careful"))
        order = type("Event", (), {"order": type("Order", (), {"broker_id": ["x1"]})})
        assert [handler.handle_order(order), handler.HandleOrder(order)] == [False, False]
    """)

    text = "\n".join(result.log_lines)
    assert "Brokerage Info: hello" in text
    assert "ERROR:: Brokerage Warning: careful" in text
    assert text.count("Ignoring unrecognized order (BrokerId: x1)") == 1


@pytest.mark.parametrize("method", ["set_brokerage_message_handler", "SetBrokerageMessageHandler"])
def test_handler_of_the_user_is_kept(go, method):
    result = go(f"self.{method}(Handler(self))")

    assert type(result.algorithm.brokerage_message_handler).__name__ == "Handler"
    assert result.algorithm.BrokerageMessageHandler.handle_order(None)


def test_what_is_no_handler_is_refused_and_so_is_a_lost_connection(go):
    with pytest.raises(AlgorithmError, match="has no handle_message"):
        go("self.set_brokerage_message_handler(3)")
    with pytest.raises(UnsupportedLeanApi, match="of a live brokerage"):
        go(
            "self.brokerage_message_handler.handle_message("
            'BrokerageMessageEvent(BrokerageMessageType.DISCONNECT, "3", "gone"))'
        )
    with pytest.raises(AlgorithmError, match="Brokerage Error: broken"):
        go(
            "self.brokerage_message_handler.handle_message("
            'BrokerageMessageEvent(BrokerageMessageType.ERROR, "4", "broken"))'
        )


def test_brokerage_model_of_the_user_names_the_benchmark(go):
    result = go("self.set_brokerage_model(Chosen())")

    assert result.algorithm.benchmark.evaluate(None) == 7.0


def test_benchmark_of_the_algorithm_goes_before_that_of_the_model(go):
    result = go("self.set_brokerage_model(Chosen())\nself.set_benchmark(lambda time: 5)")

    assert result.algorithm.benchmark.evaluate(None) == 5.0
