"""Offloading, end to end: real processes, the emulator, the stack on it, and AWS's own client library."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("ministack", reason="the extra emulator is not installed")
pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")

from helpers.program import Program, run, wait_for
from helpers.shared import shared
from helpers.tiny import CONFIDENCE, make_model, make_picture, make_pictures
from lookout.cloud.account import account_of_emulator
from lookout.cloud.stack import Deployment, Stack
from lookout.comparison.results import read_runs
from lookout.comparison.stages import unexplained_ms

THRESHOLD = ("--confidence", str(CONFIDENCE))
# What must never reach the emulator, nor a function on it.
REAL_KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
    "AWS_SECRET_ACCESS_KEY": "real-secret",
    "AWS_SESSION_TOKEN": "real-token",
    "AWS_PROFILE": "no-such-profile",
}


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 5)


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    """The variables of a running emulator."""
    with Program("emulator", "--port", "0", "--json") as emulator:
        yield emulator.ready()["environment"]


@pytest.fixture(scope="module")
def deployed(variables: dict[str, str], cfg: Path) -> Deployment:
    answer = run("stack", "up", "--model", str(cfg), "--yes", *THRESHOLD, **variables)
    assert answer.returncode == 0, answer.stderr
    return Stack(account_of_emulator(variables), "lookout").find()


@pytest.mark.parametrize("execution", ["remote", "direct"])
def test_offloaded_images_get_the_objects_that_the_detector_finds_here(
    execution: str, deployed: Deployment, variables: dict[str, str], cfg: Path, pictures: Path
):
    away = run("send", str(pictures), "--execution", execution, "--json", **variables)
    assert away.returncode == 0, away.stderr
    here = run("detect", str(pictures), "--model", str(cfg), "--json", *THRESHOLD)
    *sent, summary = (json.loads(line) for line in away.stdout.splitlines())
    assert [s["objects"] for s in sent] == [json.loads(line)["objects"] for line in here.stdout.splitlines()]
    assert all(len(s["objects"]) > 3 for s in sent)
    assert (summary["summary"]["average_transfer_time"] is not None) == (execution == "remote")
    assert summary["summary"]["emulated"] is True


def test_a_profile_may_name_the_emulator(deployed: Deployment, variables: dict, pictures: Path, tmp_path: Path):
    (tmp_path / "config").write_text(
        f"[default]\nendpoint_url = {variables['AWS_ENDPOINT_URL']}\nregion = {variables['AWS_REGION']}\n"
    )
    environment = {**variables, "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_ENDPOINT_URL": "", "AWS_REGION": ""}
    answer = run("send", str(pictures / "0.jpg"), "--execution", "remote", **environment)
    assert answer.returncode == 0, answer.stderr
    assert "Emulated" in answer.stdout


def test_a_function_that_cannot_start_ends_the_run_with_its_reason(variables: dict, cfg: Path, pictures: Path):
    run("stack", "up", "--name", "broken", "--model", str(cfg), "--yes", **variables)
    account = account_of_emulator(variables)
    settings = account.functions.get_function_configuration(FunctionName="broken")["Environment"]["Variables"]
    changed = {"Variables": {**settings, "LOOKOUT_MODEL": "/nowhere"}}
    account.functions.update_function_configuration(FunctionName="broken", Environment=changed)
    broken = ("--stack", "broken", "--concurrency", "5")
    answer = run("send", str(pictures), "--execution", "remote", *broken, **variables)
    assert answer.returncode == 1
    assert "/nowhere holds no readable model" in answer.stderr
    assert run("stack", "down", "--name", "broken", "--yes", **variables).returncode == 0


def test_the_item_is_laid_out_as_designed(deployed: Deployment, variables: dict[str, str], tmp_path: Path):
    account = account_of_emulator(variables)
    name = "zwei Wörter+1%.jpg"
    (tmp_path / name).write_bytes(make_picture(1))
    answer = run("send", str(tmp_path / name), "--execution", "remote", "--json", **variables)
    objects = json.loads(answer.stdout.splitlines()[0])["objects"]
    items = account.dynamodb.scan(TableName=deployed.table)["Items"]
    (item,) = (item for item in items if item["image-url"]["S"].endswith("/zwei%20W%C3%B6rter%2B1%25.jpg"))
    assert item["image-url"]["S"].startswith(f"https://{deployed.bucket}.s3.amazonaws.com/images/")
    labels = {entry["label"] for entry in objects}
    assert set(item) == {"image-url", "lookout", *labels}
    assert item["lookout"]["M"]["status"] == {"S": "done"}
    for label in labels:
        assert float(item[label]["N"]) == max(o["accuracy"] for o in objects if o["label"] == label)


def test_an_object_of_any_key_is_detected(deployed: Deployment, variables: dict[str, str]):
    account = account_of_emulator(variables)
    account.s3.put_object(Bucket=deployed.bucket, Key="elsewhere.jpg", Body=make_picture(3))
    key = {"image-url": {"S": f"https://{deployed.bucket}.s3.amazonaws.com/elsewhere.jpg"}}
    table = account.dynamodb

    def status() -> object:
        item = table.get_item(TableName=deployed.table, Key=key, ConsistentRead=True).get("Item")
        return item and item["lookout"]["M"]["status"]

    wait_for(lambda: status() == {"S": "done"})


@pytest.mark.parametrize("execution", ["remote", "direct"])
def test_a_bad_image_fails_by_name_and_stops_no_other(
    execution: str, deployed: Deployment, variables: dict[str, str], tmp_path: Path
):
    folder = make_pictures(tmp_path, 2)
    (folder / "0a.jpg").write_text("hello")
    answer = run("send", str(folder), "--execution", execution, "--json", **variables)
    assert answer.returncode == 1
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert ["error" in line for line in lines] == [False, True, False, False]
    assert "not an image" in lines[1]["error"]


def test_up_again_changes_nothing_and_then_the_memory(deployed: Deployment, variables: dict[str, str], cfg: Path):
    account = account_of_emulator(variables)
    up = ("stack", "up", "--model", str(cfg), "--yes", *THRESHOLD)
    assert run(*up, **variables).returncode == 0
    assert run(*up, "--memory", "1024", "--timeout", "20", **variables).returncode == 0
    function = account.functions.get_function_configuration(FunctionName=deployed.function)
    assert (function["MemorySize"], function["Timeout"]) == (1024, 20)
    assert run(*up, **variables).returncode == 0


def test_a_stack_goes_with_its_images_and_once_gone_stays_gone(variables: dict[str, str], cfg: Path, pictures: Path):
    account = account_of_emulator(variables)
    run("stack", "up", "--name", "other", "--model", str(cfg), "--yes", **variables)
    deployment = Stack(account, "other").find()
    account.s3.put_object(Bucket=deployment.bucket, Key="left.jpg", Body=b"x")
    asked = run("stack", "down", "--name", "other", **variables)  # nobody is there to say yes
    assert asked.returncode == 2
    assert run("stack", "down", "--name", "other", "--yes", **variables).returncode == 0
    buckets = [bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]]
    assert deployment.bucket not in buckets
    assert deployment.table not in account.dynamodb.list_tables()["TableNames"]
    functions = [function["FunctionName"] for function in account.functions.list_functions()["Functions"]]
    assert deployment.function not in functions
    again = run("stack", "down", "--name", "other", "--yes", **variables)
    assert again.returncode == 0
    assert "no stack other" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "changes", "status", "words"),
    [
        (("send", "{pictures}", "--execution", "remote", "--stack", "none"), {}, 1, "there is no stack none"),
        (("stack", "up", "--yes", "--offline", "--name", "new"), {}, 1, "yolov3-tiny"),
        (("stack", "down", "--yes", "--name", ""), {}, 2, "a stack can't be called ''"),
        (("send", "{pictures}", "--execution", "remote", "--stack", ""), {}, 2, "the stack's name is empty"),
        (("stack", "up", "--yes", "--name", "Not_A_Name", "--model", "{cfg}"), {}, 2, "Not_A_Name"),
        (("stack", "down"), {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, 1, "AWS_REGION"),
        (("stack", "down"), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "start lookout emulator"),
        (("stack", "down"), {"AWS_ENDPOINT_URL": "127.0.0.1:4566"}, 1, "no web address"),
        (("stack", "down"), {"AWS_PROFILE": "nobody"}, 1, "nobody"),
    ],
)
def test_bad_settings_get_one_clear_sentence(
    arguments: tuple[str, ...], changes: dict[str, str], status: int, words: str, variables, cfg, pictures
):
    environment = {**variables, **changes}
    answer = run(*(a.format(cfg=cfg, pictures=pictures) for a in arguments), **environment)
    assert answer.returncode == status, answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_stack_of_ones_own_is_tuned_on_request_and_gets_its_memory_back(
    deployed: Deployment, variables: dict[str, str], cfg: Path, pictures: Path, tmp_path: Path
):
    functions = account_of_emulator(variables).functions
    before = functions.get_function_configuration(FunctionName=deployed.function)["MemorySize"]
    asked = (
        "tune", str(pictures), "--model", str(cfg), "--cloud", "aws", "--memories", "1536,1769", "--each", "2",
        "--out", str(tmp_path), "--json", *THRESHOLD,
    )  # fmt: skip
    answer = run(*asked, **variables)
    assert (answer.returncode, "say --yes" in answer.stderr) == (2, True)
    answer = run(*asked, "--yes", **variables)
    assert answer.returncode == 0, answer.stderr
    (run_,) = read_runs([tmp_path])
    used = [{s.invocation.memory_mb for s in point.samples} for point in run_.points]
    assert used == [{1769}, {1536}]
    assert functions.get_function_configuration(FunctionName=deployed.function)["MemorySize"] == before


@pytest.fixture
def world(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with a mark that all processes of a comparison carry, and a check that none is left."""
    before = cgroups()  # of other runs beside this one
    yield {"XDG_CACHE_HOME": str(tmp_path / "cache"), **REAL_KEYS}
    assert processes_with(str(tmp_path / "cache")) == []
    assert cgroups() <= before


