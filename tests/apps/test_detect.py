"""``lookout detect`` as a person runs it: every form of output, standard input, videos, and what goes wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from helpers.program import Program, run
from helpers.shared import shared
from helpers.tiny import CONFIDENCE, LABELS, make_model, make_picture, make_pictures
from helpers.video import FPS, SIZE_WH, break_off, make_video
from lookout.images import MAX_BYTES

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return ("--model", str(make_model(tmp_path_factory.mktemp("model"))), "--confidence", str(CONFIDENCE))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 3)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "street.avi", 10)


@pytest.fixture(scope="module")
def objects(model: tuple[str, ...], pictures: Path) -> dict[str, list[dict]]:
    """What the JSON lines say is in each picture."""
    answer = run("detect", str(pictures), *model, "--json")
    return {line["image"]: line["objects"] for line in map(json.loads, answer.stdout.splitlines())}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A good picture, and one that is none."""
    folder = make_pictures(tmp_path / "mixed", 1)
    (folder / "torn.jpg").write_bytes(make_picture(2)[:-200])
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def pipe(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lookout", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=120)


def test_csv_has_the_objects_of_the_json_lines(
    model: tuple[str, ...], pictures: Path, objects: dict[str, list[dict]], tmp_path: Path
):
    answer = run("detect", str(pictures), *model, "--format", "csv", "--out", str(tmp_path / "new" / "out.csv"))
    assert (answer.returncode, answer.stdout) == (0, "")
    assert "Pictures: 3" in answer.stderr
    rows = read_csv(tmp_path / "new" / "out.csv")
    assert list(rows[0]) == ["image", "label", "confidence", "x", "y", "width", "height"]
    assert [(row["image"], row["label"], float(row["confidence"])) for row in rows] == [
        (image, found["label"], found["accuracy"]) for image, each in objects.items() for found in each
    ]


def test_the_table_has_a_line_an_object(model: tuple[str, ...], pictures: Path, objects: dict[str, list[dict]]):
    lines = run("detect", str(pictures), *model, "--format", "table").stdout.splitlines()
    assert lines[0].split() == ["image", "label", "confidence", "x", "y", "width", "height"]
    assert len(lines) == 1 + sum(map(len, objects.values()))
    assert len({len(line) for line in lines}) == 1


def test_coco_results_of_other_labels_are_counted(model: tuple[str, ...], pictures: Path, objects: dict[str, list]):
    entries = json.loads(run("detect", str(pictures), *model, "--format", "coco").stdout)
    assert [(e["image_id"], e["category_id"], e["bbox"], e["score"]) for e in entries] == [
        (int(Path(image).stem), LABELS.index(found["label"]) + 1, found["box"], found["accuracy"])
        for image, each in objects.items()
        for found in each
    ]


def test_coco_results_take_their_ids_from_annotations(
    model: tuple[str, ...], pictures: Path, objects: dict[str, list], tmp_path: Path
):
    document = {
        "images": [{"id": 70 + n, "file_name": f"{n}.jpg"} for n in range(3)],
        "categories": [{"id": 8, "name": "circle"}, {"id": 5, "name": "line"}],
        "annotations": [],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    coco = (*model, "--format", "coco", "--annotations", str(tmp_path / "a.json"))
    answer = run("detect", str(pictures), *coco)
    assert "no such category: square" in answer.stderr
    assert [(entry["image_id"], entry["category_id"]) for entry in json.loads(answer.stdout)] == [
        (70 + int(Path(image).stem), {"circle": 8, "line": 5}[found["label"]])
        for image, each in objects.items()
        for found in each
        if found["label"] != "square"
    ]
    (tmp_path / "9.jpg").write_bytes(make_picture(9))
    stranger = run("detect", str(pictures), str(tmp_path / "9.jpg"), *coco)
    assert (stranger.returncode, stranger.stdout) == (2, "")
    assert "does not name" in stranger.stderr


def test_coco_results_of_photographs_have_cocos_ids():
    names = ("000000000009.jpg", "000000000030.jpg")
    paths = (str(shared("coco", "images", name)) for name in names)
    answer = run("detect", *paths, "--model", str(shared("models", "yolo-fastest-1.1-xl.cfg")), "--format", "coco")
    entries = json.loads(answer.stdout)
    # Bowls and broccoli, and a vase or a potted plant.
    assert {(e["image_id"], e["category_id"]) for e in entries if e["image_id"] == 9} >= {(9, 51), (9, 56)}
    assert {e["category_id"] for e in entries if e["image_id"] == 30} & {64, 86}


def test_yolo_files_lie_in_a_folder(model: tuple[str, ...], pictures: Path, objects: dict[str, list], tmp_path: Path):
    assert run("detect", str(pictures), *model, "--format", "yolo", "--out", str(tmp_path)).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"classes.txt", "0.txt", "1.txt", "2.txt"}
    lines = (tmp_path / "0.txt").read_text().splitlines()
    first, (x, y, width, height) = lines[0].split(), objects[str(pictures / "0.jpg")][0]["box"]
    assert len(lines) == len(objects[str(pictures / "0.jpg")])
    assert LABELS[int(first[0])] == objects[str(pictures / "0.jpg")][0]["label"]
    expected = [(x + width / 2) / 160, (y + height / 2) / 120, width / 160, height / 120]
    assert [float(number) for number in first[1:5]] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("form", ["text", "table", "json", "csv", "coco", "yolo"])
def test_what_fails_is_told_and_is_no_image_without_objects(
    form: str, model: tuple[str, ...], mixed: Path, tmp_path: Path
):
    out = ("--out", str(tmp_path / "out")) if form == "yolo" else ()
    answer = run("detect", str(mixed), *model, "--format", form, *out)
    assert answer.returncode == 1
    assert "torn.jpg: failed: " in answer.stderr
    if form == "yolo":
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"classes.txt", "0.txt"}
    elif form == "json":
        assert set(json.loads(answer.stdout.splitlines()[1])) == {"image", "error"}
    else:
        assert answer.stdout
        assert "torn" not in answer.stdout


