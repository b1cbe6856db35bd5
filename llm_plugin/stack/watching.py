"""One look of the watch over the champion, for those who do not run the service's own loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.registry.words import BASE

if TYPE_CHECKING:
    from llm_plugin.registry.words import Pointer
    from llm_plugin.stack.loop import Loop
    from llm_plugin.watch import WatchVerdict

__all__ = ["WatchLook", "answers_as", "look", "watch_facts"]

NEWEST = 200


@dataclass(frozen=True, slots=True)
class WatchLook:
    """What was seen: `verdict` is None where there is nobody to compare with, `rolled_back_to` where nothing moved."""

    champion: str
    previous: str | None
    verdict: WatchVerdict | None
    rolled_back_to: str | None = None
    why_not: str = ""


def look(loop: Loop, as_of_utc: datetime | None = None) -> WatchLook:
    """Feed the watch with what has matured, and roll back through the registry where it says so; idempotent.

    The watch's state lies in the database and each outcome counts once, so that this and the service's own loop can
    both look.

    Raises:
        ModelError: The registry is damaged, or there is nothing to go back to.
        StoreUnavailable: The database does not answer.
    """
    from llm_plugin.service.watching import Watchman, roll_back

    pointer, moment = loop.registry.pointer(), as_of_utc or datetime.now(UTC)
    champion, previous = pointer.champion, pointer.previous
    if not loop.settings.watch.enabled:
        return WatchLook(champion, previous, None, why_not="watch.enabled is false")
    if previous is None or previous == champion:
        return WatchLook(champion, previous, None, why_not="nothing was promoted that could be compared")
    name = answers_as(loop, pointer, moment)
    if name is None:
        return WatchLook(champion, previous, None, why_not=f"{champion} has no matured decision beside a shadow yet")
    watchman = Watchman(loop.settings.watch, loop.store, loop.database, loop.registry)
    verdict = watchman.look(pointer, name, moment)
    if verdict is None or not verdict.rolled_back:
        return WatchLook(champion, previous, verdict)
    now = roll_back(loop.registry, loop.database, champion, verdict.reason)
    return WatchLook(champion, previous, verdict, rolled_back_to=now.champion)


def answers_as(loop: Loop, pointer: Pointer, moment: datetime) -> str | None:
    """Return what decisions call the champion, from those that the previous version answered in shadow; None so far."""
    from llm_plugin.learning.read import load_matured, matured_rows

    shadows = {answer.decision_id for answer in loop.database.shadows(str(pointer.previous))}
    rows = [row for row in matured_rows(loop.store, as_of_utc=moment).rows if row.decision_id in shadows]
    adapters = {
        version.id: version.manifest.version for version in loop.registry.versions() if version.manifest is not None
    }
    for decision in reversed(load_matured(loop.store, rows[-NEWEST:])):
        name = decision.decision.model_version
        ending = next((version for version, text in adapters.items() if name.endswith(f"+{text}")), BASE)
        if name and ending == pointer.champion:
            return name
    return None


def watch_facts(seen: WatchLook) -> dict[str, Any]:
    """Return a look as facts for a person."""
    verdict = seen.verdict
    facts: dict[str, Any] = {"champion": seen.champion, "in shadow": seen.previous or "–"}
    if verdict is None:
        return facts | {"state": seen.why_not or "nothing has matured yet"}
    return facts | {
        "state": verdict.status.replace("_", " "),
        "reason": verdict.reason,
        "outcomes": verdict.outcomes,
        "disagreements": verdict.disagreements,
        "mean difference in R": verdict.mean_difference,
        "e-value": verdict.value,
        "rolls back at": verdict.bar,
        "rolled back to": seen.rolled_back_to or "–",
    }
