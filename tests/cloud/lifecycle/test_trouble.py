"""What goes wrong while a stack is made, changed or deleted: a clear sentence each, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helpers.stacks import (
    INSTALLED,
    Calls,
    after,
    answered,
    before,
    broken,
    gone,
    interrupt,
    inventory,
    of_stack,
    refused,
    settings,
    status,
)
from lookout.cloud.account import Account, account_of_emulator
from lookout.cloud.lifecycle.deploying import Deploying
from lookout.cloud.lifecycle.dialogue import Dialogue
from lookout.cloud.lifecycle.planning import plan
from lookout.cloud.lifecycle.removing import Removing
from lookout.cloud.template import Code, Names
from lookout.errors import (
    CloudError,
    ExpiredCredentialsError,
    LookoutError,
    PackageError,
    StackError,
    UnreachableError,
)

RESOURCES = (
    *("Repository", "Artifacts", "ArtifactsPolicy", "Table", "LogGroup", "FailureQueue", "FailureQueuePolicy"),
    *("Role", "Function", "Retries", "Permission", "Bucket", "BucketPolicy", "ErrorAlarm"),
)
SECOND_PHASE = ("Function", "Permission", "ErrorAlarm", "Bucket")


@pytest.fixture
def another(variables: dict[str, str]) -> Account:
    """Somebody else's session in the same account."""
    return account_of_emulator(variables)


def test_the_resources_that_fail_in_turn_are_all_that_there_are():
    pytest.importorskip("cfnlint", reason="the linter of templates is not installed")
    from helpers.templates import template

    assert set(template()["Resources"]) == set(RESOURCES)


@pytest.mark.parametrize("resource", RESOURCES)
def test_whichever_resource_fails_it_is_named_and_nothing_stays_but_the_record(
    resource: str, account: Account, use_template: Callable[[str], None]
):
    there, name = inventory(account), f"fails-{resource.lower()}"
    use_template(broken(resource))
    with pytest.raises(StackError, match=rf"could not be made: {resource} \(AWS::.*not-there.*took back all"):
        Deploying(account, settings(name)).run()
    assert status(account, name) == "ROLLBACK_COMPLETE"
    assert inventory(account) == there | {f"stack {name}"}
    assert gone(account, name)


@pytest.mark.parametrize("resource", SECOND_PHASE)
def test_a_second_phase_that_fails_leaves_the_first_from_which_up_goes_on(
    resource: str, account: Account, use_template: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
):
    name = f"later-{resource.lower()}"
    wanted = settings(name, code=Code())
    first: set[str] = set()

    def provide(_state: object) -> Code:
        first.update(of_stack(account, name))
        use_template(broken(resource))
        return INSTALLED

    with pytest.raises(StackError, match=rf"could not be changed: {resource} .*without its function.*stack down"):
        Deploying(account, wanted).run(provide)
    assert status(account, name) == "UPDATE_ROLLBACK_COMPLETE"
    assert of_stack(account, name) == first
    monkeypatch.undo()
    assert not Deploying(account, wanted).run(lambda _state: INSTALLED).is_new
    assert f"function {name}" in of_stack(account, name)
    assert gone(account, name)


def test_a_change_that_fails_is_taken_back(account: Account, use_template: Callable[[str], None]):
    Deploying(account, settings("stable")).run()
    there = inventory(account)
    use_template(broken("Retries"))
    with pytest.raises(StackError, match=r"could not be changed: Retries.*The stack is as it was before"):
        Deploying(account, settings("stable", memory_mb=2048)).run()
    assert status(account, "stable") == "UPDATE_ROLLBACK_COMPLETE"
    assert account.functions.get_function_configuration(FunctionName="stable")["MemorySize"] == 512
    assert inventory(account) == there
    assert gone(account, "stable")


