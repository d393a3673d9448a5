"""Events that wait for their functions, in SQLite: on disk they outlive the emulator, however it ends.

An event waits, is taken, and is put back or finished. Those finished stay in the file until ``forget``, which is called
when what their functions did is saved as well: an emulator that was killed in between gives them to their functions
once more. So no event is lost, and some come twice, as on Lambda.

The write-ahead log without a sync for every event holds what the operating system was given. That survives the end of
the process, not the end of the machine.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_WAITING, _TAKEN, _FINISHED = 0, 1, 2

_SCHEMA = """
create table if not exists event (
    id integer primary key,
    request_id text not null,
    function text not null,
    payload blob not null,
    queued_s real not null,
    due_s real not null,
    errors integer not null default 0,
    faults integer not null default 0,
    last_error blob not null default x'',
    state integer not null default 0
);
create index if not exists event_due on event (state, due_s);
"""
_COLUMNS = "id, request_id, function, payload, queued_s, errors, faults, last_error"


@dataclass(frozen=True, slots=True)
class Event:
    """An event on its way to a function.

    ``function`` is an ARN, ``payload`` JSON, ``queued_s`` the time in seconds since the epoch. ``errors`` counts the
    times that the function failed, ``faults`` those that it could not be run; ``last_error`` is the function's
    last answer, empty where it gave none yet.
    """

    id: int
    request_id: str
    function: str
    payload: bytes
    queued_s: float
    errors: int = 0
    faults: int = 0
    last_error: bytes = b""


class Journal:
    """The events of one emulator, in a file, or in memory where ``path`` is None. Any thread may call.

    Raises ``sqlite3.Error`` where the file can't be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._keeps_finished = path is not None
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            ":memory:" if path is None else path, check_same_thread=False, isolation_level=None
        )
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.executescript(_SCHEMA)
        # Taken or finished under an emulator that was killed: nobody knows what came of them.
        self._database.execute("update event set state = ?", (_WAITING,))

    def put(self, function: str, payload: bytes, now_s: float) -> str:
        """Add an event; the request id that its invocations have."""
        request_id = str(uuid.uuid4())
        self._execute(
            "insert into event (request_id, function, payload, queued_s, due_s) values (?, ?, ?, ?, ?)",
            (request_id, function, payload, now_s, now_s),
        )
        return request_id

    def take(self, now_s: float, passing_over: Collection[str] = ()) -> Event | None:
        """The event that is due for longest, of functions that are not passed over; None where none is due."""
        condition, functions = _not_of(passing_over)
        with self._lock:
            row = self._database.execute(
                f"select {_COLUMNS} from event where state = ? and due_s <= ? {condition} order by due_s, id limit 1",  # noqa: S608 - question marks alone are put in
                (_WAITING, now_s, *functions),
            ).fetchone()
            if row is None:
                return None
            self._database.execute("update event set state = ? where id = ?", (_TAKEN, row[0]))
        return Event(*row)

    def next_due_s(self, passing_over: Collection[str] = ()) -> float | None:
        """When the next event is due, None where none waits."""
        condition, functions = _not_of(passing_over)
        with self._lock:
            query = f"select min(due_s) from event where state = ? {condition}"  # noqa: S608 - as above
            due_s: float | None = self._database.execute(query, (_WAITING, *functions)).fetchone()[0]
        return due_s

    def put_back(self, event: Event, due_s: float) -> None:
        """Let an event that was taken wait until ``due_s``, with its counts and last error as they are in it."""
        self._execute(
            "update event set state = ?, due_s = ?, errors = ?, faults = ?, last_error = ? where id = ?",
            (_WAITING, due_s, event.errors, event.faults, event.last_error, event.id),
        )

    def finish(self, event: Event) -> None:
        """Nothing remains to be done for an event."""
        if self._keeps_finished:
            self._execute("update event set state = ? where id = ?", (_FINISHED, event.id))
        else:
            self._execute("delete from event where id = ?", (event.id,))

    def finished(self) -> list[int]:
        """The ids of the events that are finished."""
        with self._lock:
            rows = self._database.execute("select id from event where state = ?", (_FINISHED,)).fetchall()
        return [row[0] for row in rows]

    def forget(self, ids: Collection[int]) -> None:
        """Remove finished events: what their functions did is saved."""
        with self._lock, self._database:  # which commits, or takes all back
            self._database.execute("begin")
            self._database.executemany("delete from event where id = ?", [(each,) for each in ids])

    def pending(self) -> int:
        """How many events are not finished."""
        with self._lock:
            query = "select count(*) from event where state != ?"
            count: int = self._database.execute(query, (_FINISHED,)).fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock:
            self._database.execute(statement, values)


def _not_of(functions: Collection[str]) -> tuple[str, tuple[str, ...]]:
    if not functions:
        return "", ()
    return f"and function not in ({', '.join('?' * len(functions))})", tuple(functions)
