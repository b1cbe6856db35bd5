"""The flows and their `prefect.yaml`: from a checkout, or written out of the installed package."""

from __future__ import annotations

import shutil
from pathlib import Path

import llm_plugin
from llm_plugin.errors import ConfigError
from llm_plugin.files import home

__all__ = ["flows_folder", "source_of_flows", "write_flows"]

DEPLOYMENTS = "prefect.yaml"


def source_of_flows() -> Path:
    """Return the folder that holds `prefect.yaml` and `flows/` as shipped.

    Raises:
        ConfigError: The installation holds none.
    """
    package = Path(llm_plugin.__file__).parent
    for parent in (package / "_flows", package.parent):
        if (parent / DEPLOYMENTS).is_file() and (parent / "flows" / "__init__.py").is_file():
            return parent
    raise ConfigError("the installation holds no flows: install lean-llm-plugin again")


def write_flows(target: Path, *, replace: bool = False) -> list[Path]:
    """Write `prefect.yaml` and `flows/` into a folder and return the files written.

    Args:
        target: The folder; other files in it stay.
        replace: Write over flows that are there already.

    Raises:
        ConfigError: The folder holds flows already and `replace` is False.
    """
    source = source_of_flows()
    names = [Path(DEPLOYMENTS), *(Path("flows") / path.name for path in sorted((source / "flows").glob("*.py")))]
    if (source / "flows" / "README.md").is_file():
        names.append(Path("flows/README.md"))
    there = [str(name) for name in names if (target / name).exists()]
    if there and not replace:
        raise ConfigError(f"{target} holds {', '.join(there[:3])} already: name a new folder, or pass --force")
    (target / "flows").mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(source / name, target / name)
    return [target / name for name in names]


def flows_folder(named: Path | None = None) -> Path:
    """Return the folder to deploy from: the named one, the current checkout, else a fresh copy under the home.

    Raises:
        ConfigError: The named folder holds no `prefect.yaml`.
    """
    if named is not None:
        if not (named / DEPLOYMENTS).is_file():
            raise ConfigError(f"{named} holds no {DEPLOYMENTS}: `lean-llm init --flows {named}` writes one")
        return named.resolve()
    package = Path(llm_plugin.__file__).parent
    if (package.parent / DEPLOYMENTS).is_file() and (package.parent / "flows").is_dir():
        return package.parent
    target = home() / "stack" / "deployed"
    write_flows(target, replace=True)
    return target
