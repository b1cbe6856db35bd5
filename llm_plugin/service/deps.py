"""What routes need: the service of their application."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from llm_plugin.service.core import ValidatorService
from llm_plugin.service.errors import Refused

__all__ = ["MostQuestions", "Service", "check_batch"]


def _service(request: Request) -> ValidatorService:
    service: ValidatorService = request.app.state.service
    return service


Service = Annotated[ValidatorService, Depends(_service)]


def _most(service: Service) -> int:
    return service.settings.service.max_batch


MostQuestions = Annotated[int, Depends(_most)]


def check_batch(name: str, count: int, most: int) -> None:
    """Refuse a batch that is too large.

    Raises:
        Refused: Names the field and the setting.
    """
    if count > most:
        raise Refused(f"{name}: {count} in one request, at most {most} (service.max_batch): send them in parts", name)
