"""Drift, resources, states and figures of a stack, by AWS's recorded answers; on the emulator in tests/apps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.stubbed import stubbed
from lookout.cloud.reports import Invocation
from lookout.cloud.watching.drift import Difference, Drift, find_drift
from lookout.cloud.watching.figures import (
    Activity,
    Billing,
    Counts,
    bill,
    last_errors,
    look_at_activity,
    month_of,
    read_counts,
)
from lookout.cloud.watching.log_reader import LogLine
from lookout.cloud.watching.resources import StackResource, judge_function, look_at_resource
from lookout.cloud.watching.status import StackStatus, is_whole, look_at_stack, troubles
from lookout.errors import CloudError, StackError

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
DETECTION = "b78ac9b0-dec1-11e7-a451-503a3example"


def account(**clients: object) -> SimpleNamespace:
    return SimpleNamespace(emulated=False, **clients)


def detection(state: str, **more: object) -> tuple[str, dict]:
    told = {"StackId": "arn:stack", "StackDriftDetectionId": DETECTION, "DetectionStatus": state, "Timestamp": NOW}
    return "describe_stack_drift_detection_status", {**told, **more}


def drifted(name: str, state: str, *differences: dict) -> dict:
    return {
        "StackId": "arn:stack",
        "LogicalResourceId": name,
        "PhysicalResourceId": name.lower(),
        "ResourceType": "AWS::SQS::Queue",
        "PropertyDifferences": list(differences),
        "StackResourceDriftStatus": state,
        "Timestamp": NOW,
    }


STARTED = ("detect_stack_drift", {"StackDriftDetectionId": DETECTION})


def test_drift_is_waited_for_and_read_page_by_page():
    difference = {
        "PropertyPath": "/MessageRetentionPeriod",
        "ExpectedValue": "1209600",
        "ActualValue": "345600",
        "DifferenceType": "NOT_EQUAL",
    }
    pages = [
        {"StackResourceDrifts": [drifted("FailureQueue", "MODIFIED", difference)], "NextToken": "more"},
        {"StackResourceDrifts": [drifted("Table", "DELETED")]},
    ]
    client = stubbed(
        "cloudformation",
        STARTED,
        detection("DETECTION_IN_PROGRESS"),
        detection("DETECTION_COMPLETE", StackDriftStatus="DRIFTED", DriftedStackResourceCount=2),
        *(("describe_stack_resource_drifts", page) for page in pages),
    )
    slept: list[float] = []
    assert find_drift(account(cloudformation=client), "mine", slept.append) == (
        Drift("FailureQueue", "MODIFIED", (Difference("/MessageRetentionPeriod", "1209600", "345600"),)),
        Drift("Table", "DELETED"),
    )
    assert slept == [2.0]
    client.answers.assert_no_pending_responses()


def test_drift_that_was_not_all_looked_for_is_no_drift_but_an_error():
    reason = "Failed to detect drift on resource [Bucket]"
    client = stubbed("cloudformation", STARTED, detection("DETECTION_FAILED", DetectionStatusReason=reason))
    with pytest.raises(StackError, match=r"can't be found: Failed to detect drift on resource \[Bucket\]"):
        find_drift(account(cloudformation=client), "mine")


def test_drift_is_not_waited_for_without_end():
    client = stubbed("cloudformation", STARTED, *[detection("DETECTION_IN_PROGRESS")] * 150)
    slept: list[float] = []
    with pytest.raises(StackError, match="within 300 s: try again"):
        find_drift(account(cloudformation=client), "mine", slept.append)
    assert sum(slept) == 300


def test_a_state_in_which_no_drift_can_be_looked_for_is_told_in_awss_words():
    refusal = ("ValidationError", 400, "Drift detection is not allowed in state ROLLBACK_COMPLETE")
    with pytest.raises(CloudError, match="drift of the stack mine: Drift detection is not allowed in state"):
        find_drift(account(cloudformation=stubbed("cloudformation", ("detect_stack_drift", refusal))), "mine")


def summary(kind: str, name: str, status: str = "CREATE_COMPLETE", **more: str) -> dict:
    return {
        "LogicalResourceId": kind.rpartition(":")[2],
        "PhysicalResourceId": name,
        "ResourceType": kind,
        "ResourceStatus": status,
        **more,
    }


FUNCTION, TABLE, QUEUE = "AWS::Lambda::Function", "AWS::DynamoDB::Table", "AWS::SQS::Queue"
CONFIGURATION, DESCRIBED = "get_function_configuration", "describe_table"
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/mine-failures"


@pytest.mark.parametrize(
    ("kind", "client", "answers", "state", "trouble"),
    [
        (FUNCTION, "functions", [(CONFIGURATION, {"State": "Active"})], "Active", ""),
        (FUNCTION, "functions", [(CONFIGURATION, {"State": "Failed"})], "Failed", "Lambda can't start it"),
        (FUNCTION, "functions", [(CONFIGURATION, ("ResourceNotFoundException", 404))], "missing", "by another way"),
        (FUNCTION, "functions", [(CONFIGURATION, ("AccessDeniedException", 403))], "not known", ""),
        (TABLE, "dynamodb", [(DESCRIBED, {"Table": {"TableStatus": "ACTIVE"}})], "ACTIVE", ""),
        (TABLE, "dynamodb", [(DESCRIBED, {"Table": {"TableStatus": "ARCHIVED"}})], "ARCHIVED", "says ARCHIVED"),
        (TABLE, "dynamodb", [(DESCRIBED, ("ResourceNotFoundException", 400))], "missing", "by another way"),
        (QUEUE, "queues", [("get_queue_attributes", ("QueueDoesNotExist", 400))], "missing", "by another way"),
        (QUEUE, "queues", [("get_queue_attributes", ("AccessDenied", 403))], "not known", ""),
        ("AWS::CloudWatch::Alarm", "cloudwatch", [("describe_alarms", {"MetricAlarms": []})], "missing", "another way"),
        ("AWS::S3::Bucket", "s3", [("head_bucket", ("403", 403))], "not known", ""),
        ("AWS::S3::Bucket", "s3", [("head_bucket", ("404", 404))], "missing", "by another way"),
        ("AWS::S3::Bucket", "s3", [("head_bucket", {})], "there", ""),
        ("AWS::IAM::Role", "iam", [("get_role", ("NoSuchEntity", 404))], "missing", "by another way"),
        ("AWS::SQS::QueuePolicy", "queues", [], "CREATE_COMPLETE", ""),
        ("AWS::Something::New", "queues", [], "CREATE_COMPLETE", ""),
    ],
)
def test_resources_are_asked_for_at_their_own_services(kind: str, client: str, answers: list, state: str, trouble: str):
    service = {"functions": "lambda", "queues": "sqs"}.get(client, client)
    found = look_at_resource(account(**{client: stubbed(service, *answers)}), summary(kind, "mine"))
    assert found.state == state
    assert trouble in found.trouble
    assert bool(trouble) == bool(found.trouble)


def test_a_queue_is_named_without_its_address_and_counts_what_somebody_looks_at_just_now():
    attributes = {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "2"}
    queues = stubbed("sqs", ("get_queue_attributes", {"Attributes": attributes}))
    found = look_at_resource(account(queues=queues), summary(QUEUE, URL))
    assert (found.name, found.messages) == ("mine-failures", 5)


def test_what_cloudformation_could_not_make_is_not_asked_for():
    failed = summary("AWS::S3::Bucket", "", "CREATE_FAILED", ResourceStatusReason="pictures already exists")
    assert look_at_resource(account(), failed) == StackResource(
        "Bucket", "AWS::S3::Bucket", "", "CREATE_FAILED", "pictures already exists"
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"State": "Active", "LastUpdateStatus": "Successful"}, ""),
        ({"State": "Inactive"}, ""),
        ({}, ""),
        ({"State": "Pending"}, ""),
        ({"State": "Active", "LastUpdateStatus": "InProgress"}, ""),
        ({"State": "Failed", "StateReason": "The image is gone."}, "The image is gone."),
        ({"State": "Active", "LastUpdateStatus": "Failed"}, "its last update failed"),
    ],
)
def test_functions(answer: dict, words: str):
    assert words in judge_function(answer)
    assert bool(words) == bool(judge_function(answer))


def status(state: str, *resources: StackResource, function: bool = True) -> StackStatus:
    outputs = {"Function": "mine"} if function else {}
    return StackStatus("mine", state, "", NOW, None, {}, outputs, resources)


GONE = StackResource("Table", "AWS::DynamoDB::Table", "mine-results", "missing", "it was deleted")


@pytest.mark.parametrize(
    ("found", "whole", "words"),
    [
        (status("CREATE_COMPLETE"), True, None),
        (status("UPDATE_COMPLETE"), True, None),
        (status("UPDATE_ROLLBACK_COMPLETE"), True, "its last change failed, and it is as it was before"),
        (status("UPDATE_ROLLBACK_COMPLETE", GONE), False, "its last change failed"),
        (status("UPDATE_ROLLBACK_COMPLETE", function=False), False, "its last change failed"),
        (status("CREATE_COMPLETE", function=False), False, "no function yet: lookout stack up --name mine"),
        (
            status("CREATE_COMPLETE", GONE),
            False,
            "Table mine-results: it was deleted; make all anew with lookout stack down",
        ),
        (status("CREATE_IN_PROGRESS"), False, "look again when that is done"),
        (status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), False, "look again when that is done"),
        (status("ROLLBACK_COMPLETE"), False, "lookout stack down --name mine, then lookout stack up --name mine"),
        (status("ROLLBACK_FAILED"), False, "lookout stack down --name mine"),
        (status("CREATE_FAILED"), False, "lookout stack down --name mine"),
        (status("DELETE_FAILED"), False, "lookout stack down --name mine"),
        (status("UPDATE_ROLLBACK_FAILED"), False, "not whole"),
        (status("UPDATE_FAILED"), False, "not whole"),
    ],
)
def test_what_is_wrong_with_a_stack_is_told_with_what_to_do(found: StackStatus, whole: bool, words: str | None):
    assert is_whole(found) == whole
    told = troubles(found)
    assert (told == ()) if words is None else (words in told[0])


def test_a_stack_of_a_group_is_mended_under_the_groups_names():
    """By its own name ``up`` would make bucket and table anew under other names, and delete what they hold."""
    given = {"BucketName": "image-bucket-g1"}
    found = StackStatus("object-detection-g1", "ROLLBACK_COMPLETE", "", NOW, None, given, {}, ())
    assert "lookout stack down --group g1, then lookout stack up --group g1" in troubles(found)[0]
    named = replace(found, parameters={"BucketName": ""})
    assert "then lookout stack up --name object-detection-g1" in troubles(named)[0]


def test_a_stack_is_described_from_its_answers():
    described = {
        "StackName": "mine",
        "CreationTime": NOW,
        "StackStatus": "ROLLBACK_COMPLETE",
        "StackStatusReason": "The following resource(s) failed to create: [Bucket].",
        "Description": "Lookout: x",
        "Parameters": [{"ParameterKey": "Memory", "ParameterValue": "512"}],
        "Outputs": [{"OutputKey": "Table", "OutputValue": "mine-results"}],
    }
    gone = summary("AWS::S3::Bucket", "pictures", "DELETE_COMPLETE", LastUpdatedTimestamp=NOW)
    failed = summary("AWS::SQS::Queue", "", "DELETE_FAILED", LastUpdatedTimestamp=NOW)
    del failed["PhysicalResourceId"]
    client = stubbed(
        "cloudformation",
        ("describe_stacks", {"Stacks": [described]}),
        ("list_stack_resources", {"StackResourceSummaries": [gone, failed]}),
        ("get_template", {"TemplateBody": "Resources: {}"}),
    )
    found = look_at_stack(account(cloudformation=client), "mine")
    assert (found.state, found.parameters, found.outputs) == (
        "ROLLBACK_COMPLETE",
        {"Memory": "512"},
        {"Table": "mine-results"},
    )
    assert [one.state for one in found.resources] == ["DELETE_FAILED"]
    assert not found.template_is_ours
    assert not is_whole(found)


def test_a_stack_that_is_only_planned_is_not_at_work():
    """Which has neither resources nor a template to ask for."""
    described = {"StackName": "mine", "CreationTime": NOW, "StackStatus": "REVIEW_IN_PROGRESS"}
    client = stubbed("cloudformation", ("describe_stacks", {"Stacks": [described]}), ("list_change_sets", {}))
    found = look_at_stack(account(cloudformation=client), "mine")
    assert troubles(found) == ("it is only planned, and nothing of it is made: lookout stack up --name mine",)
    assert not is_whole(found)


def test_a_stack_of_somebody_elses_is_not_shown_as_one_of_lookouts():
    described = {"StackName": "mine", "CreationTime": NOW, "StackStatus": "CREATE_COMPLETE", "Description": "A shop"}
    client = stubbed("cloudformation", ("describe_stacks", {"Stacks": [described]}))
    with pytest.raises(StackError, match="there is a stack mine that Lookout did not make"):
        look_at_stack(account(cloudformation=client), "mine")


def report(duration_ms: float = 100.0, billed_ms: float = 100.0, memory_mb: int = 1024) -> Invocation:
    return Invocation("id", duration_ms, billed_ms, memory_mb, 100)


@pytest.mark.parametrize(
    ("counts", "reports", "expected"),
    [
        (Counts(), [], Billing(0, 0.0, 0)),
        # All lines: what they say, whatever the memory is now, and whatever CloudWatch has not counted yet.
        (Counts(2, 0, 0, 200.0), [report(), report(100, 1100, 512)], Billing(2, 0.1 + 0.55, 2)),
        (Counts(0), [report()], Billing(1, 0.1, 1)),
        # Some lines: a tenth is billed beyond the duration.
        (Counts(1000, 0, 0, 100_000.0), [report(100, 110)] * 10, Billing(1000, 110 * 2.0, 10)),
        # None: the counts alone.
        (Counts(1000, 0, 0, 100_000.0), [], Billing(1000, 100 * 2.0, 0)),
        (Counts(1000, 0, 0, 100_000.0), [report(0, 1)], Billing(1000, 100 * 2.0, 1)),
    ],
)
def test_what_is_billed(counts: Counts, reports: list[Invocation], expected: Billing):
    billing = bill(Activity(NOW, counts, counts, reports), memory_mb=2048)
    assert (billing.invocations, billing.reports) == (expected.invocations, expected.reports)
    assert billing.gb_seconds == pytest.approx(expected.gb_seconds)
    assert billing.exact == (len(reports) >= counts.invocations)


@pytest.mark.parametrize(
    ("created", "since"),
    [
        (datetime(2026, 10, 3, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
        (datetime(2026, 11, 25, 12, 10, 5, tzinfo=UTC), datetime(2026, 11, 25, 12, tzinfo=UTC)),
    ],
)
def test_a_month_begins_with_the_month_or_the_stack(created: datetime, since: datetime):
    assert month_of(NOW, created) == since


def test_counts_are_read_page_by_page():
    hours = [NOW - timedelta(hours=2), NOW - timedelta(hours=1)]
    pages = [
        {"MetricDataResults": [{"Id": "invocations", "Timestamps": hours, "Values": [3.0, 4.0]}], "NextToken": "more"},
        {"MetricDataResults": [{"Id": "duration", "Timestamps": hours[:1], "Values": [120.5]}]},
    ]
    client = stubbed("cloudwatch", *(("get_metric_data", page) for page in pages))
    assert list(read_counts(client, "mine", NOW - timedelta(days=1), NOW)) == [
        (hours[0], "invocations", 3.0),
        (hours[1], "invocations", 4.0),
        (hours[0], "duration", 120.5),
    ]


def test_the_last_errors_are_lambdas_and_the_functions_own():
    messages = [
        "[ERROR] UnfinishedError: old",
        '{"level": "INFO", "event": "object", "url": "s3://b/ERROR.jpg"}',
        "2026 id Task timed out after 15.00 seconds",
        '{"level": "ERROR", "event": "object"}',
        "RequestId: id Error: Runtime exited with error: signal: killed",
        "REPORT RequestId: id",
    ]
    errors = last_errors([LogLine(number, "a", message) for number, message in enumerate(messages)])
    assert [error.at_ms for error in errors] == [2, 3, 4]


def test_of_more_errors_than_are_read_in_a_day_the_last_hours_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lookout.cloud.watching.figures._MOST_LINES", 5)
    errors = [
        {
            "timestamp": int((NOW - timedelta(minutes=age)).timestamp() * 1000),
            "message": f"[ERROR] {age}",
            "eventId": f"{age}",
        }
        for age in (600, 500, 400, 300, 200, 50, 40, 30)
    ]

    def pages(startTime: int, filterPattern: str, **_: object) -> list[dict]:  # noqa: N803
        matching = errors if "?ERROR" in filterPattern else []
        return [{"events": [error for error in matching if error["timestamp"] >= startTime]}]

    counted = {"Id": "errors", "Timestamps": [NOW - timedelta(hours=1)], "Values": [8.0]}
    cloudwatch = stubbed("cloudwatch", ("get_metric_data", {"MetricDataResults": [counted]}))
    logs = SimpleNamespace(get_paginator=lambda _name: SimpleNamespace(paginate=pages))
    activity = look_at_activity(account(cloudwatch=cloudwatch, logs=logs), "mine", "log", NOW - timedelta(days=2), NOW)
    assert [error.message for error in activity.errors] == ["[ERROR] 50", "[ERROR] 40", "[ERROR] 30"]
