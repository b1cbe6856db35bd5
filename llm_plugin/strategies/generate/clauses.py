"""Clauses of a request: when to enter, when to exit, stop, target, size, holding time. Each is read whole or not."""

from __future__ import annotations

import re
from typing import Any

from llm_plugin.strategies.generate.phrases import NUMBER, condition

__all__ = ["ClauseReader"]

_PERCENT = rf"({NUMBER}) ?(?:%|percent|per cent)"
_ATR = rf"({NUMBER}) ?(?:x|times) (?:the )?atr\((\d+)\)"
_HEAD = r"(?:with |use |set |place |and )?(?:an? )?"
_FROM = r"(?: (?:away )?from (?:the )?(?:entry|fill)(?: price)?| below (?:the )?entry(?: price)?)?"
_WHEN = r"(?:when|if|whenever|while|as long as|as soon as|once)"
_LONG = r"buys?|goe?s? long|long|enters? long|opens? a long position"
_SHORT = r"sells? short|goe?s? short|short|enters? short|opens? a short position"

_ENTRIES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:(?P<short>{_SHORT})|{_LONG})(?: the dips?)?(?: (?P<shares>\d+) shares of)?(?: in| on)?(?: sym)? "
        rf"{_WHEN} (?P<when>.+)",
        rf"{_WHEN} (?P<when>.+?),? (?:(?P<short>{_SHORT})|{_LONG})(?: sym| it)?",
    )
)
_EXIT = re.compile(
    r"(?:then )?(?:(?:exits?|sells?(?! short)|get out|liquidates?|cover|leaves?)"
    r"(?: it| sym| the position| everything| (?P<side>longs|shorts))?"
    rf"|close (?:it|sym|out|the position|everything|(?P<closed>longs|shorts)))(?: {_WHEN})? (?P<when>.+)"
)
_HOLD = re.compile(
    r"(?:holds? (?:it )?(?:for )?(?:exactly )?|(?:(?:exit|close|close the position|or exit|or) )after )"
    r"(\d+) (?:bars|trading days)"
)
_SHARES = re.compile(r"(?:trade|order|buy) (\d+) (?:units|shares)(?: each time| a position| each)?")
_STOPS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("trailing", rf"{_HEAD}{_PERCENT} trailing stop(?:[- ]?loss)?"),
        ("trailing", rf"{_HEAD}trailing stop(?:[- ]?loss)? (?:of|at) {_PERCENT}"),
        ("trailing", rf"trail a stop {_PERCENT} behind the best close"),
        ("percent", rf"{_HEAD}{_PERCENT} stop(?:[- ]?loss)?"),
        ("percent", rf"{_HEAD}stop(?:[- ]?loss)?(?: order)?(?: of| at)? {_PERCENT}{_FROM}"),
        ("percent", rf"stop out {_PERCENT}{_FROM}"),
        ("percent", rf"protect each entry with a stop market order {_PERCENT}{_FROM}"),
        ("atr", rf"{_HEAD}{_ATR} stop(?:[- ]?loss)?"),
        ("atr", rf"{_HEAD}stop(?:[- ]?loss)?(?: of| at)? {_ATR}{_FROM}"),
        ("atr", rf"stop out {_ATR}{_FROM}"),
    )
)
_TARGETS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("percent", rf"{_HEAD}{_PERCENT} (?:profit )?target"),
        ("percent", rf"{_HEAD}{_PERCENT} take[- ]profit"),
        ("percent", rf"{_HEAD}(?:take[- ]profit|(?:profit )?target)(?: of| at)? {_PERCENT}"),
        ("percent", rf"exit with a gain of {_PERCENT}"),
        ("atr", rf"{_HEAD}(?:take[- ]profit|(?:profit )?target)(?: of| at)? {_ATR}{_FROM}"),
    )
)
_WHOLE = r"(?:the |my )?(?:equity|portfolio|capital|account)"
_SIZES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:use|invest|with) {_PERCENT} of {_WHOLE}(?: per symbol| in each| in it)?",
        rf"put {_PERCENT} of {_WHOLE} into (?:each position|it|sym)",
        rf"position size(?: of)? {_PERCENT} of {_WHOLE}(?: per symbol)?",
    )
)
_KIND = r"(?:trading |python |lean |quantconnect |simple )*(?:strategy|algorithm)"
_SAYS_NOTHING = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:please |can you )*(?:create|write|implement|code|build|make)(?: me)?(?: an?| this| the)?(?: {_KIND})?"
        r"(?: in python| for lean| for quantconnect)*(?: (?:for|on|that trades|trading) sym)?\??",
        rf"i (?:need|want|would like) an? {_KIND}(?: for lean| for quantconnect| for sym)*",
        r"(?:the market is|universe:?|it should trade|trade|trades|(?:strategy|rules) for|on)? ?sym",
        r"(?:(?:long|short) )?(?:entry|exit)|stop|target|size|backtest|rules|universe|the market is|strategy|long only",
        r"(?:and )?(?:backtest|run it)|then exit|",
    )
)


class ClauseReader:
    """Takes clauses one by one; `parts` is what they say so far, `certain` the stops and targets with their words."""

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}
        self.certain: list[tuple[str, float, str]] = []

    def read(self, clause: str) -> bool:
        """Take a clause; False where it is not understood, or says again what was said before."""
        text = re.sub(r"^(?:\(\d+\)|[-*•])\s*", "", clause).strip()
        if any(pattern.fullmatch(text) for pattern in _SAYS_NOTHING):
            return True
        for name, forms in (("stop", _STOPS), ("target", _TARGETS)):
            for kind, pattern in forms:
                hit = pattern.fullmatch(text)
                if hit:
                    return self._level(name, kind, hit, text)
        hit = _HOLD.fullmatch(text)
        if hit:
            return self._put("holding_bars", int(hit[1]))
        hit = _SHARES.fullmatch(text)
        if hit:
            return self._put("size", {"kind": "shares", "value": float(hit[1])})
        for pattern in _SIZES:
            hit = pattern.fullmatch(text)
            if hit:
                return self._put("size", {"kind": "fraction", "value": float(hit[1]) / 100})
        return self._entry(text) or self._exit(text)

    def _level(self, name: str, kind: str, hit: re.Match[str], text: str) -> bool:
        value = float(hit[1])
        level: dict[str, Any] = {"kind": kind, "value": value}
        if kind == "atr":
            level["period"] = int(hit[2])
        else:
            self.certain.append((name, value, text))
        return self._put(name, level)

    def _entry(self, text: str) -> bool:
        for pattern in _ENTRIES:
            hit = pattern.fullmatch(text)
            found = condition(hit["when"]) if hit else None
            if hit is None or found is None:
                continue
            shares = hit.groupdict().get("shares")
            if shares and not self._put("size", {"kind": "shares", "value": float(shares)}):
                return False
            return self._rule("entry", "short" if hit["short"] else "long", found)
        return False

    def _exit(self, text: str) -> bool:
        hit = _EXIT.fullmatch(text)
        found = condition(hit["when"], implicit=True) if hit else None
        if hit is None or found is None:
            return False
        side = hit["side"] or hit["closed"]
        return self._rule("exit", side[:-1] if side else "all", found)

    def _rule(self, name: str, side: str, found: str) -> bool:
        rules = self.parts.setdefault(name, {})
        if side in rules or (name == "exit" and rules and "all" in (side, *rules)):
            return False
        rules[side] = found
        return True

    def _put(self, name: str, value: Any) -> bool:
        if name in self.parts:
            return False
        self.parts[name] = value
        return True