def processes_with(mark: str) -> list[str]:
    """The processes that carry the mark in their environment, by /proc."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes():
                found.append(environ.parent.joinpath("cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended in between
            continue
    return found


def cgroups() -> set[Path]:
    """The control groups of emulators that no longer run: ``lookout-<pid>-<sandbox>``."""
    found = set()
    for folder, folders, _ in os.walk("/sys/fs/cgroup"):  # which passes over what vanishes meanwhile
        groups = [name for name in folders if name.startswith("lookout-")]
        found |= {Path(folder, name) for name in groups if not Path("/proc", name.split("-")[1]).exists()}
    return found


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def compare(pictures: Path, cfg: Path, out: Path, *more: str) -> tuple[str, ...]:
    return ("compare", str(pictures), "--model", str(cfg), "--json", "--out", str(out), *THRESHOLD, *more)


def test_a_comparison_over_a_slow_network_is_never_faster_than_it(
    world: dict, cfg: Path, pictures: Path, tmp_path: Path
):
    few = ("--executions", "in-process,local,remote,direct", "--network", "60,100,100")
    answer = run(*compare(pictures, cfg, tmp_path / "out", *few), **world)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["network"] == {"name": "60,100,100", "rtt_ms": 60, "up_mbit_s": 100, "down_mbit_s": 100}
    least_ms = {row["task"]: row["min"] for row in report["rows"] if row["unit"] == "ms" and row["n"]}
    assert least_ms["In-process execution"] < 60 <= least_ms["Local execution"]
    assert least_ms["Remote image upload"] >= 60
    assert least_ms["Remote, end to end"] >= 120  # the upload, and one look at least
    assert least_ms["Direct, end to end"] >= 60
    assert report["agreement"]["identical"] == report["agreement"]["images"] > 0


@pytest.mark.parametrize("more", [("--rate", "50"), ("--concurrency", "3")])
def test_a_comparison_under_load_answers_each_image(
    more: tuple[str, str], world: dict, cfg: Path, pictures: Path, tmp_path: Path
):
    answer = run(*compare(pictures, cfg, tmp_path / "out", "--executions", "local,direct", *more), **world)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["agreement"] == {"images": 5, "identical": 5}
    (run_,) = read_runs([tmp_path / "out"])
    measured = [sample for sample in run_.points[0].samples if not sample.warm_up]
    assert len(measured) == 10
    assert all((sample.scheduled is not None) == (more[0] == "--rate") for sample in measured)


def test_a_network_that_is_none_and_one_to_aws_are_refused(world: dict, cfg: Path, pictures: Path, tmp_path: Path):
    for more, words in [
        (("--network", "7g"), "'7g' is no network"),
        (("--network", "4g", "--cloud", "aws"), "AWS is"),
        (("--rate", "3", "--concurrency", "2"), "--concurrency and --rate: images come at a rate, so many at a time"),
    ]:
        answer = run(*compare(pictures, cfg, tmp_path / "out", *more), **world)
        assert (answer.returncode, words in answer.stderr) == (2, True), answer.stderr


@needs_proc
def test_compare_measures_all_executions_and_leaves_nothing(world: dict, cfg: Path, pictures: Path, tmp_path: Path):
    answer = run(*compare(pictures, cfg, tmp_path / "out", "--executions", "in-process,local,remote,direct"), **world)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    rows = {(row["task"], row["metric"]): row for row in report["rows"]}
    # While the remote execution's sandbox is still finishing, a direct call gets one of its own.
    cold = {name: rows.get((f"{name} cold start", "Duration"), {"n": 0})["n"] for name in ("Local", "Remote", "Direct")}
    for task, metric in [
        ("Local execution", "Duration"),
        ("Remote image upload", "Duration"),
        ("Remote execution", "Duration"),
        ("Remote execution", "Memory used"),
        ("Remote, end to end", "Duration"),
        ("Direct execution", "Duration"),
        ("Direct execution", "Memory used"),
        ("Direct, end to end", "Duration"),
    ]:
        row = rows[task, metric]
        assert 5 - cold[task.replace(",", "").split()[0]] <= row["n"] <= 5  # those of the warm-up are not of the five
        assert 0 < row["min"] <= row["p50"] <= row["p95"] <= row["max"]
    assert report["cold_starts"] == sum(cold.values())
    assert 1 <= report["cold_starts"] <= 3
    for name in ("Remote", "Direct"):
        assert rows.get((f"{name} cold start", "Init duration"), {"n": 0})["n"] == cold[name]
    (run_,) = read_runs([tmp_path / "out"])
    (point,) = run_.points
    assert all(sample.invocation.duration_ms <= sample.answer.elapsed_ms for sample in point.of("direct"))
    assert len({sample.invocation.request_id for sample in point.samples if sample.invocation}) == 14
    assert run_.is_complete
    assert json.loads((tmp_path / "out" / "environment.json").read_text())["run"] == run_.id
    for execution in ("in-process", "local", "remote", "direct"):
        known = [sample for sample in point.of(execution) if sample.is_warm]
        unexplained = sum(unexplained_ms(sample) for sample in known) / sum(sample.latency_ms for sample in known)
        assert abs(unexplained) < 0.02 or execution == "in-process"  # of a picture of 2 ms the clock itself is more
    assert report["agreement"] == {"images": 5, "identical": 5}
    assert (report["emulated"], report["failures"], report["unreported"]) == (True, [], 0)
    assert report["machine"]["cores"] >= 1
    assert "is fastest: " in report["answer"][0]
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name.startswith("report")}
    assert {path.name for path in map(Path, report["report"])} == set(written)
    again = run("report", str(tmp_path / "out" / "samples.jsonl"), "--out", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == written


@needs_proc
def test_a_bad_image_is_a_failure_in_the_report_and_in_the_samples(world: dict, cfg: Path, tmp_path: Path):
    folder = make_pictures(tmp_path / "mixed", 2)
    (folder / "bad.jpg").write_bytes(make_picture(1)[:-300])
    answer = run(*compare(folder, cfg, tmp_path / "out"), **world)
    assert answer.returncode == 1
    report = json.loads(answer.stdout)
    assert sorted((f["execution"], Path(f["image"]).name) for f in report["failures"]) == [
        ("local", "bad.jpg"),
        ("remote", "bad.jpg"),
    ]
    assert report["agreement"] == {"images": 2, "identical": 2}
    lines = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    bad = [line for line in lines if line.get("image", "").endswith("bad.jpg")]
    assert len(bad) == 2
    assert all("truncated" in line["error"] and "objects" not in line for line in bad)


@needs_proc
def test_an_image_too_large_for_a_direct_call_fails_there_alone(world: dict, cfg: Path, tmp_path: Path):
    folder = make_pictures(tmp_path / "mixed", 1)
    (folder / "large.jpg").write_bytes(make_picture(1) + bytes(5 * 1024 * 1024))
    answer = run(*compare(folder, cfg, tmp_path / "out", "--executions", "remote,direct"), **world)
    assert answer.returncode == 1
    (failure,) = json.loads(answer.stdout)["failures"]
    assert (failure["execution"], Path(failure["image"]).name) == ("direct", "large.jpg")
    assert "use the execution remote" in failure["error"]


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_comparison_that_is_cut_off_leaves_nothing(
    number: int, world: dict, cfg: Path, pictures: Path, tmp_path: Path
):
    many = make_pictures(tmp_path / "many", 300)
    samples = tmp_path / "out" / "samples.jsonl"
    with Program(*compare(many, cfg, tmp_path / "out"), **world) as program:
        program.wait_for(lambda: samples.is_file() and len(samples.read_text().splitlines()) > 3)
        status = program.stop(number)
    assert status == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    if number == signal.SIGKILL:
        wait_for(lambda: not processes_with(world["XDG_CACHE_HOME"]))
    (run_,) = read_runs([samples])
    assert not run_.is_complete
    assert {sample.execution for sample in run_.points[0].samples} == {"local", "remote"}
    if number != signal.SIGKILL:  # it asks for their reports before it ends
        assert any(sample.invocation for sample in run_.points[0].samples)
    else:
        answer = run("report", str(tmp_path / "out"))
        assert answer.returncode == 0, answer.stderr
        assert "ended before its end" in (tmp_path / "out" / "report.md").read_text()


def test_tune_recommends_a_memory(world: dict, cfg: Path, pictures: Path, tmp_path: Path):
    answer = run(
        "tune", str(pictures), "--model", str(cfg), "--memories", "1024,512,1769", "--each", "3", "--deadline", "9000",
        "--out", str(tmp_path / "out"), "--json", **world,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert set(report["recommended_memory_mb"]) == {"cheapest", "fastest", "balanced", "deadline 9000 ms"}
    (run_,) = read_runs([tmp_path / "out"])
    assert [point.condition.memory_mb for point in run_.points] == [1769, 1024, 512]
    assert all({s.invocation.memory_mb for s in p.samples} == {p.condition.memory_mb} for p in run_.points)
    assert "Memory" in (tmp_path / "out" / "report.md").read_text()


@needs_proc
@pytest.mark.parametrize("victim", ["serve", "emulator"])
def test_a_comparison_whose_child_dies_ends_with_a_sentence_and_leaves_nothing(
    victim: str, world: dict, cfg: Path, tmp_path: Path
):
    many = make_pictures(tmp_path / "many", 300)
    samples = tmp_path / "out" / "samples.jsonl"
    with Program(*compare(many, cfg, tmp_path / "out"), **world) as program:
        program.wait_for(lambda: samples.is_file() and len(samples.read_text().splitlines()) > 3)
        os.kill(child(program.process.pid, victim), signal.SIGKILL)
        _, errors = program.process.communicate(timeout=120)
    assert program.process.returncode == 1
    last = errors.decode().strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert "Traceback" not in errors.decode()


@needs_proc
def test_no_real_key_reaches_the_emulator_or_its_functions(world: dict, cfg: Path, tmp_path: Path):
    many = make_pictures(tmp_path / "many", 300)
    samples = tmp_path / "out" / "samples.jsonl"
    with Program(*compare(many, cfg, tmp_path / "out"), **world) as program:
        program.wait_for(lambda: samples.is_file() and len(samples.read_text().splitlines()) > 3)
        emulator = child(program.process.pid, "emulator")
        family = [emulator, child(program.process.pid, "serve"), *children(emulator)]
        assert len(family) > 2
        for pid in family:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            for value in REAL_KEYS.values():
                assert value.encode() not in environment
        program.stop(signal.SIGINT)


@needs_proc
def test_the_published_network_on_real_photographs(world: dict, tmp_path: Path):
    photographs, model = shared("coco", "images"), shared("models", "yolo-fastest-1.1-xl.cfg")
    answer = run("compare", str(photographs), "--model", str(model), "--json", "--out", str(tmp_path / "o"), **world)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["agreement"] == {"images": 64, "identical": 64}


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(stat.parent.name))
    return found


def child(pid: int, command: str) -> int:
    """The child that runs this command of lookout."""
    found = []
    for candidate in children(pid):
        with suppress(OSError):
            if f"\0{command}\0" in Path(f"/proc/{candidate}/cmdline").read_text():
                found.append(candidate)
    (only,) = found
    return only
