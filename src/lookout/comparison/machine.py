"""The machine that a run was measured on. Figures mean nothing without it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    """CPU, cores that may be used, memory in MB, system, Python, and the packages that matter."""
    return {
        "cpu": _cpu(),
        "cores": available_cores(),
        "memory_mb": _memory_mb(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


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


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