def test_classes_and_their_number_are_limited(model: tuple[str, ...], pictures: Path, objects: dict[str, list]):
    some = run("detect", str(pictures), *model, "--json", "--classes", "circle, LINE", "--max-detections", "2")
    lines = [json.loads(line) for line in some.stdout.splitlines()]
    assert [line["objects"] for line in lines] == [
        [found for found in each if found["label"] in {"circle", "line"}][:2] for each in objects.values()
    ]
    assert any(len(line["objects"]) == 2 for line in lines)


def test_a_server_takes_the_same_limits(model: tuple[str, ...], pictures: Path, objects: dict[str, list]):
    pytest.importorskip("gunicorn", reason="the extra server is not installed")
    limits = ("--classes", "circle", "--max-detections", "1")
    with Program("serve", *model, "--port", "0", "--json", *limits) as program:
        answer = run("send", str(pictures), "--to", program.ready()["url"], "--json")
    sent = [json.loads(line)["objects"] for line in answer.stdout.splitlines()[:-1]]
    assert sent == [[found for found in each if found["label"] == "circle"][:1] for each in objects.values()]
    assert any(sent)


def test_an_image_comes_on_standard_input(model: tuple[str, ...], pictures: Path, objects: dict[str, list]):
    data = (pictures / "0.jpg").read_bytes()
    answer = pipe(data, "detect", str(pictures / "1.jpg"), "-", *model, "--json")
    assert answer.returncode == 0, answer.stderr
    first, second = map(json.loads, answer.stdout.splitlines())
    assert (first["image"], second["image"]) == ("-", str(pictures / "1.jpg"))
    assert first["objects"] == objects[str(pictures / "0.jpg")]
    assert second["objects"] == objects[second["image"]]


@LINUX
def test_endless_standard_input_is_refused_at_the_limit(model: tuple[str, ...]):
    with Path("/dev/zero").open("rb") as endless:
        command = [sys.executable, "-m", "lookout", "detect", "-", *model]
        answer = subprocess.run(command, stdin=endless, capture_output=True, text=True, check=False, timeout=120)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"-: failed: standard input has more than the {MAX_BYTES:,} bytes" in answer.stderr


def test_standard_input_that_is_no_image_has_failed(model: tuple[str, ...]):
    answer = pipe(b"hello", "detect", "-", *model)
    assert (answer.returncode, answer.stdout) == (1, b"")
    assert b"-: failed: " in answer.stderr


def test_a_video_is_looked_at_frame_by_frame(model: tuple[str, ...], video: Path):
    answer = run("detect", "--video", str(video), "--every", "3", *model, "--json")
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(line["video"], line["frame"], line["time"]) for line in lines] == [
        (str(video), number, number / FPS) for number in (0, 3, 6, 9)
    ]
    assert all(line["objects"] for line in lines)
    assert len({json.dumps(line["objects"]) for line in lines}) == 4
    assert "10 frames of 160 x 120 pixels" in answer.stderr


