"""Limits of Lambda and of packages: the decisions by tables, the answers as AWS gives them."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.stubbed import stubbed
from lookout.cloud.preflight.check import Denied, Package, Wanted
from lookout.cloud.preflight.package import judge_package
from lookout.cloud.preflight.quotas import Quotas, judge_quotas, look_at_quotas
from lookout.cloud.template import Names, StackSettings

MB, GB = 1024**2, 1024**3
ANY = Package()
USUAL = Quotas(1000, 1000, 75 * GB, GB, 250 * MB)
NEW = Quotas(10, 10, 75 * GB, 0, 250 * MB)
SETTINGS = {
    "AccountLimit": {
        "TotalCodeSize": 75 * GB,
        "CodeSizeUnzipped": 250 * MB,
        "CodeSizeZipped": 50 * MB,
        "ConcurrentExecutions": 1000,
        "UnreservedConcurrentExecutions": 900,
    },
    "AccountUsage": {"TotalCodeSize": 5, "FunctionCount": 1},
}


def wanted(memory_mb: int = 512, reserved: int | None = None, package: Package = ANY) -> Wanted:
    settings = StackSettings(names=Names.of("mine"), memory_mb=memory_mb, reserved_concurrency=reserved)
    return Wanted(settings, package)


def states(asked: Wanted, quotas: Quotas | None) -> dict[str, str]:
    return {check.name: check.state for check in judge_quotas(asked, quotas)}


@pytest.mark.parametrize(
    ("asked", "quotas", "expected"),
    [
        (wanted(), USUAL, {"concurrency": "ok", "memory": "ok"}),
        (wanted(), NEW, {"concurrency": "warning", "memory": "ok"}),
        (wanted(3008), NEW, {"concurrency": "warning", "memory": "ok"}),
        (wanted(3009), NEW, {"concurrency": "warning", "memory": "warning"}),
        (wanted(10240), USUAL, {"concurrency": "ok", "memory": "ok"}),
        (wanted(reserved=900), USUAL, {"concurrency": "ok", "memory": "ok"}),
        (wanted(reserved=901), USUAL, {"concurrency": "failed", "memory": "ok"}),
        (wanted(reserved=1), NEW, {"concurrency": "failed", "memory": "ok"}),
        # What this function has reserved already can be used for it again.
        (
            wanted(reserved=300),
            replace(USUAL, unreserved=100, reserved_before=300),
            {"concurrency": "ok", "memory": "ok"},
        ),
        (
            wanted(reserved=301),
            replace(USUAL, unreserved=100, reserved_before=300),
            {"concurrency": "failed", "memory": "ok"},
        ),
        (wanted(), None, {"quotas": "warning"}),
        (
            wanted(package=Package("zip", size_bytes=60 * MB)),
            replace(USUAL, code_used_bytes=75 * GB - 50 * MB),
            {"concurrency": "ok", "memory": "ok", "code storage": "failed"},
        ),
        (
            wanted(package=Package("zip", size_bytes=60 * MB)),
            USUAL,
            {"concurrency": "ok", "memory": "ok", "code storage": "ok"},
        ),
        # Images are kept by ECR.
        (wanted(package=Package("image", size_bytes=60 * GB)), USUAL, {"concurrency": "ok", "memory": "ok"}),
    ],
)
def test_what_limits_mean(asked: Wanted, quotas: Quotas | None, expected: dict[str, str]):
    assert states(asked, quotas) == expected


@pytest.mark.parametrize(
    ("reserved", "quotas", "words"),
    [
        (950, USUAL, "reserve 900 at most, or ask for more"),
        (1, NEW, "reserve none, or ask for more"),
    ],
)
def test_too_much_reserved_says_how_much_may_be(reserved: int, quotas: Quotas, words: str):
    (failed,) = (check for check in judge_quotas(wanted(reserved=reserved), quotas) if check.state == "failed")
    assert words in failed.remedy


def test_limits_are_read_as_aws_gives_them():
    missing = ("get_function_concurrency", ("ResourceNotFoundException", 404))
    functions = stubbed("lambda", ("get_account_settings", SETTINGS), missing)
    assert look_at_quotas(functions, "mine") == Quotas(1000, 900, 75 * GB, 5, 250 * MB, 0)
    has = ("get_function_concurrency", {"ReservedConcurrentExecutions": 100})
    assert look_at_quotas(stubbed("lambda", ("get_account_settings", SETTINGS), has), "mine").reserved_before == 100


def test_limits_that_may_not_be_read():
    with pytest.raises(Denied):
        look_at_quotas(stubbed("lambda", ("get_account_settings", ("AccessDeniedException", 403))), "mine")


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (Package(), []),
        (Package("image", tool_fault="no tool"), [("container tool", "failed")]),
        (Package("image", "podman"), [("container tool", "ok")]),
        (Package("image", "podman", 10 * GB), [("container tool", "ok"), ("package size", "ok")]),
        (Package("image", "podman", 10 * GB + 1), [("container tool", "ok"), ("package size", "failed")]),
        (Package("zip"), []),
        (Package("zip", None, 60 * MB, 250 * MB), [("package size", "ok")]),
        (Package("zip", None, 60 * MB, 250 * MB + 1), [("package size", "failed")]),
    ],
)
def test_packages(package: Package, expected: list):
    assert [(check.name, check.state) for check in judge_package(package)] == expected


def test_a_zip_that_is_a_byte_too_large_says_so_in_whole_megabytes():
    (check,) = judge_package(Package("zip", None, 60 * MB, 250 * MB + 1))
    assert check.found == "unpacked the zip has 251 MB, and Lambda takes 250"
    assert "--package image" in check.remedy
