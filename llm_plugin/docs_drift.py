"""Generated pages and the configuration template, and the check that they are as the code would write them now."""

from __future__ import annotations

import difflib
import importlib
import sys
from pathlib import Path

__all__ = ["GENERATED", "drift", "main", "write"]

# page -> function without arguments that renders it
GENERATED = {
    "llm_plugin/llm_config.yaml": "llm_plugin.settings:default_yaml",
    "docs/reference/configuration.md": "llm_plugin.settings:render_reference",
    "docs/reference/prompts.md": "llm_plugin.prompts.reference:render_reference",
    "docs/reference/features.md": "llm_plugin.features.docs:render_reference",
    "docs/reference/cli.md": "llm_plugin.cli.reference:render_reference",
}


def _render(target: str) -> str:
    module, function = target.split(":")
    return str(getattr(importlib.import_module(module), function)())


def drift(root: Path) -> list[str]:
    """Return one line for each generated page that differs from what the code renders."""
    findings = []
    for page, target in GENERATED.items():
        path = root / page
        have = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        changed = [line for line in difflib.unified_diff(have, _render(target).splitlines(), lineterm="", n=0)][2:6]
        if changed:
            first = " / ".join(changed)
            findings.append(f"{page} is out of date, `make fix` writes it anew; first difference: {first}")
    return findings


def write(root: Path) -> list[str]:
    """Write every generated page and return those that changed."""
    changed = []
    for page, target in GENERATED.items():
        path, text = root / page, _render(target)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(page)
    return changed


def main(argv: list[str] | None = None) -> int:
    """`--check` (exit code 1 on drift) or `--write`."""
    arguments = sys.argv[1:] if argv is None else argv
    root = Path.cwd()
    if "--write" in arguments:
        for page in write(root):
            print(f"wrote {page}")
        return 0
    findings = drift(root)
    print("\n".join(findings) if findings else f"docs: {len(GENERATED)} generated pages are up to date")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
