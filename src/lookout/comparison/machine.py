"""The machine that a run was measured on. Figures mean nothing without it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lookout
from lookout.engines import available_cores

_PACKAGES = (
    "lookout-vision",
    "numpy",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
    "boto3",
    "ministack",
)


def describe_machine() -> dict[str, object]:
    """CPU, cores that may be used, memory in MB, system, Python, Lookout's commit, and the packages that matter."""
    return {
        "cpu": _cpu(),
        "cores": available_cores(),
        "memory_mb": _memory_mb(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _commit(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def peak_memory_mb(pid: int) -> float | None:
    """The most memory that a process and its children have had, each its own most; None where the system does not tell.

    What several of them share (the interpreter's code, what a worker got from its parent) counts for each.
    """
    peaks_kb = [_peak_kb(one) for one in (pid, *_descendants(pid))]
    known = [peak_kb for peak_kb in peaks_kb if peak_kb is not None]
    return sum(known) / 1024 if known else None


def _peak_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:  # it ended, or the system has no such file
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text("utf-8").split()]
        except OSError:  # the thread ended
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def free_memory_mb() -> int | None:
    """The memory that programs could still get; None where the system does not tell."""
    info = Path("/proc/meminfo")
    if not info.is_file():
        return None
    lines = (line.split() for line in info.read_text("utf-8").splitlines())
    return next((int(words[1]) // 1024 for words in lines if words[:1] == ["MemAvailable:"]), None)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_mb() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    except (ValueError, OSError, AttributeError):  # not every system tells
        return None


def _commit() -> str | None:
    """The commit that Lookout runs from; None where it was installed, and its version says it."""
    return commit_of(Path(lookout.__file__).parents[2])


def commit_of(checkout: Path) -> str | None:
    """The commit that a folder has checked out, by git's files: a worktree's are elsewhere, old references packed."""
    git = checkout / ".git"
    try:
        if git.is_file():
            git = (checkout / git.read_text("utf-8").removeprefix("gitdir:").strip()).resolve()
        told = (git / "HEAD").read_text("utf-8").strip()
        name = told.removeprefix("ref: ")
        if name == told:
            return told
        shared = git / "commondir"
        common = git / shared.read_text("utf-8").strip() if shared.is_file() else git
        loose, packed = common / name, common / "packed-refs"
        if loose.is_file():
            return loose.read_text("utf-8").strip()
        lines = (line.partition(" ") for line in packed.read_text("utf-8").splitlines())
        return next((commit for commit, _, reference in lines if reference == name), None)
    except OSError:
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
