"""Bytecode for a zip's Python files: Lambda can't keep what Python compiles, so it would be made at every cold start.

It is compiled in a process of its own, file by file in the order of their names, with fixed hashes and for the folder
that Lambda unpacks a zip into, so that the same files give the same bytecode wherever they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lookout.cloud.packages.pack import MadeMember, Member
from lookout.errors import PackageError

TASK_ROOT = "/var/task"


def compiled(members: Sequence[Member]) -> list[MadeMember]:
    """The bytecode of all Python files among the members, which this Python makes. Raises ``PackageError``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for member in members:
            if member.name.endswith(".py"):
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(member.read())
        # Unchecked: a file's time means nothing in a zip, and nobody changes files under /var/task.
        command = [sys.executable, "-S", "-B", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        command += ["-s", str(folder), "-p", TASK_ROOT, str(folder)]
        environment = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")}
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if answer.returncode:
            raise PackageError(f"the function's Python files can't be compiled: {answer.stdout[-500:].strip()}")
        files = sorted(folder.rglob("*.pyc"))
        return [MadeMember(path.relative_to(folder).as_posix(), path.read_bytes()) for path in files]