def test_after_a_failed_making_up_makes_it_anew(
    account: Account, use_template: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
):
    use_template(broken("Bucket"))
    with pytest.raises(StackError):
        Deploying(account, settings("anew")).run()
    with pytest.raises(StackError, match=r"failed when it was made .ROLLBACK_COMPLETE.: lookout stack up makes all"):
        plan(account, settings("anew"))
    monkeypatch.undo()
    assert Deploying(account, settings("anew")).run().is_new
    assert status(account, "anew") == "CREATE_COMPLETE"
    assert gone(account, "anew")


def test_a_plan_that_was_killed_hinders_nobody(account: Account, another: Account):
    _plan_and_die(account, "halted")
    assert status(another, "halted") == "REVIEW_IN_PROGRESS"
    assert plan(another, settings("halted")).phases
    assert status(another, "halted") == "REVIEW_IN_PROGRESS"  # the other's change set is still there
    assert Deploying(another, settings("halted")).run().is_new
    assert gone(another, "halted")


def test_what_a_killed_plan_left_goes_with_down(account: Account, another: Account):
    _plan_and_die(account, "halted")
    assert gone(another, "halted")


def _plan_and_die(account: Account, name: str) -> None:
    """A plan that is killed before it can take its change set back."""
    with (
        pytest.raises(SystemExit),
        before(account, "DescribeChangeSet", _die),
        before(account, "DeleteChangeSet", _die),
    ):
        plan(account, settings(name))


def _die() -> None:
    raise SystemExit


@pytest.mark.parametrize("is_there", [True, False])
def test_a_plan_that_is_interrupted_leaves_nothing(is_there: bool, account: Account):
    if is_there:
        Deploying(account, settings("cut")).run()
    there = inventory(account)
    for operation in ("CreateChangeSet", "DescribeChangeSet"):
        for when in (before, after):
            with pytest.raises(KeyboardInterrupt), when(account, operation, interrupt):
                plan(account, settings("cut", memory_mb=1024))
            assert inventory(account) == there, (operation, when)
    assert gone(account, "cut")


@pytest.mark.parametrize(
    ("operation", "when", "words"),
    [
        ("HeadBucket", before, "There is no stack cut, and nothing goes on"),
        ("CreateStack", before, "There is no stack cut, and nothing goes on"),
        ("CreateStack", after, "stack cut"),  # it goes on, or is done already
        ("DescribeStackEvents", before, "run the same command again to go on, or take it back with lookout stack down"),
        ("provide", None, "without its function, which costs next to nothing: run the same command again"),
        ("CreateChangeSet", before, "without its function"),
        ("CreateChangeSet", after, "without its function"),
        ("DescribeChangeSet", before, "without its function"),
        ("ExecuteChangeSet", before, "without its function"),
        ("ExecuteChangeSet", after, "the stack cut"),
    ],
)
def test_up_may_be_interrupted_at_any_moment(operation: str, when: Callable | None, words: str, account: Account):
    wanted = settings("cut", code=Code())
    deploying = Deploying(account, wanted)

    def provide(_state: object) -> Code:
        if when is None:
            raise KeyboardInterrupt
        return INSTALLED

    with pytest.raises(KeyboardInterrupt):
        if when is None:
            deploying.run(provide)
        else:
            with when(account, operation, interrupt):
                deploying.run(provide)
    assert words in deploying.interrupted()
    assert not any(entry.startswith("change set") for entry in inventory(account))
    Deploying(account, wanted).run(lambda _state: INSTALLED)
    assert "function cut" in inventory(account)
    assert gone(account, "cut")


def test_down_may_be_interrupted_at_any_moment(account: Account):
    for operation, when in (("DeleteStack", before), ("DeleteStack", after), ("ListObjectVersions", after)):
        Deploying(account, settings("cut")).run()
        with pytest.raises(KeyboardInterrupt), when(account, operation, interrupt):
            Removing(account, Names("cut")).run()
        assert gone(account, "cut")


