"""Where the service listens: loopback, a named address with a key, or the Docker bridge with a key."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_plugin.errors import ConfigError

if TYPE_CHECKING:
    from llm_plugin.settings import ServiceSettings

__all__ = ["LOOPBACK", "addresses", "bridge_address", "is_loopback", "open_sockets"]

LOOPBACK = "127.0.0.1"
BRIDGE = "docker0"
SIOCGIFADDR = 0x8915
BACKLOG = 1024


def addresses(
    settings: ServiceSettings, *, for_docker: bool = False, bridge: Callable[[], str | None] | None = None
) -> list[str]:
    """Return the addresses to listen on.

    Args:
        settings: `service`.
        for_docker: Also listen on the Docker bridge, where containers reach the host as host.docker.internal.
        bridge: Finds the bridge's address.

    Raises:
        ConfigError: Others could reach the service and there is no key, or there is no bridge.
    """
    has_key = settings.api_key is not None and bool(settings.api_key.get_secret_value())
    wanted = [settings.host]
    if for_docker:
        found = (bridge or bridge_address)()
        if found is None:
            raise ConfigError(
                f"service: --for-docker found no bridge {BRIDGE!r} with an address: start Docker, or set service.host "
                "to the address at which containers reach this machine (Docker Desktop reaches 127.0.0.1 as it is)"
            )
        wanted = list(dict.fromkeys([settings.host, found]))
    open_ones = [address for address in wanted if not is_loopback(address)]
    if open_ones and not has_key:
        raise ConfigError(
            f"service.api_key: none is set, but {', '.join(open_ones)} can be reached by others: set "
            "LEAN_LLM__SERVICE__API_KEY (and LEAN_LLM__VALIDATOR__API_KEY for the algorithm), or bind 127.0.0.1"
        )
    return wanted


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bridge_address(interface: str = BRIDGE) -> str | None:
    """Return the IPv4 address of a network interface; None where there is no such interface (or no Linux)."""
    import struct

    try:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            packed = struct.pack("256s", interface.encode()[:15])
            return socket.inet_ntoa(fcntl.ioctl(probe.fileno(), SIOCGIFADDR, packed)[20:24])
    except (ImportError, OSError):
        return None


def open_sockets(hosts: list[str], port: int) -> list[socket.socket]:
    """Listen; port 0 takes a free one, the same on all addresses.

    Raises:
        ConfigError: An address or port cannot be had; names it and the remedy.
    """
    opened: list[socket.socket] = []
    try:
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            server = socket.socket(family, socket.SOCK_STREAM)
            opened.append(server)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((host, port))
            server.listen(BACKLOG)
            port = server.getsockname()[1]
    except OSError as error:
        for server in opened:
            server.close()
        raise ConfigError(
            f"service.port: cannot listen on {hosts[len(opened) - 1]}:{port} ({error.strerror}): another service may "
            "run there already (`lean-llm status`); set service.host or service.port"
        ) from error
    return opened
