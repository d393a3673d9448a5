"""Functions get the CPU time that their memory buys, and all they want during init."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.quotas import Limiter, cpu_share

from .conftest import answer, invoke, limiter_or_skip, running_host

pytest.importorskip("awslambdaric")

Make = Callable[..., FunctionConfig]

_SECONDS = 1.2
_TRIES = 4


@pytest.fixture(scope="module", params=["cgroup v2", "cgroup v1", "sigstop"])
def throttling(request: pytest.FixtureRequest) -> Limiter:
    return limiter_or_skip(request.param)


def busy_share(host: FunctionHost, config: FunctionConfig) -> float:
    """The share of one CPU that a function gets for a busy loop."""
    return float(answer(invoke(host, config, _SECONDS))["handler"])


def test_share_follows_memory(throttling: Limiter, function: Make) -> None:
    small, large = (function("handlers.burn_both", memory_mb=mb, name=str(mb)) for mb in (512, 1769))
    with running_host(throttling) as host, running_host(limiter_or_skip("none")) as unlimited:
        for _ in range(_TRIES):  # others may want the CPU as well: what they leave is the most to expect
            left = busy_share(unlimited, large)
            got_small, got_large = busy_share(host, small), busy_share(host, large)
            assert got_small < cpu_share(512, 2) * 1.15
            expected = min(cpu_share(512, 2), left), min(1.0, left)
            if (got_small, got_large) == pytest.approx(expected, rel=0.2):
                break
        else:
            pytest.fail(f"{got_small:.3f} and {got_large:.3f} of a CPU, in place of {expected}")
        assert got_large / got_small == pytest.approx(expected[1] / expected[0], rel=0.4)


def test_init_has_a_whole_cpu(throttling: Limiter, function: Make) -> None:
    config = function("handlers.burn_both", memory_mb=192, environment={"BURN_IN_INIT": "1"})
    for _ in range(_TRIES):  # as above
        with running_host(throttling) as host:
            shares = answer(invoke(host, config, _SECONDS))
        if shares["init"] > 2 * shares["handler"]:
            break
    else:
        pytest.fail(f"{shares['init']:.3f} of a CPU in init, and {shares['handler']:.3f} after it")
