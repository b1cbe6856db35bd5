"""A lease with a fencing token: of two cycles started together one goes on, and one that lost it can write no more.

The token grows whenever the lease changes hands; the first one is the time in seconds, so that a new database never
hands out tokens that a registry has already seen from an old one. Every guarded write first touches the lease's row
with the token it was given, in the same transaction; where the row has another token by now, nothing is written.

A clock that goes backwards never leaves a dead holder's lease standing for long: whoever finds the clock before the
lease's last renewal cuts its rest to one life, counted from the clock as it is now. A live holder renews meanwhile;
one that is displaced all the same is stopped by its token.
"""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from llm_plugin.errors import LeaseHeld, LeaseLost
from llm_plugin.learning.schema import leases
from llm_plugin.outcomes._rows import EPOCH, MICROSECOND

__all__ = ["Lease", "acquire", "fence", "holder_is_dead", "holder_name", "lost", "release", "renew"]


@dataclass(frozen=True, slots=True)
class Lease:
    """What one holder has: `token` guards its writes, `until_utc` is when another one may take over."""

    name: str
    holder: str
    token: int
    until_utc: datetime
    life_seconds: float


def holder_name(what: str) -> str:
    """Return a name for this process that says where it runs, unique for every call."""
    return f"{what} {_where()} {uuid.uuid4().hex[:8]}"


def holder_is_dead(holder: str) -> bool:
    """True only where the holder ran on this very machine and process table, and its process is gone."""
    parts = holder.split(" ")
    here = _where().split("/")
    if len(parts) != 3 or parts[1].count("/") != 3 or not here[1]:
        return False
    host, boot, space, pid = parts[1].split("/")
    if [host, boot, space] != here[:3] or not pid.isdigit():
        return False
    return not Path(f"/proc/{pid}").exists()


def acquire(
    connection: sa.Connection, insert: sa.Insert, name: str, holder: str, life_seconds: float, now_us: int
) -> Lease:
    """Take the lease in one statement, or say who has it.

    Raises:
        LeaseHeld: Names the holder and until when.
    """
    until_us = now_us + round(life_seconds * 1e6)
    row = {"name": name, "holder": holder, "token": now_us // 1_000_000, "renewed_us": now_us, "until_us": until_us}
    changed = {key: row[key] for key in ("holder", "renewed_us", "until_us")}
    known = connection.execute(sa.select(leases).where(leases.c.name == name)).one_or_none()
    free = leases.c.until_us <= now_us
    if known is not None and holder_is_dead(known.holder):
        free = sa.or_(free, leases.c.token == known.token)
    statement = insert.values(row).on_conflict_do_update(  # type: ignore[attr-defined]
        index_elements=["name"], set_=changed | {"token": leases.c.token + 1}, where=free
    )
    token = connection.execute(statement.returning(leases.c.token)).scalar_one_or_none()
    if token is not None:
        return Lease(name, holder, int(token), _time(until_us), life_seconds)
    held = connection.execute(sa.select(leases).where(leases.c.name == name)).one()
    if now_us < held.renewed_us:
        life_us = held.until_us - held.renewed_us
        cut = leases.update().where(leases.c.name == name, leases.c.token == held.token)
        connection.execute(cut.values(renewed_us=now_us, until_us=now_us + life_us))
        held = connection.execute(sa.select(leases).where(leases.c.name == name)).one()
    connection.commit()
    raise LeaseHeld(name, held.holder, _time(held.until_us))


def renew(connection: sa.Connection, lease: Lease, now_us: int) -> Lease:
    """Give the lease its whole life again.

    Raises:
        LeaseLost: Another one has it.
    """
    until_us = now_us + round(lease.life_seconds * 1e6)
    mine = leases.update().where(leases.c.name == lease.name, leases.c.token == lease.token)
    if connection.execute(mine.values(renewed_us=now_us, until_us=until_us)).rowcount != 1:
        raise lost(connection, lease)
    return Lease(lease.name, lease.holder, lease.token, _time(until_us), lease.life_seconds)


def release(connection: sa.Connection, lease: Lease) -> None:
    """Give the lease back; one that is another's by now is left alone."""
    mine = leases.update().where(leases.c.name == lease.name, leases.c.token == lease.token)
    connection.execute(mine.values(until_us=0, renewed_us=0))  # long ago, whatever the clock says next


def fence(connection: sa.Connection, lease: Lease) -> None:
    """Touch the lease's row with its token, so that the transaction it opens is the holder's or does not happen.

    Raises:
        LeaseLost: Another one has the lease.
    """
    mine = leases.update().where(leases.c.name == lease.name, leases.c.token == lease.token)
    if connection.execute(mine.values(token=lease.token)).rowcount != 1:
        raise lost(connection, lease)


def lost(connection: sa.Connection, lease: Lease) -> LeaseLost:
    """Say who has the lease now."""
    row = connection.execute(sa.select(leases).where(leases.c.name == lease.name)).one_or_none()
    now = "nobody" if row is None else f"{row.holder} with token {row.token}"
    return LeaseLost(
        f"the lease {lease.name} of {lease.holder} (token {lease.token}) has passed to {now}: "
        "nothing was written; look at its cycle with `lean-llm models list`"
    )


def _time(moment_us: int) -> datetime:
    return EPOCH + moment_us * MICROSECOND


def _where() -> str:
    """Host, boot, process table and process id; the middle two are empty where the system does not tell."""
    boot = space = ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115
    except OSError:
        boot = ""
    return f"{socket.gethostname()}/{boot}/{space}/{os.getpid()}"
