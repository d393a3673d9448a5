"""Requests that schemathesis makes up from the OpenAPI document: no 500, and no answer that is off its schema."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")
if not importlib.util.find_spec("schemathesis"):
    pytest.skip("schemathesis is not installed", allow_module_level=True)

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
EXAMPLES = 500 if "LOOKOUT_SOAK" in os.environ else 15


def test_made_up_requests_find_no_fault_and_no_answer_off_the_schema(served: str, tmp_path: Path):
    options = ["--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing"]
    run = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "run", f"{served}/openapi.json", "--no-color", *options],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert "Tested: 15" in run.stdout
