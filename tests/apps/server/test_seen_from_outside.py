"""Metrics, logs and headers: what operators see."""

from __future__ import annotations

import json
import logging
import math
import sys
from pathlib import Path

import pytest

pytest.importorskip("gunicorn", reason="the extra server is not installed")

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from helpers.program import Program, run
from helpers.service import service_of
from helpers.tiny import CONFIDENCE, make_model, make_picture
from lookout.apps.server import logs
from lookout.apps.server.app import create_app
from lookout.apps.server.config import ServerConfig
from lookout.detector import Detector

PICTURE = make_picture(1)
JPEG = {"Content-Type": "image/jpeg"}
STAGES = {"queue", "decode", "preprocess", "inference", "postprocess"}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, float], list[dict], int]:
    """The metrics and the log of a server that three images, and what is none, were sent to; and the objects found."""
    folder = tmp_path_factory.mktemp("asked")
    options = ("--port", "0", "--json", "--confidence", str(CONFIDENCE), "--log-format", "json")
    with Program("serve", "--model", str(make_model(folder)), *options, stderr=folder / "log") as server:
        url = server.ready()["url"]
        found = 0
        for number in range(3):
            headers = {**JPEG, "X-Request-ID": f"r{number}"}
            answer = urllib3.request("POST", f"{url}/object-detection", body=PICTURE, headers=headers)
            found += len(answer.json()["objects"])
        urllib3.request("POST", f"{url}/object-detection", body=b"hello", headers=JPEG)
        urllib3.request("GET", f"{url}/nowhere\x1b[2J")
        text = urllib3.request("GET", f"{url}/metrics").data.decode()
        server.stop()
    samples = {
        sample.name + "".join(f",{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return samples, [json.loads(line) for line in (folder / "log").read_text().splitlines()], found


def test_metrics_count_and_time_what_was_done(asked: tuple[dict[str, float], list[dict], int]):
    samples, _, found = asked
    assert samples["lookout_images_total,model=tiny"] == 3
    detections = {name: value for name, value in samples.items() if name.startswith("lookout_detections_total,")}
    assert sum(detections.values()) == found > 0
    assert samples["lookout_errors_total,kind=ImageError,model=tiny"] == 1
    assert samples["lookout_request_duration_seconds_count,model=tiny"] == 3
    for stage in STAGES:
        assert samples[f"lookout_stage_duration_seconds_count,model=tiny,stage={stage}"] == 3
    whole = samples["lookout_request_duration_seconds_sum,model=tiny"]
    stages = sum(samples[f"lookout_stage_duration_seconds_sum,model=tiny,stage={stage}"] for stage in STAGES)
    assert 0 < stages <= whole
    assert samples["lookout_queue_length,model=tiny"] == 0
    assert samples["lookout_requests_in_flight,model=tiny"] == 0
    assert samples["process_resident_memory_bytes"] > 1e6


def test_metrics_keep_the_rules_for_names(asked: tuple[dict[str, float], list[dict], int]):
    """Units are base units and stand in the name; counters end in _total; every metric of ours names its model."""
    for name in asked[0]:
        metric = name.split(",")[0]
        if metric.startswith("lookout_") and not metric.endswith("_created"):  # the library's own
            assert metric.endswith(
                ("_seconds_bucket", "_seconds_sum", "_seconds_count", "_total", "_length", "_flight")
            )
            assert "model=tiny" in name
    assert all(math.isfinite(value) for value in asked[0].values())


def test_the_log_has_a_json_object_a_request(asked: tuple[dict[str, float], list[dict], int]):
    requests = [entry for entry in asked[1] if entry["event"] == "request"]
    assert [entry["status"] for entry in requests] == [200, 200, 200, 422, 404, 200]
    assert [entry["request_id"] for entry in requests[:3]] == ["r0", "r1", "r2"]
    for entry in requests:
        assert entry["level"] == "info"
        assert entry["client"] == "127.0.0.1"
        assert entry["elapsed_ms"] > 0
        assert entry["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_log_line_is_one_line_whatever_it_holds(form: str, capfd: pytest.CaptureFixture[str]):
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        logs.configure(form, "info")
        logs.logger("test").info("request", path="/a\nb\x1b[2J", status=200)
        logging.getLogger("other").warning("of a library: %s", 7)
    finally:
        root.handlers[:], root.level = kept, level
    written = capfd.readouterr().err
    assert written.count("\n") == 2
    assert "\x1b[2J" not in written
    assert "of a library: 7" in written
    if form == "json":
        assert json.loads(written.splitlines()[0])["path"] == "/a\nb\x1b[2J"


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_variables(form: str, capfd: pytest.CaptureFixture[str]):
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    secret = "s3" + "cret"  # so that it doesn't stand in this line
    try:
        logs.configure(form, "info")
        raise ZeroDivisionError(f"with a key of {len(secret)}")
    except ZeroDivisionError as error:
        logs.logger("test").error("failed", exc_info=error)
    finally:
        root.handlers[:], root.level = kept, level
    written = capfd.readouterr().err
    assert "with a key of 6" in written
    assert secret not in written
    assert secret not in repr(ServerConfig(api_key=secret))


@pytest.mark.parametrize("key", ["schl\u00fcssel", "abc\n", " ", "a\tb"])
def test_a_key_that_no_client_can_send_is_refused_at_the_start(key: str, tmp_path: Path):
    answer = run("serve", "--model", str(make_model(tmp_path)), "--port", "0", LOOKOUT_API_KEY=key)
    assert (answer.returncode, "the key can't be sent" in answer.stderr) == (2, True)


def test_server_timing_tells_a_browser_of_the_stages(detector: Detector):
    answer = create_app(service_of(detector)).test_client().post("/object-detection", data=PICTURE, headers=JPEG)
    timings = dict(entry.split(";dur=") for entry in answer.headers["Server-Timing"].split(", "))
    assert set(timings) == STAGES
    assert float(timings["inference"]) == answer.json["inference_time"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "camera.local"])  # noqa: S104  to be refused
def test_others_are_let_near_only_with_a_key(host: str, tmp_path: Path):
    answer = run("serve", "--model", str(make_model(tmp_path)), "--host", host, "--port", "0", LOOKOUT_API_KEY="")
    assert answer.returncode == 2
    assert "LOOKOUT_API_KEY" in answer.stderr
    assert "--no-auth" in answer.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="listens on every address")
@pytest.mark.parametrize(("options", "key", "status"), [(["--no-auth"], "", 200), ([], "s3cret", 401)])
def test_others_are_let_near_as_was_said(options: list[str], key: str, status: int, tmp_path: Path):
    model = ("--model", str(make_model(tmp_path)))
    everywhere = ("--host", "0.0.0.0", "--port", "0")  # noqa: S104  the test's purpose
    with Program("serve", *model, *everywhere, "--json", *options, LOOKOUT_API_KEY=key) as server:
        url = server.ready()["url"].replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        answer = urllib3.request("POST", f"{url}/object-detection", body=PICTURE, headers=JPEG)
        assert answer.status == status
        server.stop()
        assert key == "" or key not in server.process.stderr.read().decode()
