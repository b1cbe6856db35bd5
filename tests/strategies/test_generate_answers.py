"""Which file is taken from an answer, and when an answer is ended."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.strategies.generate.answers import Looping, StreamWatch, take_code

ALGORITHM = "from AlgorithmImports import *\n\n\nclass Buyer(QCAlgorithm):\n    def initialize(self):\n        pass\n"
HELPER = "def helper():\n    return 1\n"


def fenced(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}```\n"


@pytest.mark.parametrize(
    "answer",
    [
        fenced(ALGORITHM),
        f"Here it is:\n\n{fenced(ALGORITHM)}\nGood luck!",
        fenced(ALGORITHM, ""),
        fenced(ALGORITHM).replace("```", "~~~~"),
        f"<think>class Wrong(QCAlgorithm): ```python\nx\n``` no</think>\n{fenced(ALGORITHM)}",
        ALGORITHM,
        f"Sure, this works:\n\n{ALGORITHM}",
        fenced(ALGORITHM).replace("\n", "\r\n"),
        fenced(ALGORITHM)[:-4],
        f"{fenced('pip install x', 'bash')}{fenced(ALGORITHM)}",
    ],
    ids=["block", "prose", "bare-fence", "tildes", "thinking", "no-fence", "words-before", "crlf", "open", "bash"],
)
def test_the_algorithm_is_found_whatever_stands_around_it(answer: str) -> None:
    taken = take_code(answer)
    assert taken.problem == ""
    assert taken.code.strip() == ALGORITHM.strip()


def test_of_several_blocks_the_one_with_the_algorithm_is_taken_and_said() -> None:
    taken = take_code(fenced(HELPER) + fenced(ALGORITHM) + fenced("print(1)\n"))
    assert taken.code == ALGORITHM
    assert "3 blocks of code" in taken.notes[0]


def test_of_two_algorithms_the_later_whole_one_is_taken() -> None:
    better = ALGORITHM.replace("Buyer", "Better")
    assert "Better" in take_code(fenced(ALGORITHM) + "Corrected:\n" + fenced(better)).code
    assert "Buyer" in take_code(fenced(ALGORITHM) + fenced(better.replace("pass", "pass ("))).code


def test_a_file_in_several_blocks_is_joined() -> None:
    head, body = "from AlgorithmImports import *\n", "class A(Base):\n    pass\n"
    split = fenced(head + "class Base(QCAlgorithm):\n    pass\n") + fenced(body)
    assert "class Base" in take_code(split).code


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "the answer is empty"),
        ("  \n", "the answer is empty"),
        ("I would buy low and sell high.", "holds no code"),
        ("<think>endless", "the answer is empty"),
        (fenced(HELPER), "no block of code holds a class derived from QCAlgorithm"),
    ],
)
def test_an_answer_without_an_algorithm_says_what_to_write(answer: str, told: str) -> None:
    assert told in take_code(answer).problem


def test_code_that_the_limit_cut_off_is_named_and_whole_code_is_not() -> None:
    cut = fenced(ALGORITHM + "    def on_data(self, data):\n        self.set_holdings(")[:-4]
    assert "cut off after 8 lines" in take_code(cut, "length").problem
    assert take_code(fenced(ALGORITHM), "length").problem == ""


def test_words_after_bare_code_are_cut_away() -> None:
    taken = take_code(f"{ALGORITHM}\nThis strategy buys: enjoy it!\nBye.")
    assert taken.problem == ""
    assert ast.parse(taken.code)
    assert "words after the code" in taken.notes[-1]


@given(st.text(max_size=400))
def test_any_text_gives_code_or_a_reason(text: str) -> None:
    taken = take_code(text)
    assert taken.code or taken.problem


@pytest.mark.parametrize("unit", ["x", "self.buy()\n", "a = 1\nb = 2\nc = 3\n" * 5])
def test_a_model_that_repeats_itself_is_stopped(unit: str) -> None:
    watch = StreamWatch()
    pieces = [unit] * (4000 // len(unit) + 20)
    with pytest.raises(Looping, match="repeats itself"):
        list(map(watch, pieces))
    assert watch.characters < 5000


def test_code_with_similar_lines_is_not_taken_for_a_loop() -> None:
    watch = StreamWatch()
    for number in range(300):
        watch(f"        self.add_equity('T{number}', Resolution.DAILY)\n")
    assert watch.characters > 10_000
