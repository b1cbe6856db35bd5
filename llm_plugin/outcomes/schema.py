"""Tables of the outcome store, and the connection settings of SQLite and PostgreSQL.

Times are whole microseconds since the epoch (UTC). Requests, decisions and outcomes are kept as the JSON of the
domain object; the columns beside it are what queries need.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

from llm_plugin.errors import ConfigError

__all__ = [
    "METADATA",
    "STORE_VERSION",
    "create_tables",
    "decisions",
    "make_engine",
    "outcomes",
    "prompts",
    "runs",
    "sessions",
]

STORE_VERSION = "1"
BUSY_TIMEOUT_SECONDS = 10.0
CREATE_ATTEMPTS = 6
METADATA = MetaData()

runs = Table(
    "runs",
    METADATA,
    Column("run_id", String(200), primary_key=True),
    Column("started_us", BigInteger, nullable=False),
    Column("config", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("store_version", String(16), nullable=False),
)

prompts = Table(
    "prompts",
    METADATA,
    Column("prompt_hash", String(128), primary_key=True),
    Column("text", Text, nullable=False),
    Column("template_version", String(128), nullable=False),
    Column("schema_version", String(128), nullable=False),
)

decisions = Table(
    "decisions",
    METADATA,
    Column("decision_id", String(64), primary_key=True),
    Column("run_id", String(200), nullable=False),
    Column("symbol_id", String(200), nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("signal_action", String(16), nullable=False),
    Column("timeout_us", BigInteger),
    Column("prompt_hash", String(128)),
    Column("request", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text),
    Index("decisions_by_run_and_time", "run_id", "time_us", "decision_id"),
)

outcomes = Table(
    "outcomes",
    METADATA,
    Column("decision_id", String(64), ForeignKey("decisions.decision_id"), primary_key=True),
    Column("action", String(16), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("run_id", String(200), nullable=False),
    Column("taken", Boolean, nullable=False),
    Column("closed_us", BigInteger, nullable=False),
    Column("r_multiple", Float),
    Column("pnl", Float),
    Column("outcome", Text, nullable=False),
    Index("outcomes_by_run_and_close", "run_id", "closed_us"),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("run_id", String(200), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("saved_us", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
)


def create_tables(engine: sa.Engine, metadata: MetaData) -> None:
    """Make the tables and indexes that are missing; of processes that do so together all succeed."""
    for attempt in range(CREATE_ATTEMPTS):
        try:
            with engine.begin() as connection:
                for table in metadata.sorted_tables:
                    connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                    for index in sorted(table.indexes, key=lambda item: str(item.name)):
                        connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
            return
        except sa.exc.DBAPIError:  # PostgreSQL can meet itself in its own catalogue, SQLite while it turns to WAL
            if attempt == CREATE_ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)


def make_engine(url: str, durable: bool) -> sa.Engine:
    """Open the database behind `url`; a path without a scheme is an SQLite file.

    Args:
        url: `sqlite:///file`, `postgresql://...`, or a path.
        durable: True flushes every commit to the disk (live); False leaves that to the operating system, which
            survives a killed process and not a power cut (backtests).

    Raises:
        ConfigError: The URL is not one of these, or its driver is missing.
    """
    if "://" not in url:
        url = f"sqlite:///{url}"
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError(
            f"outcomes.url {url!r} is not a database URL: use sqlite:///file or postgresql://..."
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed, durable)
    if backend == "postgresql":
        return _postgresql(parsed, durable)
    raise ConfigError(f"outcomes.url uses {backend!r}: supported are sqlite and postgresql")


def _sqlite(url: sa.URL, durable: bool) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False})

    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    sa.event.listen(engine, "connect", on_connect)
    return engine


def _postgresql(url: sa.URL, durable: bool) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        engine = sa.create_engine(url, connect_args={"connect_timeout": int(BUSY_TIMEOUT_SECONDS)})
    except ImportError as error:
        raise ConfigError(
            f"outcomes.url names PostgreSQL but its driver is not installed ({error}): "
            "pip install 'lean-llm-plugin[postgres]'"
        ) from error

    def on_connect(connection: Any, _record: Any) -> None:
        if not durable:
            with connection.cursor() as cursor:
                cursor.execute("SET synchronous_commit TO off")
            connection.commit()

    sa.event.listen(engine, "connect", on_connect)
    return engine
