"""One emulator for all tests of a stack's life; each makes stacks of its own name, and leaves none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

pytest.importorskip("ministack", reason="the extra emulator is not installed")
pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")

from botocore.loaders import create_loader

from helpers.program import Program
from helpers.stacks import inventory
from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.lifecycle import changes, deploying


@pytest.fixture(scope="session", autouse=True)
def read_descriptions_once() -> Iterator[None]:
    """Each session would read AWS's descriptions of its services anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session")
def stacks_variables() -> Iterator[dict[str, str]]:
    with Program("emulator", "--port", "0", "--json") as emulator:
        variables = emulator.ready()["environment"]
        yield variables
        assert inventory(account_of_emulator(variables)) == set()  # all tests together leave nothing


@pytest.fixture
def variables(stacks_variables: dict[str, str]) -> dict[str, str]:
    return stacks_variables


@pytest.fixture
def account(variables: dict[str, str]) -> Account:
    """A session of the test's own, which it may break; the account must be left as it was."""
    return account_of_emulator(variables)


@pytest.fixture
def use_template(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Deploy another template."""

    def use(body: str) -> None:
        for module in (changes, deploying):
            monkeypatch.setattr(module, "template_body", lambda: body)

    return use


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore waits before it tries again."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
