"""What a sandbox writes to its standard output and error, complete at every point in time."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import termios
import threading

_MOST_BYTES = 1 << 20
_POLL_MS = 200
_LINE_END = re.compile(r"\r\n|\r|\n")


class LogPipe:
    r"""A pipe, and a thread that keeps it from running full.

    ``drain`` takes what is in the pipe by itself, without waiting for the thread. So when another channel
    tells that something happened in the sandbox, all that it wrote before that is in what ``drain`` returns.

    ``write_end`` is for the sandbox's process; call ``started`` when that has it.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        self._kept = bytearray()
        self._dropped = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._pump, name="sandbox-log", daemon=True)

    def started(self) -> None:
        """Begin reading: the process has its end of the pipe."""
        os.close(self.write_end)
        self._thread.start()

    def drain(self) -> list[str]:
        """The lines since the last call. awslambdaric separates a traceback's by carriage returns."""
        with self._lock:
            self._take_available()
            text = self._kept.decode("utf-8", "replace")
            lines = _LINE_END.split(text.removesuffix("\n")) if text else []
            if self._dropped:
                lines.append(f"[{self._dropped} more bytes of log were dropped]")
            self._kept.clear()
            self._dropped = 0
        return lines

    def close(self) -> None:
        """Stop reading. What was read can still be drained."""
        self._closed.set()
        if self._thread.ident is None:
            os.close(self.write_end)
            self._thread.start()
        self._thread.join()

    def _pump(self) -> None:
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        ended = False
        while not ended and not self._closed.is_set():
            # Not without a limit: a child of the function may hold the other end open for ever.
            for _, happened in poll.poll(_POLL_MS):
                with self._lock:
                    ended = self._take_available() == 0 and bool(happened & select.POLLHUP)
        with self._lock:
            self._take_available()
            os.close(self._read_end)
            self._read_end = -1

    def _take_available(self) -> int:
        """Read exactly what is there now, which ends even when the sandbox writes without end."""
        if self._read_end < 0:
            return 0
        available: int = struct.unpack("i", fcntl.ioctl(self._read_end, termios.FIONREAD, b"\0\0\0\0"))[0]
        if available:
            data = os.read(self._read_end, available)
            room = max(0, _MOST_BYTES - len(self._kept))
            self._kept += data[:room]
            self._dropped += len(data[room:])
        return available
