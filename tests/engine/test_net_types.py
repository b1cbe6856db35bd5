"""Classes of .NET and of LEAN's utilities: the numbers are those that .NET prints."""

from __future__ import annotations

import pytest

from llm_plugin.engine.base.net_types import CircularQueue, Random


@pytest.mark.parametrize(("seed", "first"), [(0, 1559595546), (42, 1434747710), (1, 534011718)])
def test_random_numbers_of_a_seed_are_those_of_net(seed, first):
    assert Random(seed).next() == first
    assert Random(-seed).Next() == first


def test_random_numbers_between_bounds_use_the_same_sequence():
    assert Random(1).next_double() == pytest.approx(0.24866858415709278, abs=1e-16)
    assert Random(1).next(10) == 2
    assert Random(1).next(100, 110) == 102
    assert {0, 1, 2} == {Random(seed).next(3) for seed in range(40)}


def test_two_generators_without_a_seed_differ():
    assert [Random().next() for _ in range(3)] != [Random().next() for _ in range(3)]


def test_bounds_that_cross_are_refused():
    with pytest.raises(ValueError, match="upper bound 3 is below the lower bound 5"):
        Random(1).next(5, 3)


def test_a_circular_queue_begins_again_and_tells_of_it():
    told = []
    queue = CircularQueue[int]([1, 2, 3])
    queue.circle_completed += lambda sender, event: told.append(len(order))
    order: list[int] = []
    for _ in range(7):
        order.append(queue.dequeue())
    assert order == [1, 2, 3, 1, 2, 3, 1]
    assert told == [0, 3, 6]
    assert CircularQueue("a", "b").Dequeue() == "a"


def test_an_empty_circular_queue_says_so():
    with pytest.raises(IndexError, match="no items"):
        CircularQueue([]).dequeue()
