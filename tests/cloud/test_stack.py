"""What a stack's description tells; on the emulator it is made and changed in tests/test_offloading.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from lookout.cloud.stack import Stack
from lookout.errors import StackError

NAMES = {"Bucket": "b", "Table": "t", "Function": "f", "LogGroup": "l", "FailureQueue": "https://sqs/q"}


def stack(status: str, **outputs: str) -> Stack:
    described = {
        "StackName": "mine",
        "StackStatus": status,
        "Description": "Lookout: x",
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        "Parameters": [{"ParameterKey": "Memory", "ParameterValue": "512"}],
    }
    client = SimpleNamespace(describe_stacks=lambda StackName: {"Stacks": [described]})  # noqa: N803
    return Stack(SimpleNamespace(cloudformation=client), "mine")


def test_a_deployment_has_the_names_of_its_resources():
    found = stack("CREATE_COMPLETE", **NAMES).find()
    assert (found.bucket, found.table, found.function, found.log_group) == ("b", "t", "f", "l")
    assert (found.failure_queue, found.parameters) == ("https://sqs/q", {"Memory": "512"})


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            "UPDATE_COMPLETE",
            "another version of Lookout: bring it up to date with lookout stack up --name mine",
        ),
        ("CREATE_FAILED", r"not whole \(CREATE_FAILED\): see lookout stack down"),
        ("REVIEW_IN_PROGRESS", "only planned, and nothing of it is made: make it with lookout stack up --name mine"),
    ],
)
def test_a_stack_that_lacks_a_resource_says_what_to_do(status: str, words: str):
    outputs = {name: value for name, value in NAMES.items() if name != "FailureQueue"}
    with pytest.raises(StackError, match=words):
        stack(status, **outputs).find()


def test_a_stack_of_a_group_is_brought_up_to_date_under_the_groups_names():
    described = {
        "StackName": "object-detection-g1",
        "StackStatus": "CREATE_COMPLETE",
        "Description": "Lookout: x",
        "Outputs": [{"OutputKey": "Bucket", "OutputValue": "image-bucket-g1"}],
        "Parameters": [{"ParameterKey": "BucketName", "ParameterValue": "image-bucket-g1"}],
    }
    client = SimpleNamespace(describe_stacks=lambda StackName: {"Stacks": [described]})  # noqa: N803
    with pytest.raises(StackError, match="without its function: finish it with lookout stack up --group g1"):
        Stack(SimpleNamespace(cloudformation=client), "object-detection-g1").find()


def test_a_stack_of_somebody_elses_is_none_of_another_version():
    described = {"StackName": "theirs", "StackStatus": "CREATE_COMPLETE", "Description": "A shop"}
    client = SimpleNamespace(describe_stacks=lambda StackName: {"Stacks": [described]})  # noqa: N803
    with pytest.raises(StackError, match="there is a stack theirs that Lookout did not make"):
        Stack(SimpleNamespace(cloudformation=client), "theirs").find()
