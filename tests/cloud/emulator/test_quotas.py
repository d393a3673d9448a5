"""The arithmetic of limits, and where control groups are looked for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lookout.cloud.emulator import cgroups
from lookout.cloud.emulator.cgroups import Place, cpu_settings, memory_settings, places
from lookout.cloud.emulator.limits import choose_limiter, usable_limiters
from lookout.cloud.emulator.polling import TokenBucket
from lookout.cloud.emulator.quotas import cfs_quota, cpu_share
from lookout.cloud.emulator.workspace import mark, sweep_folders, workspace

from .conftest import limiter_or_skip, limiters, running_emulator


def test_share_is_memory_over_one_cpus_memory() -> None:
    assert cpu_share(512, cores=2) == pytest.approx(0.2894, abs=1e-4)
    assert cpu_share(1769, cores=2) == 1
    assert cpu_share(10240, cores=4) == 4


@pytest.mark.parametrize("memory_mb", [1, 64, 128, 512, 1769, 10240])
def test_quota_gives_the_share_and_the_kernel_takes_it(memory_mb: int) -> None:
    share = cpu_share(memory_mb, cores=8)
    quota_us, period_us = cfs_quota(share)
    assert quota_us >= 1000
    assert period_us >= 20_000
    assert quota_us / period_us == pytest.approx(share, rel=1e-3)


def test_settings_of_version_1() -> None:
    assert memory_settings(1, 1)[0].value == "1048576"
    assert [(s.file, s.value) for s in cpu_settings(1, 0.5)] == [
        ("cpu.cfs_period_us", "20000"),
        ("cpu.cfs_quota_us", "10000"),
    ]


def test_settings_of_version_2() -> None:
    assert [(s.file, s.value) for s in memory_settings(2, 1)] == [
        ("memory.max", "1048576"),
        ("memory.swap.max", "0"),
        ("memory.oom.group", "1"),
    ]
    assert [(s.file, s.value) for s in cpu_settings(2, 0.5)] == [("cpu.max", "10000 20000")]


def test_version_2_looks_at_its_own_group_and_at_ancestors_that_deal_out_both(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    own = tmp_path / "user.slice" / "app.slice" / "shell.scope"
    own.mkdir(parents=True)
    (own.parent / "cgroup.subtree_control").write_text("memory cpu pids\n")
    (own.parent.parent / "cgroup.subtree_control").write_text("memory pids\n")
    found = list(places("0::/user.slice/app.slice/shell.scope\n", tmp_path))
    assert found == [Place(2, own, own), Place(2, own.parent, own.parent)]


def test_version_1_looks_at_its_own_groups_then_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "cpu").mkdir()
    found = list(places("4:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/\n", tmp_path))
    assert found == [
        Place(1, tmp_path / "memory" / "docker/x", tmp_path / "cpu" / "docker/x"),
        Place(1, tmp_path / "memory", tmp_path / "cpu"),
    ]


def test_without_control_groups_there_is_no_place(tmp_path: Path) -> None:
    assert list(places("0::/\n", tmp_path)) == []


def test_a_group_outside_of_the_container_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    assert list(places("0::/../../other\n", tmp_path)) == [Place(2, tmp_path, tmp_path)]


def test_the_quota_is_written_when_it_starts(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("")
    limits = cgroups.CgroupLimits(tmp_path, tmp_path, cpu_settings(2, 0.5))
    assert limits.admission.procs_files == (tmp_path / "cgroup.procs",)
    assert (tmp_path / "cpu.max").read_text() == ""
    limits.start_cpu_quota()
    assert (tmp_path / "cpu.max").read_text() == "10000 20000"


def test_a_place_where_no_group_works_is_not_used(tmp_path: Path) -> None:
    # Plain folders: they can be made, but have none of the kernel's files.
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    assert cgroups.usable_cgroups(2, tmp_path) is None
    assert not list(tmp_path.glob("lookout-*"))


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_groups_of_dead_emulators_are_swept_wherever_they_are(tmp_path: Path, ended: int) -> None:
    stale = tmp_path / "cpu" / "session" / f"lookout-{ended}-12345-abc"
    reused = tmp_path / f"lookout-{os.getpid()}-12345-abc"  # another process had our number
    living = tmp_path / f"lookout-{mark(os.getpid())}-abc"
    others = [tmp_path / name for name in ("lookout-notes-12345-abc", f"lookout-{ended}-abc", f"other-{ended}-1-abc")]
    for folder in (stale, reused, living, *others):
        folder.mkdir(parents=True)
    cgroups.sweep_groups(tmp_path)
    assert not stale.exists()
    assert not reused.exists()
    assert all(folder.exists() for folder in (living, *others))


def test_folders_of_dead_emulators_are_swept(tmp_path: Path, ended: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with workspace() as living:
        stale = [tmp_path / f"lookout-emulator-{pid}-12345-abc" for pid in (ended, os.getpid())]
        for folder in stale:
            (folder / "code").mkdir(parents=True)
        sweep_folders()
        assert list(tmp_path.iterdir()) == [living]


def test_what_a_killed_emulator_left_is_swept_by_one_that_limits_no_cpu_time(ended: int) -> None:
    limiter = limiter_or_skip("cgroup v1") if "cgroup v1" in limiters() else limiter_or_skip("cgroup v2")
    assert isinstance(limiter, cgroups.CgroupLimiter)
    limits = limiter.limit("abc", 128)
    stale = []
    for file in limits.admission.procs_files:
        stale.append(file.parent.with_name(f"lookout-{ended}-12345-abc"))
        stale[-1].mkdir()
    limits.close()
    with running_emulator(cpu_limits=False) as emulator:
        assert emulator.endpoint
        assert not any(folder.exists() for folder in stale)
        emulator.stop()


def test_the_last_limiter_is_always_there() -> None:
    assert list(usable_limiters())[-1].name == "none"
    assert choose_limiter(cpu_limits=False).name == "none"
    assert choose_limiter().name == next(usable_limiters()).name


def test_tokens_come_with_time_and_go_with_use() -> None:
    bucket = TokenBucket(0.25, now_s=100.0, used_s=3.0)
    assert bucket.balance_s(now_s=100.0, used_s=3.0) == pytest.approx(0.005)
    assert bucket.balance_s(now_s=100.008, used_s=3.008) == pytest.approx(-0.001)
    pause_s = bucket.pause_s(-0.001)
    assert bucket.balance_s(now_s=100.008 + pause_s, used_s=3.008) == pytest.approx(bucket.refill_s)


def test_tokens_are_not_saved_up() -> None:
    bucket = TokenBucket(0.25, now_s=0.0, used_s=0.0)
    assert bucket.balance_s(now_s=60.0, used_s=0.0) <= 2 * bucket.refill_s


def test_a_group_that_holds_processes_of_elsewhere_kills_nobody_here(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("0\n")  # how version 2 shows those of another PID namespace
    cgroups._kill_members(tmp_path)  # would be our own process group's end
