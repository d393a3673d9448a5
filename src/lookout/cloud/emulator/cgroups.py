"""Limits by control groups, versions 1 and 2: the kernel does the work.

A sandbox's group is a folder named ``lookout-<pid of the emulator>-<when it began>-<sandbox id>``, so that those of an
emulator that was killed can be told and swept, also where another process has its number now. Version 1 has one folder
for memory and one for CPU time, below this process's own groups or else at the top; version 2 has one for both.

In version 2 a group with processes of its own can't deal out controllers ("no internal processes"), so the
group of this process seldom serves: its nearest ancestor that deals out both does, where this user may write
to it, as in a systemd session with delegation. Nothing is changed in any ancestor. A place counts only when a
group was really made there, limited, and joined.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lookout.cloud.emulator.quotas import MIB, Admission, cfs_quota, cpu_share
from lookout.cloud.emulator.workspace import is_stale, mark

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "lookout-"
_REMOVAL_TRIES = 200
_REMOVAL_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Setting:
    """A line to write into one of a group's files. An optional one is for what not every kernel has."""

    file: str
    value: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where groups are made: the same folder twice in version 2."""

    version: int
    memory: Path
    cpu: Path


def memory_settings(version: int, memory_mb: int) -> tuple[Setting, ...]:
    """What limits a group's memory, swap included."""
    limit = str(memory_mb * MIB)
    if version == 1:
        return (
            Setting("memory.limit_in_bytes", limit),
            Setting("memory.memsw.limit_in_bytes", limit, optional=True),
        )
    return (
        Setting("memory.max", limit),
        Setting("memory.swap.max", "0", optional=True),
        Setting("memory.oom.group", "1", optional=True),
    )


def cpu_settings(version: int, share: float) -> tuple[Setting, ...]:
    """What limits a group's CPU time."""
    quota_us, period_us = cfs_quota(share)
    if version == 1:
        return (Setting("cpu.cfs_period_us", str(period_us)), Setting("cpu.cfs_quota_us", str(quota_us)))
    return (Setting("cpu.max", f"{quota_us} {period_us}"),)


def places(own_groups: str, root: Path = _ROOT) -> Iterator[Place]:
    """Where groups might be made, the most fitting first; ``own_groups`` is ``/proc/self/cgroup``."""
    own = _own_paths(own_groups)
    if (root / "cgroup.controllers").is_file():
        here = root / own.get("", "")
        for folder in (here, *here.parents):
            if folder.is_relative_to(root) and (folder == here or _deals_out_both(folder)):
                yield Place(2, folder, folder)
    elif (root / "memory").is_dir() and (root / "cpu").is_dir():
        yield Place(1, root / "memory" / own.get("memory", ""), root / "cpu" / own.get("cpu", ""))
        yield Place(1, root / "memory", root / "cpu")


def _own_paths(own_groups: str) -> dict[str, str]:
    """The group of this process by controller; version 2's is named ''."""
    paths: dict[str, str] = {}
    for line in own_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if ".." not in path:  # a group outside of what this container sees
            paths |= dict.fromkeys(controllers.split(","), path.lstrip("/"))
    return paths


def _deals_out_both(folder: Path) -> bool:
    try:
        return {"cpu", "memory"} <= set((folder / "cgroup.subtree_control").read_text().split())
    except OSError:
        return False


def usable_cgroups(cores: int, root: Path = _ROOT) -> CgroupLimiter | None:
    """A limiter in the first place that works; None where this process may not make groups."""
    try:
        own_groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return None
    limiters = (CgroupLimiter(place, cores) for place in places(own_groups, root))
    return next((limiter for limiter in limiters if limiter.works()), None)