def test_a_video_with_boxes_is_saved(model: tuple[str, ...], video: Path, tmp_path: Path):
    arguments = ("--format", "csv", "--out", str(tmp_path / "out.csv"), "--save", str(tmp_path / "out"))
    assert run("detect", "--video", str(video), "--every", "2", *model, *arguments).returncode == 0
    rows = read_csv(tmp_path / "out.csv")
    assert list(rows[0])[:4] == ["video", "frame", "time", "label"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["street.mp4"]
    saved = cv2.VideoCapture(str(tmp_path / "out" / "street.mp4"))
    assert (saved.get(cv2.CAP_PROP_FRAME_COUNT), saved.get(cv2.CAP_PROP_FPS)) == (5, FPS / 2)
    assert saved.read()[1].shape[1::-1] == SIZE_WH


def test_a_video_that_breaks_off_gives_what_it_has_and_fails(model: tuple[str, ...], video: Path, tmp_path: Path):
    broken = break_off(tmp_path / "half.avi", video)
    answer = run("detect", "--video", str(broken), *model, "--json")
    assert answer.returncode == 1
    *frames, last = map(json.loads, answer.stdout.splitlines())
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert 2 <= len(frames) < 9
    assert set(last) == {"video", "error"}
    assert f"failed: the video breaks off: {len(frames)} of 10 frames" in answer.stderr
    assert len(answer.stderr.splitlines()) == 2, "nothing of FFmpeg's own"


def test_a_reader_who_has_enough_ends_it_quietly(model: tuple[str, ...], pictures: Path):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "lookout", "detect", str(pictures), *model]
    for form in ("text", "csv", "coco"):
        answer = subprocess.run(
            [*command, "--format", form], stdout=write, stderr=subprocess.PIPE, check=False, timeout=120
        )
        assert (answer.returncode, answer.stderr) == (128 + signal.SIGPIPE, b"")
    os.close(write)


@LINUX
@pytest.mark.parametrize("form", ["text", "json", "csv", "coco"])
def test_a_full_disk_is_said(form: str, model: tuple[str, ...], pictures: Path):
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "lookout", "detect", str(pictures), *model, "--format", form]
        answer = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert answer.returncode == 1
    assert answer.stderr == "Error: standard output can't be written: No space left on device\n"


def test_being_ended_leaves_no_half_a_file(model: tuple[str, ...], pictures: Path, tmp_path: Path):
    out = tmp_path / "out.json"
    with Program("detect", "-", str(pictures), *model, "--format", "coco", "--out", str(out)) as program:
        program.wait_for(lambda: any(tmp_path.iterdir()))  # it waits for its standard input
        assert program.stop() == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name images to look at, or a video with --video"),
        (("{pictures}", "--video", "{video}"), "look at the ones, then at the other"),
        (("",), "an image is named by nothing"),
        (("{pictures}", "--every", "2"), "--every is for videos"),
        (("{pictures}", "--format", "yolo"), "name a folder for them with --out"),
        (("{pictures}", "--format", "yolo", "--out", "-"), "name a folder for them with --out"),
        (("{pictures}", "--format", "yolo", "--out", "{text}"), "name a folder with --out"),
        (("{pictures}", "--format", "csv", "--json"), "choose one"),
        (("{pictures}", "--format", "csv", "--annotations", "{text}"), "--annotations is for --format coco"),
        (("{pictures}", "--format", "coco", "--annotations", "{text}"), "holds no annotations"),
        (("{pictures}", "--out", "{pictures}/0.jpg"), "would be written over"),
        (("{pictures}", "--format", "csv", "--out", "{pictures}"), "is a folder"),
        (
            ("{pictures}", "{copy}", "--format", "yolo", "--out", "{copy}/out"),
            "would both become 0.txt: give each folder its own --out",
        ),
        (("{pictures}", "--format", "yolo", "--out", "{pictures}"), "holds the images themselves"),
        (("{classes}", "--format", "yolo", "--out", "{copy}/out"), "classes.jpg would be called classes.txt"),
        (("{pictures}", "--labels", "{text}", "--out", "{text}"), "would be written over"),
        (("{pictures}", "--classes", "circel"), "no class 'circel': name its own labels, such as circle"),
        (("{pictures}", "--classes", ","), "--classes names no label"),
        (("{pictures}", "--max-detections", "0"), "--max-detections"),
        (("--video", "nowhere.avi"), "nowhere.avi can't be read"),
        (("--video", "{video}", "--out", "{video}"), "would be written over"),
    ],
)
def test_what_cannot_be_asked_gets_one_clear_sentence(
    arguments: tuple[str, ...], words: str, model: tuple[str, ...], pictures: Path, video: Path, tmp_path: Path
):
    (tmp_path / "text").write_text("hello")
    places = {"pictures": pictures, "video": video, "text": tmp_path / "text"}
    places["copy"] = make_pictures(tmp_path / "copy", 1)
    places["classes"] = tmp_path / "classes.jpg"
    places["classes"].write_bytes(make_picture(0))
    answer = run("detect", *(argument.format(**places) for argument in arguments), *model)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert (pictures / "0.jpg").read_bytes() == make_picture(0)