def test_of_two_who_make_a_stack_at_once_one_is_told_and_does_nothing(account: Account, another: Account):
    def other_is_first() -> None:
        assert Deploying(another, settings("race", memory_mb=1024)).run().is_new

    with before(account, "CreateStack", other_is_first), pytest.raises(StackError, match="somebody else works on"):
        Deploying(account, settings("race")).run()
    assert account.functions.get_function_configuration(FunctionName="race")["MemorySize"] == 1024
    assert not any(entry.startswith("change set") for entry in inventory(account))
    assert gone(account, "race")


def test_what_another_makes_at_this_moment_is_no_name_that_is_taken(account: Account, another: Account):
    """Between the look at the stack and the look at its names: else one would be told to delete the other's table."""

    def other_is_first() -> None:
        assert Deploying(another, settings("race", memory_mb=1024)).run().is_new

    with before(account, "DescribeTable", other_is_first), pytest.raises(StackError, match="somebody else works on"):
        Deploying(account, settings("race")).run()
    assert gone(account, "race")


def test_what_was_deleted_by_another_way_is_not_up_to_date(account: Account):
    Deploying(account, settings("robbed")).run()
    account.functions.delete_function(FunctionName="robbed")
    account.dynamodb.delete_table(TableName="robbed-results")
    words = "lacks the .*robbed.* and the .*robbed.*: make it anew with lookout stack down --name robbed, then up"
    with pytest.raises(StackError, match=words):
        Deploying(account, settings("robbed")).run()
    assert gone(account, "robbed")


def test_a_package_that_can_not_be_made_says_what_is_there_by_then(account: Account):
    def fail(_state: object) -> Code:
        raise PackageError("pip can't fetch numpy")

    with pytest.raises(StackError, match=r"pip can't fetch numpy\. .*without its function.*same command again") as told:
        Deploying(account, settings("bare", code=Code())).run(fail)
    assert isinstance(told.value.__cause__, PackageError)
    assert gone(account, "bare")


def test_of_two_who_change_a_stack_at_once_one_is_told_and_does_nothing(account: Account, another: Account):
    Deploying(account, settings("race")).run()

    def other_is_first() -> None:
        assert not Deploying(another, settings("race", memory_mb=1024)).run().nothing_done

    with before(account, "ExecuteChangeSet", other_is_first), pytest.raises(StackError, match="nothing was changed by"):
        Deploying(account, settings("race", memory_mb=2048)).run()
    assert account.functions.get_function_configuration(FunctionName="race")["MemorySize"] == 1024
    assert not any(entry.startswith("change set") for entry in inventory(account))
    assert gone(account, "race")


def test_who_finds_a_stack_at_work_waits_and_goes_on_from_there(account: Account, another: Account):
    """The stack is at work for the first looks; its events are told."""
    Deploying(account, settings("busy")).run()
    told: list[str] = []
    body = (
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>busy</StackName><StackId>busy</StackId>"
        "<StackStatus>UPDATE_IN_PROGRESS</StackStatus><Description>Lookout: x</Description>"
        "<CreationTime>2026-11-25T00:00:00Z</CreationTime></member></Stacks></DescribeStacksResult>"
        "</DescribeStacksResponse>"
    )
    with answered(account, "DescribeStacks", body, times=3):
        outcome = Deploying(account, settings("busy", memory_mb=1024), Dialogue(say=told.append)).run()
    assert [words for words in told if "is being worked on (UPDATE_IN_PROGRESS): waiting" in words]
    assert not outcome.nothing_done
    with (
        answered(account, "DescribeStacks", body, times=1),
        pytest.raises(StackError, match="plan again once it rests"),
    ):
        plan(account, settings("busy"))
    assert gone(account, "busy")


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("operation", ["DescribeStacks", "DescribeStackEvents", "DescribeChangeSet"])
def test_who_is_told_to_slow_down_waits(operation: str, account: Account):
    pauses: list[float] = []
    throttled = refused(account, operation, "Throttling", "Rate exceeded", skip=1, times=40)
    with throttled:
        Deploying(account, settings("slow", code=Code()), sleep=pauses.append).run(lambda _state: INSTALLED)
    assert max(pauses) >= 2.0
    assert "function slow" in inventory(account)
    assert gone(account, "slow")


