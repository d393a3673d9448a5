"""An emulator for all tests of packages, and models to put into them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.program import Program
from helpers.tiny import make_model
from lookout.cloud.account import Account, account_of_emulator
from lookout.models.store import load_model


@pytest.fixture(scope="package")
def variables() -> Iterator[dict[str, str]]:
    pytest.importorskip("ministack", reason="the extra emulator is not installed")
    pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")
    with Program("emulator", "--port", "0", "--json") as emulator:
        yield emulator.ready()["environment"]


@pytest.fixture(scope="package")
def account(variables: dict[str, str]) -> Account:
    return account_of_emulator(variables)


@pytest.fixture(scope="package")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_model(make_model(tmp_path_factory.mktemp("model"))).folder