def test_a_file_that_is_no_video_is_said(model: tuple[str, ...], tmp_path: Path):
    (tmp_path / "a.mp4").write_text("hello")
    answer = run("detect", "--video", str(tmp_path / "a.mp4"), *model)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"Error: {tmp_path / 'a.mp4'} is no video")


def test_saving_into_a_folder_of_links_leaves_what_they_lead_to(model: tuple[str, ...], tmp_path: Path):
    make_pictures(tmp_path / "real", 1)
    links = tmp_path / "links"
    links.mkdir()
    (links / "0.jpg").symlink_to("../real/0.jpg")
    answer = run("detect", str(links), *model, "--save", str(links))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "holds the images themselves" in answer.stderr
    assert run("detect", str(tmp_path / "real"), *model, "--save", str(links)).returncode == 0
    assert (tmp_path / "real" / "0.jpg").read_bytes() == make_picture(0)
    assert not (links / "0.jpg").is_symlink()


def test_two_pictures_of_one_image_id_are_refused(model: tuple[str, ...], pictures: Path, tmp_path: Path):
    copy = make_pictures(tmp_path / "copy", 1)
    document = {"images": [{"id": 7, "file_name": "0.jpg"}], "categories": [], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(document))
    coco = ("--format", "coco", "--annotations", str(tmp_path / "a.json"))
    answer = run("detect", str(pictures / "0.jpg"), str(copy), *model, *coco)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"{pictures / '0.jpg'} and {copy / '0.jpg'} are both image 7" in answer.stderr


def test_a_file_that_is_called_like_standard_input_is_that_file(model: tuple[str, ...], tmp_path: Path):
    (tmp_path / "-").write_bytes(make_picture(0))
    command = [sys.executable, "-m", "lookout", "detect", "./-", *model, "--json"]
    answer = subprocess.run(command, cwd=tmp_path, input=b"", capture_output=True, check=False, timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["image"] == "./-"


def test_ids_that_fall_back_to_the_order_are_told(model: tuple[str, ...], pictures: Path, tmp_path: Path):
    (tmp_path / "street.jpg").write_bytes(make_picture(1))
    both = run("detect", str(pictures / "0.jpg"), str(tmp_path / "street.jpg"), *model, "--format", "coco")
    assert "Note: image ids are 1, 2, 3 in order" in both.stderr
    for alone in (pictures, tmp_path):
        assert run("detect", str(alone), *model, "--format", "coco").stderr == ""


def test_json_lines_have_the_size_of_the_image(model: tuple[str, ...], pictures: Path):
    line = json.loads(run("detect", str(pictures / "0.jpg"), *model, "--json").stdout)
    assert (line["width"], line["height"]) == (160, 120)


def test_a_video_that_is_named_like_an_image_gets_a_hint(model: tuple[str, ...], video: Path):
    answer = run("detect", str(video), *model)
    assert answer.returncode == 1
    assert answer.stderr.endswith("; a video is named with --video\n")


@LINUX
def test_a_picture_comes_by_a_substituted_process(model: tuple[str, ...], pictures: Path):
    command = f"{sys.executable} -m lookout detect <(cat '{pictures}/0.jpg') {' '.join(model)}"
    answer = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("/dev/fd/")


def test_being_ended_leaves_no_empty_folder(model: tuple[str, ...], tmp_path: Path):
    save = tmp_path / "new" / "out"
    with Program("detect", "-", *model, "--save", str(save)) as program:  # it waits for its standard input
        program.wait_for(save.is_dir)
        assert program.stop() == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
