"""Where the datasets lie that come with the project."""

from __future__ import annotations

from pathlib import Path

import llm_plugin

__all__ = ["shipped_dataset"]


def shipped_dataset(name: str, holds: str) -> Path | None:
    """Return the folder of a dataset: in the installed package, else in the checkout, else above the working directory.

    Args:
        name: Its name under `datasets/`.
        holds: A file that it must hold.
    """
    package = Path(llm_plugin.__file__).resolve().parent
    checkouts = (package.parent, Path.cwd(), *Path.cwd().parents)
    for folder in (package / f"_{name}", *(root / "datasets" / name for root in checkouts)):
        if (folder / holds).is_file():
            return folder
    return None
