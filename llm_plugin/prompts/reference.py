"""The reference page of template fields, rendered from the code so that it cannot drift."""

from __future__ import annotations

from llm_plugin.prompts.fields import FIELDS
from llm_plugin.prompts.templates import COMPACT_CONTEXT, COMPACT_SYSTEM, FULL_CONTEXT, FULL_SYSTEM

__all__ = ["render_reference"]

_PAGE = """\
# Prompt templates

`prompts.system` is the text before every question of a run, taken literally. `prompts.context_template` is the
question; `{{field}}` and `{{field:format}}` are filled in. Null takes the built-in text of `prompts.style`. This page
is generated from `llm_plugin/prompts`, and a test compares the two.

- A field that does not exist, or a format that does not fit, is an error when the configuration is loaded.
- What is unavailable renders as `n/a`, whatever its format.
- Formats are Python's. Besides, `[*FACTOR][/STEP]i` gives a whole number: `{{signal_confidence:*100i}}` is 63 for
  0.634, `{{rsi:/5i}}` is 60 for 63.9.
- Every feature of [the features page](features.md) is a field too, and so is every name in `features.user`.
- The prompt ends with `->`; one that does not gets it on a line of its own. The answer that follows has the form
  ` ACTION | confidence | reason`, the reason at most ten words.
- A model trained on other templates is refused by name: after a change, train again.

## Fields

| field | kind | meaning |
|---|---|---|
{rows}

## Built-in: compact

```
{compact_system}{compact}
```

The fields that end in `_along` and the two `room_` fields see the market from the trade's side, so that a short trade
reads like its mirrored long one.

## Built-in: full

```
{full_system}{full}
```
"""


def render_reference() -> str:
    """Return the text of `docs/reference/prompts.md`."""
    kinds = {True: "text", False: "number"}
    rows = [f"| `{name}` | {kinds[field.text]} | {field.description} |" for name, field in FIELDS.items()]
    return _PAGE.format(
        rows="\n".join(rows),
        compact_system=COMPACT_SYSTEM,
        compact=COMPACT_CONTEXT,
        full_system=FULL_SYSTEM,
        full=FULL_CONTEXT,
    )
