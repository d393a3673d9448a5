"""What is said of a stack, of costs and of lines, to people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from lookout import __version__
from lookout.apps.invoking import describe_report
from lookout.apps.money import describe_estimate, load_prices
from lookout.apps.status_view import Shown, describe
from lookout.cloud.reports import Invocation
from lookout.cloud.watching.drift import Drift
from lookout.cloud.watching.figures import Activity, Billing, Counts
from lookout.cloud.watching.log_reader import LogLine
from lookout.cloud.watching.resources import StackResource
from lookout.cloud.watching.status import StackStatus
from lookout.comparison.bill import Estimate
from lookout.comparison.costs import monthly, so_far
from lookout.comparison.prices import Prices
from lookout.errors import UsageError

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
GIVEN = {
    "CodeKey": "code/0123456789abcdef0123456789abcdef.zip",
    "Runtime": "python3.13",
    "Architecture": "arm64",
    "Memory": "1024",
    "Timeout": "15",
    "Model": "yolov3-tiny",
    "Input": "416x416 stretch",
    "Engine": "opencv",
    "Confidence": "0.25",
    "Iou": "0.45",
}
STATUS = StackStatus(
    "mine",
    "UPDATE_COMPLETE",
    "",
    NOW - timedelta(days=5),
    NOW,
    GIVEN,
    {"Function": "mine"},
    [
        StackResource("Retries", "AWS::Lambda::EventInvokeConfig", "mine:$LATEST", "CREATE_COMPLETE"),
        StackResource(
            "Permission", "AWS::Lambda::Permission", "arn:aws:lambda:us-east-1:123456789012:mine-Permission-1", "there"
        ),
        StackResource("FailureQueue", "AWS::SQS::Queue", "mine-failures", "there", messages=7),
    ],
)
SHOWN = Shown("AWS account 123456789012, us-east-1", emulated=False, status=STATUS, drifts=None)


def with_activity(billing: Billing, *errors: str) -> Shown:
    counts = Counts(billing.invocations, len(errors), 2, 1000.0)
    lines = [LogLine(0, "a", error) for error in errors]
    cost = so_far(billing.invocations, billing.gb_seconds, "arm64")
    return replace(SHOWN, activity=Activity(NOW, counts, counts, (), lines), billing=billing, cost=cost)


def test_a_stack_of_a_zip():
    text = describe(SHOWN)
    assert text.startswith(
        "mine: UPDATE_COMPLETE, in AWS account 123456789012, us-east-1\nMade 2026-11-20 12:30 UTC, changed"
    )
    assert "Function: zip 0123456789ab, python3.13, arm64, 1024 MB, 15 s" in text
    assert "Model: yolov3-tiny (416x416 stretch), opencv, confidence 0.25, IoU 0.45" in text
    assert "7 failures" in text
    assert "arn:" not in text
    assert "Emulated" not in text
    assert "cost" not in text


def test_the_functions_lookout_is_told_where_it_is_known():
    assert f"Lookout {__version__}; the function's is not known; the stack's" in describe(SHOWN)
    given = {**GIVEN, "Version": "0.0.9"}
    older = replace(SHOWN, status=replace(STATUS, parameters=given))
    assert f"Lookout {__version__}; the function's is 0.0.9; the stack's" in describe(older)
    assert older.to_json()["function_lookout"] == "0.0.9"


def test_an_image_is_told_by_its_digest():
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine@sha256:0123456789abcdef0123"
    given = {**GIVEN, "CodeKey": "", "ImageUri": uri}
    text = describe(replace(SHOWN, status=replace(STATUS, parameters=given)))
    assert "Function: image sha256:0123456789ab, arm64" in text


def test_a_template_of_another_lookout_is_told():
    text = describe(replace(SHOWN, status=replace(STATUS, template_is_ours=False)))
    assert "template is of another version: bring it up to date with lookout stack up" in text


@pytest.mark.parametrize(
    ("billing", "words"),
    [
        (Billing(0, 0.0, 0), "nothing, as it was not invoked"),
        (Billing(3, 1.5, 3), "less than $0.0001 for 3 invocations, 1.5 GB-s\n  by all its REPORT lines,"),
        (Billing(1, 1.5, 1), "for 1 invocation, "),
        (
            Billing(2_000_000, 400_000, 5_000),
            "$5.73 for 2,000,000 invocations, 400,000.0 GB-s\n  by CloudWatch's counts, and what 5,000",
        ),
        (Billing(2_000, 400, 0), "by CloudWatch's counts alone, so without initialisation"),
    ],
)
def test_cost_so_far_tells_what_it_is_based_on(billing: Billing, words: str):
    assert words in describe(with_activity(billing))


def test_errors_of_somebody_elses_words_are_one_printable_line_each():
    text = describe(with_activity(Billing(1, 1, 1), "[ERROR] \x1b[2J first\nTraceback", "x" * 1000))
    assert "Last 24 h: 1 invocation, 2 errors, 2 refused" in text
    assert "\n  1970-01-01T00:00:00.000Z [ERROR] \\x1b[2J first\n" in text
    assert "Traceback" not in text
    assert max(map(len, text.splitlines())) < 320


def test_drift():
    assert "Drift: none" in describe(replace(SHOWN, drifts=()))
    assert "Drift: Table DELETED" in describe(replace(SHOWN, drifts=(Drift("Table", "DELETED"),)))


def test_a_month_is_told_part_by_part_with_what_is_not_in_it():
    lines = list(describe_estimate(monthly(1_000_000, 512, 370)))
    assert "  invocations                $0.20  1,000,000" in lines
    assert "  duration                   $3.08  185,000 GB-s" in lines
    assert "  uploads                    $5.00  1,000,000 PUT" in lines
    assert lines[-2] == "AWS's free tier, if nothing else uses it, takes off $4.53."
    assert lines[-1] == (
        "Prices: us-east-1, 2026-05. Not in it: the image repository's storage, the log's storage, the table's backups."
    )


def test_small_amounts_are_told_with_more_digits_and_none_as_nothing():
    lines = list(describe_estimate(monthly(1000, 512, 370)))
    assert "  duration                   $0.0031  185 GB-s" in lines
    assert "  table written              $0.0006  1,000 write units" in lines
    (tiny,) = (line for line in describe_estimate(monthly(10, 512, 370)) if "table written" in line)
    assert "less than $0.0001" in tiny


def test_nothing_has_no_parts():
    (line,) = describe_estimate(Estimate((), (), Prices()))
    assert line.startswith("Prices: ")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.toml", "thousand_puts = ", "p.toml is no TOML"),
        ("p.json", "{", "p.json is no JSON"),
        ("p.json", "[]", "must hold prices by name"),
    ],
)
def test_a_file_that_holds_no_prices(tmp_path: Path, name: str, text: str, words: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=words):
        load_prices(tmp_path / name)


def test_prices_come_from_json_and_toml_alike_and_from_a_file_that_is_there(tmp_path: Path):
    (tmp_path / "p.json").write_text('{"region": "eu-west-1", "as_of": "2026-11", "log_gb": 0.57}')
    (tmp_path / "p.toml").write_text('region = "eu-west-1"\nas_of = "2026-11"\nlog_gb = 0.57\n')
    assert (
        load_prices(tmp_path / "p.json")
        == load_prices(tmp_path / "p.toml")
        == Prices("eu-west-1", "2026-11", log_gb=0.57)
    )
    assert load_prices(None) == Prices()
    (tmp_path / "p.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is no TOML"):
        load_prices(tmp_path / "p.toml")
    with pytest.raises(UsageError, match="can't be read: No such file"):
        load_prices(tmp_path / "absent.toml")


def test_reports():
    assert describe_report(Invocation("id", 3.04, 855, 512, 112, 851.03)) == (
        "Lambda: 3.0 ms, billed 855 ms, 112 of 512 MB, cold start 851 ms"
    )
    assert describe_report(Invocation("id", 3.04, 4, 512, 112)).endswith("112 of 512 MB, warm")
    assert "did not come within 20 s" in describe_report(None)
