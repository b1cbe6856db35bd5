"""Commands: what a live algorithm can be told from outside. A backtest registers them, and hears none by itself."""

from __future__ import annotations

import json
from typing import Any

from llm_plugin.engine.base.names import LeanObject, find_member, snake
from llm_plugin.engine.core import EngineCore
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["CallbackCommand", "Command", "CommandApi", "CommandResultPacket"]


class Command(LeanObject):
    """Base of users' commands: values by any spelling of their names, None where there is none."""

    # What it was made of, as it came.
    payload_data: str | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        wanted = name.lower()
        return next((value for key, value in vars(self).items() if key.lower() == wanted), None)

    def get_property(self, name: str) -> Any:
        """Return a value, or None."""
        return getattr(self, name)

    def set_property(self, name: str, value: Any) -> Any:
        """Set a value and return it."""
        setattr(self, name, value)
        return value

    def run(self, algorithm: Any) -> bool | None:
        """Do what the command is for; None gives no answer."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'run'")

    def __str__(self) -> str:
        return self.payload_data or json.dumps(vars(self), default=str)


class CallbackCommand(LeanObject):
    """A command as it arrives.

    Args:
        type: Name of the class that `add_command` was given; empty for `on_command`.
        payload: Its values as a JSON object.
    """

    def __init__(self, type: str = "", payload: str = "") -> None:
        self.id: str | None = None
        self.type, self.payload = type, payload

    def run(self, algorithm: Any) -> CommandResultPacket:
        """Hand it to the class that takes it, or to `on_command`."""
        if self.type:
            answer: CommandResultPacket = algorithm.run_command(self)
            return answer
        data = filled(Command(), self.payload) if self.payload else None
        return CommandResultPacket(self, algorithm.on_command(data))

    def __str__(self) -> str:
        return self.type or "OnCommand"


class CommandResultPacket(LeanObject):
    """What came of a command: `success` is None where it gave no answer."""

    def __init__(self, command: CallbackCommand, success: bool | None) -> None:
        self.command_name, self.success = str(command), success


def filled(command: Any, payload: str) -> Any:
    """Set the values of a JSON object on a command."""
    if payload and isinstance(command, Command):
        command.payload_data = payload
    for name, value in json.loads(payload or "{}").items():
        own = snake(name)
        setattr(command, own if hasattr(type(command), own) else name, value)
    return command


class CommandApi(LeanObject):
    """The class that mixes it in has the run as `_engine`."""

    _engine: EngineCore
    # By name in lower case.
    _commands: dict[str, type]

    def add_command(self, command_type: type) -> None:
        """Register a class with a method `run(algorithm)`.

        Raises:
            NotImplementedError: It has none.
        """
        if find_member(command_type(), "run") is None:
            raise NotImplementedError(f"{command_type.__name__} must implement the method 'run(algorithm)'")
        self._commands[command_type.__name__.lower()] = command_type

    def run_command(self, command: CallbackCommand) -> CommandResultPacket:
        """Run a command that arrived; its errors and unknown types are told once and change nothing."""
        kind, result = self._commands.get(command.type.lower()), None
        if kind is None:
            told = f"Detected unregistered command type '{command.type}', will be ignored"
            self._engine.warn_once(told, told)
        else:
            try:
                result = filled(kind(), command.payload).run(self)
            except Exception as error:
                told = f"Unexpected error running command '{command.type}' error: '{error}'"
                self._engine.warn_once(f"command {command.type}", told)
        return CommandResultPacket(command, result)

    def on_command(self, data: Any) -> bool | None:
        """Take a command without a class; the user's class overrides it."""
        return True

    def broadcast_command(self, command: Any) -> None:
        """Send a command to other live algorithms; a backtest says once that it does not.

        Raises:
            UnsupportedLeanApi: In live trading.
        """
        if self._engine.live:
            raise UnsupportedLeanApi("QCAlgorithm.broadcast_command", f"the engine sends {command} to nobody")
        self._engine.warn_once("broadcast", "Warning: sending broadcast commands is disabled in backtesting")
