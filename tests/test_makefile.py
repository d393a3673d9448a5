"""What the Makefile's targets for AWS run; the other targets are run by whoever develops."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["lambda-setup", "MODEL=a b.cfg"], 'stack up --model "a b.cfg"'),
        (["lambda-setup", "GROUP=group41", "YES=1"], 'stack up --group "group41" --yes'),
        (["lambda-setup", "NAME=mine", "ROLE_ARN=arn:x"], 'stack up --name "mine" --role-arn "arn:x"'),
        # Which lookout refuses.
        (["lambda-setup", "NAME=mine", "GROUP=group41"], 'stack up --name "mine" --group "group41"'),
        (["lambda-teardown"], "stack down"),
        (["lambda-teardown", "GROUP=group41"], 'stack down --group "group41"'),
        (["lambda-teardown", "NAME=mine", "YES=1"], 'stack down --name "mine" --yes'),
    ],
)
def test_a_target_is_the_command_that_it_stands_for(arguments: list[str], command: str):
    make = shutil.which("make") or pytest.skip("there is no make")
    # As by hand, also where make itself runs the tests.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    command_line = [make, "-n", *arguments]
    answer = subprocess.run(command_line, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    last = " ".join(answer.stdout.splitlines()[-1].split())
    assert last.partition("/bin/lookout ")[2] == command
