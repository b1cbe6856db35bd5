"""The HTTP application around a service."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from llm_plugin import __version__
from llm_plugin.errors import LeanLlmError
from llm_plugin.service.errors import refusal_of
from llm_plugin.service.limits import Gatekeeper, RateLimit
from llm_plugin.service.mcp import mount
from llm_plugin.service.routes import health_router, router

if TYPE_CHECKING:
    from llm_plugin.service.core import ValidatorService

__all__ = ["create_app"]

_LOG = logging.getLogger("llm_plugin.service")
DESCRIPTION = (
    "Validates trading signals, records what became of them, and learns from it. Times are UTC, R is the profit in "
    "units of the initial stop distance, null is a number that is not known."
)


def create_app(service: ValidatorService) -> FastAPI:
    """Make the application; its lifespan starts the service and closes it.

    Args:
        service: What answers; it belongs to the application from now on.
    """
    settings = service.settings.service

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.state.mcp.session_manager.run())
            service.start()
            try:
                yield
            finally:
                service.close()

    app = FastAPI(
        title="lean-llm validator", version=__version__, description=DESCRIPTION, lifespan=lifespan, redoc_url=None
    )
    app.state.service = service
    app.include_router(health_router)
    app.include_router(router)
    app.state.mcp = mount(app, service)
    app.add_exception_handler(LeanLlmError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(
        Gatekeeper,
        key=None if settings.api_key is None else settings.api_key.get_secret_value(),
        max_bytes=settings.max_request_bytes,
        rate=RateLimit(settings.requests_per_minute),
        metrics=service.metrics,
        draining=lambda: service.draining,
    )
    return app


async def _told(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, LeanLlmError):
        raise error
    refusal = refusal_of(error)
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [{"field": _field(item["loc"]), "message": item["msg"]} for item in error.errors()]
    first = problems[0]
    rest = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    body = {"type": "InvalidRequest", "message": f"{first['field']}: {first['message']}{rest}", **_first(problems)}
    return JSONResponse({"error": body}, 422)


def _field(location: Any) -> str:
    return ".".join(str(part) for part in location if part not in ("one", "many", "outcome", "result"))


def _first(problems: list[dict[str, str]]) -> dict[str, Any]:
    return {"field": problems[0]["field"], "problems": problems[:50]}


async def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse(
        {"error": {"type": "HttpError", "message": str(error.detail)}}, error.status_code, error.headers
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    number = uuid.uuid4().hex[:12]
    _LOG.error("%s %s failed (%s)", request.method, request.url.path, number, exc_info=error)
    text = f"something broke; the service's log tells more under {number}"
    return JSONResponse({"error": {"type": "InternalError", "message": text}}, 500)
