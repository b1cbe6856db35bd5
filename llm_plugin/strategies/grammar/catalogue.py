"""All families, and strategies drawn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from random import Random

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.strategies.grammar.compose import signal_draft
from llm_plugin.strategies.grammar.describe import describe
from llm_plugin.strategies.grammar.draft import SPLITS, Draft, Strategy, split_of
from llm_plugin.strategies.grammar.extras import with_extras
from llm_plugin.strategies.grammar.plans import PLANS
from llm_plugin.strategies.grammar.signals import SIGNALS

__all__ = ["FAMILIES", "draw", "strategies"]

_SIGNAL_FAMILIES = tuple(sorted({made.family for made in SIGNALS.values()}))
FAMILIES: tuple[str, ...] = tuple(sorted((*_SIGNAL_FAMILIES, *PLANS)))
WORDINGS = 4
_TRIES = 400


def draw(family: str, seed: str) -> Strategy:
    """Return the strategy of a family that a seed gives, always the same.

    Raises:
        ConfigError: There is no such family.
    """
    _known(family)
    rng = Random(f"{family}/{seed}")  # noqa: S311 - drawing parts, not secrets
    draft = with_extras(PLANS[family](rng), rng) if family in PLANS else signal_draft(family, rng)
    return _strategy(draft, rng)


def _known(family: str) -> None:
    if family not in FAMILIES:
        raise ConfigError(f"no family {family!r}{did_you_mean(family, FAMILIES)}; there are {', '.join(FAMILIES)}")


def _strategy(draft: Draft, rng: Random) -> Strategy:
    facts = draft.facts
    digest = hashlib.sha256(draft.source.encode()).hexdigest()
    return Strategy(
        id=f"{draft.family}-{digest[:12]}",
        family=draft.family,
        core=draft.core,
        composition=draft.composition,
        split=split_of(draft.family, draft.core),
        difficulty=draft.difficulty,
        source=draft.source,
        instructions=describe(facts, rng, WORDINGS),
        requirements=draft.requirements,
        start=facts.start,
        end=facts.end,
        cash=facts.cash,
    )


def strategies(
    seed: str, *, families: Sequence[str] = (), splits: Sequence[str] = (), least: int = 1
) -> Iterator[Strategy]:
    """Yield strategies without end, family by family in turn, no composition more often than it must be.

    Args:
        seed: The same seed gives the same strategies in the same order.
        families: Which; none = all.
        splits: Which of `train`, `validation`, `test`; none = all.
        least: A composition comes again only after this many rounds without a new one of its family.

    Raises:
        ConfigError: An unknown family or split.
    """
    wanted = tuple(families) or FAMILIES
    for family in wanted:
        _known(family)
    for split in splits:
        if split not in SPLITS:
            raise ConfigError(f"no split {split!r}{did_you_mean(split, SPLITS)}; there are {', '.join(SPLITS)}")
    sources = {family: _family(family, seed, tuple(splits) or SPLITS, least) for family in wanted}
    while True:
        for family in wanted:
            yield next(sources[family])


def _family(family: str, seed: str, splits: Sequence[str], least: int) -> Iterator[Strategy]:
    seen: dict[str, int] = {}
    codes: set[str] = set()
    number, allowed, dry = 0, 1, 0
    while True:
        found = draw(family, f"{seed}/{number}")
        number += 1
        if found.split not in splits:
            continue
        if found.id in codes or seen.get(found.composition, 0) >= allowed:
            dry += 1
            if dry >= _TRIES * least:
                allowed, dry = allowed + 1, 0
            continue
        dry = 0
        codes.add(found.id)
        seen[found.composition] = seen.get(found.composition, 0) + 1
        yield found
