"""Whether a service answers at the address that a configuration names; `lean-llm doctor` asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from llm_plugin.errors import BackendUnavailable, ConfigError
from llm_plugin.lean.http import JsonClient, ServiceRefused
from llm_plugin.service.bind import bridge_address

if TYPE_CHECKING:
    from llm_plugin.settings import Settings

__all__ = ["IN_CONTAINER", "probe"]

IN_CONTAINER = "host.docker.internal"
SECONDS = 3.0


def probe(settings: Settings, bridge: Callable[[], str | None] = bridge_address) -> str:
    """Return who serves at `validator.url`.

    The name by which a container reaches this machine is looked at from here through the Docker bridge.

    Raises:
        ConfigError: Nobody answers there, the key is wrong, or the service is not ready; says what to do.
    """
    url, key = settings.validator.url, settings.validator.api_key
    if url is None:
        raise ConfigError("validator.url: none is set: start `lean-llm serve` and name http://127.0.0.1:8900")
    seen, remedy = _from_here(url, bridge), "start `lean-llm serve`"
    if urlsplit(url).hostname == IN_CONTAINER:
        remedy = "start `lean-llm serve --for-docker` with LEAN_LLM__SERVICE__API_KEY set"
    client = JsonClient(seen, None if key is None else key.get_secret_value())
    try:
        client.ask("GET", "/readyz", None, SECONDS)
        champion = client.ask("GET", "/v1/versions", None, SECONDS).get("champion", "")
    except ServiceRefused as error:
        if error.status == 401:
            raise ConfigError(f"validator.api_key: {url}: {error.told}; set LEAN_LLM__VALIDATOR__API_KEY") from error
        raise ConfigError(f"validator.url: {url} is no lean-llm service ({error}): {remedy}") from error
    except BackendUnavailable as error:
        raise ConfigError(f"validator.url: {error}: {remedy}") from error
    finally:
        client.disconnect()
    return f"{url} serves {champion}" + ("" if seen == url else f" (asked at {seen})")


def _from_here(url: str, bridge: Callable[[], str | None]) -> str:
    parts = urlsplit(url)
    if parts.hostname != IN_CONTAINER:
        return url
    address = bridge()
    if address is None:
        raise ConfigError(
            f"validator.url: {url} is for containers, but there is no Docker bridge here: start Docker "
            "(Docker Desktop needs none: try the URL with 127.0.0.1)"
        )
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit((parts.scheme, f"{address}{port}", parts.path, "", ""))