@pytest.mark.usefixtures("no_pauses")
def test_who_is_told_to_slow_down_for_too_long_is_told_what_goes_on(account: Account):
    pauses: list[float] = []
    with (
        refused(account, "DescribeStackEvents", "Throttling", "Rate exceeded"),
        pytest.raises(CloudError, match="goes on meanwhile: Rate exceeded: AWS is asked too much, so try again in"),
    ):
        Deploying(account, settings("slow"), sleep=pauses.append).run()
    assert 600 <= sum(pauses) < 700
    assert gone(account, "slow")


@pytest.mark.parametrize("operation", ["DescribeStackEvents", "CreateStack", "DescribeChangeSet", "ExecuteChangeSet"])
def test_credentials_that_expire_meanwhile_are_told_of_and_the_same_command_goes_on(operation: str, account: Account):
    wanted = settings("tired", code=Code())
    expired = refused(account, operation, "ExpiredToken", "The security token included in the request is expired")
    words = "have expired.*renew them, and run the same command again"
    with expired, pytest.raises(ExpiredCredentialsError, match=words):
        Deploying(account, wanted).run(lambda _state: INSTALLED)
    Deploying(account, wanted).run(lambda _state: INSTALLED)
    assert not any(entry.startswith("change set") for entry in inventory(account))
    assert gone(account, "tired")


def test_credentials_that_expire_while_all_calls_are_refused_are_told_of_once(account: Account):
    """The plan can't even be cleared away then: the first error is the one that is told."""
    Deploying(account, settings("tired")).run()
    expired = refused(account, "*", "ExpiredToken", "expired", skip=4)
    with expired, pytest.raises(ExpiredCredentialsError) as caught:
        Deploying(account, settings("tired", memory_mb=1024)).run()
    assert "asking what would change" in str(caught.value)
    Deploying(account, settings("tired", memory_mb=1024)).run()
    assert gone(account, "tired")


@pytest.mark.usefixtures("no_pauses")
def test_ten_calls_that_are_throttled_in_a_row_end_nothing(account: Account):
    """Those that change something, which are made again by botocore alone."""
    wanted = settings("patient", code=Code())
    with (
        refused(account, "CreateStack", "Throttling", "Rate exceeded", times=10),
        refused(account, "CreateChangeSet", "Throttling", "Rate exceeded", times=10),
        refused(account, "ExecuteChangeSet", "Throttling", "Rate exceeded", times=10),
    ):
        assert Deploying(account, wanted).run(lambda _state: INSTALLED).is_new
    account.s3.put_object(Bucket="patient-000000000000-us-east-1", Key="1.txt", Body=b"x")
    with (
        refused(account, "DeleteObjects", "SlowDown", "Reduce your request rate", times=10),
        refused(account, "DeleteStack", "Throttling", "Rate exceeded", times=10),
        refused(account, "GetResources", "ThrottledException", "Rate exceeded", times=10, json=True),
    ):
        assert gone(account, "patient")


@pytest.mark.usefixtures("no_pauses")
def test_an_account_that_can_not_be_reached_any_more_is_told_of(account: Account):
    from botocore.exceptions import EndpointConnectionError

    def unreachable() -> None:
        raise EndpointConnectionError(endpoint_url="https://cloudformation")

    pauses: list[float] = []
    with (
        before(account, "DescribeStackEvents", unreachable, times=10**6),
        pytest.raises(UnreachableError, match="goes on meanwhile: the cloud does not answer"),
    ):
        Deploying(account, settings("away"), sleep=pauses.append).run()
    assert gone(account, "away")


