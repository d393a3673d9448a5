"""The contract in the reference's own words, over HTTP alone: nothing of Lookout is imported but the server's process.

Local execution: ``POST http://localhost:5001/object-detection``. Request ``{"id": "<UUID>", "image_data": "<base64
image>"}``; response ``{"id": "<UUID>", "objects": [{"label": "person", "accuracy": 0.98}, ...], "inference_time":
<milliseconds>}``. A client sends every image of a folder, prints the results and the average inference time.
"""

from __future__ import annotations

import base64
import json
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from helpers.program import run
from helpers.tiny import LABELS, make_pictures


def post(url: str, document: Any) -> Any:
    body = json.dumps(document).encode()
    request = urllib.request.Request(f"{url}/object-detection", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  on loopback
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        return json.load(response)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "images", 5)


def test_every_image_of_a_folder_is_answered_as_the_reference_says(served: str, folder: Path):
    inference_times = []
    for path in sorted(folder.iterdir()):
        request_id = str(uuid.uuid4())
        image_data = base64.b64encode(path.read_bytes()).decode()
        answer = post(served, {"id": request_id, "image_data": image_data})
        assert answer["id"] == request_id
        assert isinstance(answer["objects"], list)
        assert answer["objects"]
        for found in answer["objects"]:
            assert found["label"] in LABELS
            assert isinstance(found["accuracy"], float)
            assert 0 < found["accuracy"] <= 1
        assert isinstance(answer["inference_time"], float)
        inference_times.append(answer["inference_time"])
    assert all(0 < milliseconds < 60_000 for milliseconds in inference_times)


def test_the_server_is_where_the_reference_has_it():
    said = run("serve", "--help").stdout
    assert "/object-detection" in said
    assert "default: 5001" in " ".join(said.split())