class CgroupLimiter:
    """Makes a group for every sandbox."""

    def __init__(self, place: Place, cores: int) -> None:
        self._place = place
        self._cores = cores
        self.name = f"cgroup v{place.version}"
        self.limits_cpu = True

    def limit(self, sandbox_id: str, memory_mb: int) -> CgroupLimits:
        """Make a sandbox's group with its memory limit. Raises ``OSError``."""
        name = f"{_PREFIX}{mark(os.getpid())}-{sandbox_id}"
        place = self._place
        memory, cpu = place.memory / name, place.cpu / name
        limits = CgroupLimits(memory, cpu, cpu_settings(place.version, cpu_share(memory_mb, self._cores)))
        try:
            limits.create(memory_settings(place.version, memory_mb))
        except OSError:
            limits.close()
            raise
        return limits

    def works(self) -> bool:
        """Whether a group can really be made here, limited, and joined."""
        try:
            if self._place.version == 2 and not _deals_out_both(self._place.memory):
                _write(self._place.memory, Setting("cgroup.subtree_control", "+cpu +memory"))
            limits = self.limit("probe", memory_mb=128)
        except OSError:
            return False
        try:
            limits.start_cpu_quota()
            return _can_join(limits.admission.procs_files)
        except OSError:
            return False
        finally:
            limits.close()


class CgroupLimits:
    """One sandbox's group."""

    def __init__(self, memory: Path, cpu: Path, cpu_quota: tuple[Setting, ...]) -> None:
        self._memory = memory
        self._cpu = cpu
        self._cpu_quota = cpu_quota

    @property
    def admission(self) -> Admission:
        """The launcher joins the group."""
        return Admission(procs_files=tuple(folder / "cgroup.procs" for folder in self._folders))

    @property
    def _folders(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((self._memory, self._cpu)))

    def create(self, memory_limit: tuple[Setting, ...]) -> None:
        """Make the folders and set the memory limit; there is no CPU quota yet. Raises ``OSError``."""
        for folder in self._folders:
            folder.mkdir()
        for setting in memory_limit:
            _write(self._memory, setting)

    def watch(self, pid: int) -> None:
        """Nothing to do: the process joins the group itself."""

    def start_cpu_quota(self) -> None:
        """Write the quota."""
        for setting in self._cpu_quota:
            _write(self._cpu, setting)

    def close(self) -> None:
        """End what still runs in the group, and remove it."""
        for folder in self._folders:
            _remove(folder)


def sweep_groups(root: Path = _ROOT) -> None:
    """Remove the groups of emulators that were killed, wherever they are, and end what still runs in them."""
    for parent, names, _ in os.walk(root):  # which passes over what vanishes meanwhile
        for name in names:
            if name.startswith(_PREFIX) and is_stale(name.removeprefix(_PREFIX)):
                _remove(Path(parent, name))


def _write(folder: Path, setting: Setting) -> None:
    """Write a setting as one write, never creating the file: a missing one means an unsupported setting."""
    try:
        descriptor = os.open(folder / setting.file, os.O_WRONLY)
    except OSError:
        if setting.optional:
            return
        raise
    try:
        os.write(descriptor, setting.value.encode())
    finally:
        os.close(descriptor)


def _can_join(procs_files: tuple[Path, ...]) -> bool:
    """Whether a process of ours can move itself into the group; a shell stands in for the launcher."""
    script = 'for file in "$@"; do echo 0 > "$file" || exit 1; done'
    command = ["/bin/sh", "-c", script, "sh", *map(str, procs_files)]
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def _remove(folder: Path) -> None:
    """Remove a group. The kernel refuses while a killed process is still on its way out, so try again."""
    for _ in range(_REMOVAL_TRIES):
        try:
            folder.rmdir()
        except (FileNotFoundError, PermissionError):  # the second: another user's
            return
        except OSError:
            _kill_members(folder)
            time.sleep(_REMOVAL_PAUSE_S)
        else:
            return


def _kill_members(folder: Path) -> None:
    """Kill what runs in a group: children that a function started in sessions of their own."""
    with suppress(OSError):
        for pid in map(int, (folder / "cgroup.procs").read_text().split()):
            # Version 2 shows a process of another PID namespace as 0, which kill takes for our own group.
            if pid > 0:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
