"""What the flows work on: one configuration, its stores, its registry, its learning database."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm_plugin.stack.parts import CONFIG_VARIABLE

if TYPE_CHECKING:
    from llm_plugin.cycle.words import CycleParts, OnStage
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import Settings

__all__ = ["Loop", "open_loop"]


@dataclass(frozen=True)
class Loop:
    """The closed loop of one model.

    Attributes:
        settings: The configuration.
        url: Database of outcomes and of the loop.
        store: What was decided and what became of it.
        database: Leases, cycles, gates, shadows, drift checks, events.
        registry: Versions and who serves.
        data_folder: LEAN's data, None where there is none.
    """

    settings: Settings
    url: str
    store: OutcomeStore
    database: LearningDatabase
    registry: Registry
    data_folder: Path | None = None

    @property
    def resource_id(self) -> str:
        """What its events are about."""
        return f"lean-llm.model.{self.settings.learning.model}"

    def parts(self, on_stage: OnStage) -> CycleParts:
        """Return what a cycle works with."""
        from llm_plugin.cycle.words import CycleParts
        from llm_plugin.registry.mirror import mirror_of

        return CycleParts(
            settings=self.settings,
            stores=[self.store],
            registry=self.registry,
            database=self.database,
            data_folder=self.data_folder,
            mirror=mirror_of(self.settings, self.registry),
            on_stage=on_stage,
        )

    def tell_mirror(self) -> str | None:
        """Tell MLflow what it does not know yet, as a roll-back by the service; return why it was not reached."""
        from llm_plugin.registry.mirror import mirror_of

        mirror = mirror_of(self.settings, self.registry)
        return None if mirror is None else mirror.deliver()

    def waits_for_judge(self) -> bool:
        """True where a cycle has registered its challenger and has not been judged to the end."""
        row = self.database.open_cycle(self.settings.learning.model)
        return row is not None and "registered" in self.database.stages(row.cycle_id)

    def model(self, version: str) -> LanguageModel:
        """Load a version after checking its files.

        Raises:
            ModelError: Unknown, damaged, or it does not fit.
        """
        from llm_plugin.cycle.models import base_folder, open_configured
        from llm_plugin.prompts import PromptRenderer

        templates = PromptRenderer(self.settings.prompts, self.settings.features.user).version
        found = self.registry.verify(version, base=base_folder(self.settings), prompt_version=templates)
        return open_configured(self.settings, found.folder)

    @property
    def prefix(self) -> str:
        """The system prefix of the prompts in use."""
        from llm_plugin.prompts import PromptRenderer

        return str(PromptRenderer(self.settings.prompts, self.settings.features.user).template.system)


@contextmanager
def open_loop(config: Path | None = None, overrides: Sequence[str] = ()) -> Iterator[Loop]:
    """Open the loop of a configuration; all of it is closed at the end.

    Args:
        config: `llm_config.yaml`; None = the one that LEAN_LLM_CONFIG names, else the defaults and the environment.
        overrides: `section.key=value`.

    Raises:
        ConfigError: With every problem.
        StoreUnavailable: The database does not answer.
    """
    from llm_plugin.data.locate import known_data_folder
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.stores import learning_url
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import resolve

    settings = resolve(config or os.environ.get(CONFIG_VARIABLE) or None, overrides).settings
    url = learning_url(settings)
    with ExitStack() as stack:
        store = stack.enter_context(OutcomeStore(url, "each"))
        database = stack.enter_context(LearningDatabase(url))
        registry = Registry(name=settings.learning.model)
        yield Loop(settings, url, store, database, registry, known_data_folder())
