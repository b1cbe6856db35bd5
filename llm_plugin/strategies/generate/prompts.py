"""Requests that no strategy can fulfil are refused before any model is asked, each with what to do instead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from llm_plugin.errors import ConfigError

__all__ = ["LONGEST_PROMPT", "PromptRefused", "check_prompt", "language_of"]

LONGEST_PROMPT = 8000
_CONTROL = ("Cc", "Cs", "Co")


class PromptRefused(ConfigError):
    """The request cannot become a strategy; each problem names its words and the remedy."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Words that show an impossible wish, and what to do."""

    pattern: re.Pattern[str]
    told: str
    unless: re.Pattern[str] | None = None


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_FORECAST = _any(r"\b(?:predict|forecast|expect|probab|estimat|model|regress)\w*\b", r"\b(?:odds|likely)\b")
_AHEAD = r"\b(?:tomorrow|(?:the )?next (?:day|bar|hour|week|month|session)|the (?:following|coming) (?:day|bar|week))\b"
_MOVES = (
    r"(?:close[sd]?|high(?:er)?|low(?:er)?|price|return|ris(?:e|es|ing)|rall(?:y|ies)|f[ae]lls?|gains?|jumps?|drops?"
    r"|crash\w*)"
)

_RULES = (
    _Rule(
        _any(rf"\b(?:if|when|whenever|because|since|once)\b[^.;,]*{_AHEAD}(?:'s)?[^.;,]*\b{_MOVES}\b"),
        "needs a price that is not known yet: name a condition on the bars up to now",
        _FORECAST,
    ),
    _Rule(
        _any(
            rf"\bbefore\b[^.;,]{{0,40}}\b{_MOVES}\b[^.;,]{{0,30}}{_AHEAD}",
            rf"\bbefore {_AHEAD}(?:'s)?\b[^.;,]*\b{_MOVES}\b",
        ),
        "asks to act before a move that is only known afterwards: name a condition on the bars up to now",
        _FORECAST,
    ),
    _Rule(
        _any(
            r"\blook[- ]?ahead\b",
            r"\b(?:us(?:e|ing)|know(?:ing)?|peek\w*|with)\b[^.;,]{0,20}\bfuture (?:prices?|bars?|data|returns?)\b",
        ),
        "asks for knowledge of the future: name a condition on the bars up to now",
        _any(r"\b(?:no|without|avoid\w*|never|not|free of|prevent\w*)\b[^.;,]{0,30}\b(?:look[- ]?ahead|future)"),
    ),
    _Rule(
        _any(
            r"\b(?:call|put|stock|index|equity|weekly|0dte)s? options?\b",
            r"\boptions? (?:chains?|contracts?|strateg\w+|premium)\b",
            r"\b(?:straddle|strangle|iron condor|butterfly spread|covered call|protective put|credit spread)s?\b",
        ),
        "needs options, for which there is neither data nor support here: ask for the underlying, say 'SPY' itself",
    ),
    _Rule(
        _any(
            r"\b(?:e-?mini|crude oil|gold|vix|treasury|index|commodity)s? futures\b",
            r"\bfutures? (?:contracts?|chains?|curve|roll\w*)\b",
        ),
        "needs futures, for which there is neither data nor support here: ask for an ETF such as USO or SPY",
    ),
    _Rule(
        _any(
            r"\bp/?e ratios?\b",
            r"\bprice[- ]to[- ](?:earnings|book|sales)\b",
            r"\bearnings (?:surprise|report|call|per share)\b",
            r"\b(?:book value|free cash flow|balance sheets?|analyst ratings?|insider (?:buying|trades?))\b",
        ),
        "needs company figures, for which there is no data here: use prices and volume",
    ),
    _Rule(
        _any(
            r"\b(?:tweets?|twitter|reddit|google trends)\b",
            r"\bnews (?:sentiment|headlines?|feed)\b|\bsentiment (?:score|feed|data)\b",
        ),
        "needs data from the network, which a strategy cannot reach: use prices and volume",
    ),
    _Rule(
        _any(
            r"\b(?:my|your|the|user'?s?|account) (?:\w+ )?"
            r"(?:passwords?|api[- ]?keys?|credentials?|private keys?|secrets?)\b",
            r"\bssh keys?\b",
        ),
        "asks for a secret, which no strategy gets: brokerage keys belong into LEAN's own settings",
    ),
    _Rule(
        _any(
            r"https?://|\bwww\.\w|\b(?:download|scrape|webhook|curl|wget)\b",
            r"\b(?:call|query|fetch from|post to|connect to)\b[^.;,]{0,25}\b(?:api|server|website|url|internet|web)\b",
            r"\b(?:send|post)\b[^.;,]{0,25}\b(?:e-?mail|sms|telegram|slack|discord|tweet)\b",
        ),
        "needs the network, which a strategy cannot reach: use the market data that LEAN brings",
    ),
    _Rule(
        _any(
            r"\b(?:read|write|open|save|load|delete|append|dump|log)\b[^.;,]{0,40}"
            r"(?:\b(?:files?|csv|disk|folders?|director(?:y|ies)|database)\b|/etc/|~/|\.\./)",
            r"\b(?:run|execute)\b[^.;,]{0,20}\b(?:shell|subprocess|command line)\b",
        ),
        "needs files or programs of the machine, which a strategy cannot reach: keep its state in the algorithm",
    ),
)


