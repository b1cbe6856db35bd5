"""Tables of the closed loop, beside those of the outcome store in the same database.

Times are whole microseconds since the epoch (UTC). Every row has a key of its own, so that whatever was interrupted
can be written again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

__all__ = [
    "LEARNING_VERSION",
    "METADATA",
    "cycles",
    "drift_checks",
    "events",
    "gates",
    "leases",
    "shadows",
    "stages",
    "watches",
]

LEARNING_VERSION = "1"
METADATA = MetaData()

leases = Table(
    "learning_leases",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("holder", String(400), nullable=False),
    Column("token", BigInteger, nullable=False),  # the fence: grows with every change of hands
    Column("renewed_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
)

cycles = Table(
    "learning_cycles",
    METADATA,
    Column("cycle_id", String(100), primary_key=True),
    Column("model", String(100), nullable=False),
    Column("number", Integer, nullable=False),
    Column("as_of_us", BigInteger, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("status", String(32), nullable=False),  # `running` until it has ended
    Column("reason", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("learning_version", String(16), nullable=False),
    Index("learning_cycles_by_model", "model", "number", unique=True),
)

stages = Table(
    "learning_stages",
    METADATA,
    Column("cycle_id", String(100), primary_key=True),
    Column("stage", String(64), primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("done_us", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
)

gates = Table(
    "learning_gates",
    METADATA,
    Column("window_id", String(128), primary_key=True),
    Column("challenger", String(200), primary_key=True),
    Column("number", Integer, nullable=False),  # of its window, from 1: the account
    Column("champion", String(200), nullable=False),
    Column("cycle_id", String(100)),
    Column("verdict", String(32), nullable=False),
    Column("judged_us", BigInteger, nullable=False),
    Column("from_us", BigInteger),  # first and last decision of the window
    Column("to_us", BigInteger),
    Column("decision", Text, nullable=False),
)

shadows = Table(
    "learning_shadows",
    METADATA,
    Column("version", String(300), primary_key=True),
    Column("decision_id", String(64), primary_key=True),
    Column("time_us", BigInteger, nullable=False),
    Column("answer", Text, nullable=False),
    Index("learning_shadows_by_time", "version", "time_us"),
)

drift_checks = Table(
    "learning_drift_checks",
    METADATA,
    Column("check_id", String(64), primary_key=True),
    Column("checked_us", BigInteger, nullable=False),
    Column("found", Boolean, nullable=False),
    Column("report", Text, nullable=False),
    Index("learning_drift_by_time", "checked_us"),
)

watches = Table(
    "learning_watches",
    METADATA,
    Column("name", String(400), primary_key=True),
    Column("saved_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

events = Table(
    "learning_events",
    METADATA,
    Column("event_id", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("event", String(200), nullable=False),
    Column("resource_id", String(300), nullable=False),
    Column("occurred_us", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("delivered_us", BigInteger),
    Index("learning_events_open", "delivered_us", "number"),
)
