"""A state that is saved is whole, whenever the emulator is killed, and a save outlives no emulator."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import lookout
from helpers.program import wait_for
from lookout.cloud.emulator import data_folder
from lookout.cloud.emulator.journal import Journal

from .conftest import wait_for_end

SOURCE = str(Path(lookout.__file__).parent.parent)

# An emulator's parts, with a save that has no end.
SAVING = """
import os, socket, sys, threading
from pathlib import Path
from lookout.cloud.emulator import data_folder
from lookout.cloud.emulator.checkpoints import Checkpoints
from lookout.cloud.emulator.journal import Journal

folder, told = Path(sys.argv[1]), Path(sys.argv[2])

def save():
    draft = told.with_name("draft")
    draft.write_text(str(os.getpid()))
    draft.rename(told)
    threading.Event().wait()

with data_folder.locked(folder), socket.create_server(("127.0.0.1", 0)) as listener:
    checkpoints = Checkpoints(save, Journal(data_folder.events_file(folder)), shortest_pause_s=0.01)
    checkpoints.start()
    checkpoints.changed()
    print(listener.getsockname()[1], flush=True)
    threading.Event().wait()
"""


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="state is saved at the end alone")
def test_a_save_holds_nothing_of_its_emulator_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    data, told = tmp_path / "data", tmp_path / "told"
    command = [sys.executable, "-c", SAVING, str(data), str(told)]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": SOURCE}, stdout=subprocess.PIPE, text=True
    ) as emulator:
        assert emulator.stdout
        port = int(emulator.stdout.readline())
        wait_for(told.exists)
        saving = int(told.read_text())
        request.addfinalizer(lambda: end(saving))
        opened = {each.readlink() for each in Path(f"/proc/{saving}/fd").iterdir() if int(each.name) > 2}
        assert opened == set()
        emulator.kill()
        emulator.wait(30)
    wait_for_end(saving)
    monkeypatch.setattr(data_folder, "_PATIENCE_S", 0.0)
    with socket.create_server(("127.0.0.1", port)), data_folder.locked(data):
        pass


def state(folder: Path) -> dict[str, str]:
    return {file.stem: file.read_text() for file in (folder / "state").iterdir()}


def test_a_save_that_is_cut_off_changes_nothing(tmp_path: Path) -> None:
    old = {"a": "old", "b": "old", "of another service": "kept"}
    data_folder.keep_state(tmp_path, old.items())

    def documents():
        yield "a", "new"
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        data_folder.keep_state(tmp_path, documents())
    data_folder.settle_state(tmp_path)  # as the next emulator does
    assert state(tmp_path) == old
    data_folder.keep_state(tmp_path, [("a", "new"), ("b", "new")])
    assert state(tmp_path) == {**old, "a": "new", "b": "new"}
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_state_that_was_whole_gets_in_its_place(moved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_folder.keep_state(tmp_path, [("a", "old"), ("b", "old")])
    replaced: list[Path] = []
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if len(replaced) == moved:
            raise KeyboardInterrupt
        replaced.append(self)
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        patch.setattr(Path, "rmdir", lambda self: killed(self, self))
        data_folder.keep_state(tmp_path, [("a", "new"), ("b", "new")])
    data_folder.settle_state(tmp_path)
    assert state(tmp_path) == {"a": "new", "b": "new"}


# A function's code of before is there until a state without it is there.
CODE = """
import os, sys
from pathlib import Path
from lookout.cloud.emulator import EmulatorConfig, control_plane, data_folder
data = Path(sys.argv[1])
control_plane.configure(os.environ, "http://127.0.0.1:1", EmulatorConfig(data=data))
from ministack.services import lambda_svc
def save(code):
    lambda_svc._functions["f"] = {"config": {"FunctionName": "f"}, "code_zip": code}
    control_plane.save_state(data)
def kept():
    return {file.read_bytes() for file in (data / "state" / "lambda-blobs").iterdir()}
save(b"old")
if len(sys.argv) == 2:  # it is killed when all is written, and nothing in its place
    data_folder.settle_state = lambda data: os._exit(9 if kept() == {b"old", b"new"} else 8)
save(b"new")
assert kept() == {b"new"}, kept()
"""


@pytest.mark.parametrize(("more", "status"), [((), 9), (("whole",), 0)])
def test_code_goes_when_the_state_that_names_it_has_gone(more: tuple[str, ...], status: int, tmp_path: Path) -> None:
    pytest.importorskip("ministack")
    command = [sys.executable, "-c", CODE, str(tmp_path), *more]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": SOURCE}, check=False, capture_output=True)
    assert ended.returncode == status, ended.stderr.decode()


def test_events_that_cannot_be_forgotten_are_kept_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.db")
    journal.put("arn", b"1", 0.0)
    event = journal.take(1.0)
    assert event
    journal.finish(event)
    with pytest.raises(Exception, match="supported"):
        journal.forget([event.id, object()])  # type: ignore[list-item]  # in place of a disk that is full
    assert journal.finished() == [event.id]
    journal.forget([event.id])
    assert journal.finished() == []
    journal.close()