def check_prompt(prompt: str) -> list[str]:
    """Return remarks about a request that a person should read.

    Args:
        prompt: The request.

    Raises:
        PromptRefused: It is empty, endless, or asks for what no strategy can do; all problems are named.
    """
    text = prompt.strip()
    if not re.search(r"\w", text):
        raise PromptRefused(
            f"the prompt {prompt[:40]!r} is empty: say what to trade, when to enter and when to exit, "
            "as in 'buy SPY when RSI(2) < 10, exit above the 5-day mean'"
        )
    if len(text) > LONGEST_PROMPT:
        raise PromptRefused(f"the prompt has {len(text):,} characters, at most {LONGEST_PROMPT:,} are read: shorten it")
    odd = sorted(
        {f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in ("Cc", "Cs", "Co") and c not in "\n\t\r"}
    )
    if odd:
        raise PromptRefused(f"the prompt holds control characters ({', '.join(odd[:5])}): remove them")
    problems = []
    for rule in _RULES:
        found = rule.pattern.search(text)
        if found and not (rule.unless and rule.unless.search(_around(text, found))):
            problems.append(f"the prompt's words {found.group(0)[:80]!r}: this {rule.told}")
    if problems:
        raise PromptRefused(problems)
    language = language_of(text)
    if language == "English":
        return []
    return [
        f"the prompt seems to be {language}: it is handed to the model as it is, but only English prompts are read "
        "here for requirements; what the model made of it is checked by running it, not against your words"
    ]


def _around(text: str, found: re.Match[str]) -> str:
    start = max(text.rfind(mark, 0, found.start()) for mark in ".;\n") + 1
    return text[start : found.end() + 60]


_STOP_WORDS: dict[str, str] = {
    "English": "the a an and or of in on when if is above below buy sell with after for at than to it by",
    "German": "der die das und oder wenn ist über unter kaufe kaufen verkaufe verkaufen mit nach bei dem den ein eine",
    "French": "le la les et ou quand si est dessus dessous acheter achète vendre avec après pour un une des du",
    "Spanish": "el la los las y o cuando si es encima debajo comprar compra vender vende con después para un una del",
    "Italian": "il lo la gli e o quando se è sopra sotto compra comprare vendi vendere con dopo per un una del della",
    "Portuguese": "o a os as e ou quando se é acima abaixo comprar compre vender venda com depois para um uma do da",
}
_SCRIPTS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("Japanese", lambda c: "\u3040" <= c <= "\u30ff"),
    ("Korean", lambda c: "\uac00" <= c <= "\ud7af"),
    ("Chinese", lambda c: "\u4e00" <= c <= "\u9fff"),
    ("Russian or another language in Cyrillic", lambda c: "\u0400" <= c <= "\u04ff"),
    ("Arabic", lambda c: "\u0600" <= c <= "\u06ff"),
    ("Greek", lambda c: "\u0370" <= c <= "\u03ff" and c not in "αβγδσΔΣμ"),
    ("Hindi", lambda c: "\u0900" <= c <= "\u097f"),
)


def language_of(text: str) -> str:
    """Return the language that a request seems to be in, by script and by small words.

    >>> language_of("Kaufe SPY, wenn der RSI unter 10 ist")
    'German'
    """
    for name, belongs in _SCRIPTS:
        if sum(belongs(c) for c in text) >= 2:
            return name
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {name: sum(word in known.split() for word in words) for name, known in _STOP_WORDS.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] >= counts["English"] + 2 else "English"