TAKEN = {
    "bucket": ("taken-000000000000-us-east-1", lambda a, name: a.s3.create_bucket(Bucket=name)),
    "table": (
        "taken-results",
        lambda a, name: a.dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        ),
    ),
    "log group": ("/aws/lambda/taken", lambda a, name: a.logs.create_log_group(logGroupName=name)),
    "queue": ("taken-failures", lambda a, name: a.queues.create_queue(QueueName=name)),
    "image repository": ("taken", lambda a, name: a.images.create_repository(repositoryName=name)),
    "alarm": (
        "taken-errors",
        lambda a, name: a.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="N",
            MetricName="M",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Period=60,
            Threshold=1,
            Statistic="Sum",
        ),
    ),
    "function": (
        "taken",
        lambda a, name: a.functions.create_function(
            FunctionName=name, Role="arn:aws:iam::000000000000:role/r", Code={"ImageUri": "i"}, PackageType="Image"
        ),
    ),
}
FREE = {
    "bucket": lambda a, name: a.s3.delete_bucket(Bucket=name),
    "table": lambda a, name: a.dynamodb.delete_table(TableName=name),
    "log group": lambda a, name: a.logs.delete_log_group(logGroupName=name),
    "queue": lambda a, name: a.queues.delete_queue(QueueUrl=a.queues.get_queue_url(QueueName=name)["QueueUrl"]),
    "image repository": lambda a, name: a.images.delete_repository(repositoryName=name),
    "alarm": lambda a, name: a.cloudwatch.delete_alarms(AlarmNames=[name]),
    "function": lambda a, name: a.functions.delete_function(FunctionName=name),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_a_name_that_is_taken_is_told_of_before_anything_is_made(kind: str, account: Account):
    name, take = TAKEN[kind]
    take(account, name)
    there, calls = inventory(account), Calls(account)
    with pytest.raises(
        StackError, match=f"the {kind} {name} is there already, and belongs to no stack taken: delete it"
    ):
        Deploying(account, settings("taken")).run()
    with pytest.raises(StackError, match=f"the {kind} {name} is there already"):
        plan(account, settings("taken"))
    assert "CreateStack" not in calls.writes
    assert inventory(account) == there
    left = Removing(account, Names("taken")).run()
    assert [one.resource.name for one in left.unknown] == [name]
    assert left.is_complete  # it is nobody's business of ours
    assert inventory(account) == there
    FREE[kind](account, name)


def test_a_bucket_of_another_account_is_told_of(account: Account, variables: dict[str, str]):
    theirs = account_of_emulator({**variables, "AWS_ACCESS_KEY_ID": "111111111111"})
    bucket = "foreign-000000000000-us-east-1"
    theirs.s3.create_bucket(Bucket=bucket)
    with pytest.raises(StackError, match=f"the bucket {bucket} is taken, by another AWS account or in another region"):
        Deploying(account, settings("foreign")).run()
    assert of_stack(account, "foreign") == set()
    theirs.s3.delete_bucket(Bucket=bucket)


def test_a_name_that_is_taken_only_then_is_told_of_by_cloudformation(account: Account):
    bucket = "late-000000000000-us-east-1"
    with (
        before(account, "CreateStack", lambda: account.s3.create_bucket(Bucket=bucket)),
        pytest.raises(StackError, match=r"Bucket.*already exists.*is there outside of the stack: delete it"),
    ):
        Deploying(account, settings("late")).run()
    assert gone(account, "late") is False  # the bucket has the stack's name
    assert of_stack(account, "late") == {f"bucket {bucket}"}
    account.s3.delete_bucket(Bucket=bucket)


def test_what_keeps_coming_while_a_bucket_is_emptied_goes_too(account: Account):
    Deploying(account, settings("rain")).run()
    bucket = "rain-000000000000-us-east-1"
    s3 = account_of_emulator(_variables(account)).s3
    rain = iter(range(100))

    def put() -> None:
        s3.put_object(Bucket=bucket, Key=f"{next(rain)}.txt", Body=b"x")

    with before(account, "ListMultipartUploads", put, times=4):
        assert gone(account, "rain")
    assert next(rain) >= 4


def test_a_bucket_that_never_gets_empty_is_told_of(account: Account):
    Deploying(account, settings("flood")).run()
    bucket = "flood-000000000000-us-east-1"
    s3 = account_of_emulator(_variables(account)).s3

    def put() -> None:
        s3.put_object(Bucket=bucket, Key="again.txt", Body=b"x")

    flood = before(account, "ListMultipartUploads", put, times=1000)
    with flood, pytest.raises(StackError, match=r"does not get empty.*stop who sends images, and run the same command"):
        Removing(account, Names("flood")).run()
    assert status(account, "flood") == "CREATE_COMPLETE"
    assert gone(account, "flood")


def _variables(account: Account) -> dict[str, str]:
    keys = account.session.get_credentials()
    return {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_REGION": account.region,
        "AWS_ENDPOINT_URL": account.endpoint,
    }


def test_a_deletion_that_fails_says_why_and_works_once_the_reason_is_gone(account: Account):
    """An alarm that another one hangs on can't be deleted."""
    Deploying(account, settings("stuck")).run()
    account.cloudwatch.put_composite_alarm(AlarmName="hangs-on", AlarmRule='ALARM("stuck-errors")')
    calls = Calls(account)
    removal = Removing(account, Names("stuck")).run()
    assert calls.writes == ["DeleteStack"] * 3
    assert "could not delete the stack stuck (DELETE_FAILED): ErrorAlarm: " in removal.failure
    assert [one.resource.kind for one in removal.left] == ["AWS::CloudWatch::Alarm"]
    assert "composite alarm" in removal.left[0].why
    with pytest.raises(StackError, match=r"could not be .*ErrorAlarm.*: finish that with lookout stack down"):
        Deploying(account, settings("stuck")).run()
    with pytest.raises(StackError, match="finish that with lookout stack down --name stuck"):
        plan(account, settings("stuck"))
    account.cloudwatch.delete_alarms(AlarmNames=["hangs-on"])
    assert gone(account, "stuck")


def test_a_stack_that_is_protected_is_not_emptied(
    account: Account, use_template: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
):
    """CloudFormation refuses only the deletion itself, when all that the stack holds would be gone."""
    Deploying(account, settings("guarded")).run()
    bucket = "guarded-000000000000-us-east-1"
    account.s3.put_object(Bucket=bucket, Key="kept.txt", Body=b"x")
    protect(account, "guarded", True)
    there, asked = inventory(account), list[str]()
    with pytest.raises(StackError, match=r"guarded is protected from being deleted.*lift that with aws cloudformation"):
        Removing(account, Names("guarded"), Dialogue(ask=asked.append)).run()
    assert account.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert inventory(account) == there
    assert asked == []
    protect(account, "guarded", False)
    assert gone(account, "guarded")

    use_template(broken("Bucket"))
    with pytest.raises(StackError):
        Deploying(account, settings("guarded")).run()
    protect(account, "guarded", True)
    monkeypatch.undo()
    with pytest.raises(StackError, match="guarded is protected from being deleted"):
        Deploying(account, settings("guarded")).run()
    protect(account, "guarded", False)
    assert gone(account, "guarded")


def protect(account: Account, name: str, enabled: bool) -> None:
    account.cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=enabled)


def test_errors_are_sentences(account: Account):
    """What AWS refuses outright passes with what was being done."""
    with (
        refused(account, "CreateStack", "AccessDenied", "User x is not authorized"),
        pytest.raises(LookoutError) as caught,
    ):
        Deploying(account, settings("denied")).run()
    assert str(caught.value) == "making the stack denied: User x is not authorized"
