"""The template: what its two phases make, and that nothing in it is wider, plainer or longer-lived than it must be."""

from __future__ import annotations

import importlib.resources
import re
from typing import Any

import pytest

pytest.importorskip("cfnlint", reason="the linter of templates is not installed")

from helpers.templates import listed, registered, statements, template
from lookout.cloud.items import EXPIRES, KEY
from lookout.cloud.template import STACK_TAG, Code, Names, StackSettings, parameters, tags, template_body
from lookout.errors import UsageError

RESOURCES: dict[str, Any] = template()["Resources"]
SETTINGS = StackSettings(Names.of("lookout"))
HOLD_DATA = {
    "AWS::ECR::Repository",
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::Logs::LogGroup",
    "AWS::SQS::Queue",
}
NEED_CODE = {"Function", "Retries", "Permission", "ErrorAlarm"}
# Of all regions that anybody can use, these have the longest names.
LONGEST_REGION = "ap-southeast-7"


def values(settings: StackSettings) -> dict[str, str]:
    return {entry["ParameterKey"]: entry["ParameterValue"] for entry in parameters(settings)}


def takes(parameter: str, value: str) -> bool:
    """Whether the template takes this value."""
    about = template()["Parameters"][parameter]
    return (
        re.fullmatch(about.get("AllowedPattern", "(?s).*"), value) is not None
        and about.get("MinLength", 0) <= len(value) <= about.get("MaxLength", 4096)
        and value in map(str, about.get("AllowedValues", [value]))
    )


def test_the_linter_of_templates_finds_nothing():
    from cfnlint.api import ManualArgs, lint

    # Also what it would only remark on; in regions of each of AWS's partitions.
    regions = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]
    assert lint(template_body(), config=ManualArgs(include_checks=["I"], regions=regions)) == []


def test_the_template_can_be_sent_as_it_is():
    assert len(template_body().encode()) < 51_200  # more would have to lie in a bucket first


def test_all_parameters_are_given_in_order():
    assert list(values(SETTINGS)) == list(template()["Parameters"])


def test_settings_and_template_have_the_same_defaults():
    defaults = {name: str(about["Default"]) for name, about in template()["Parameters"].items() if "Default" in about}
    assert {name: value for name, value in values(SETTINGS).items() if name in defaults} == defaults


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        StackSettings(Names.of("a" * 30), Code(zip_key="code/0a.zip", runtime="python3.12"), architecture="arm64"),
        StackSettings(
            Names.of_group("group41"),
            Code("123456789012.dkr.ecr.eu-central-1.amazonaws.com/object-detection-lambda@sha256:0a"),
            role_arn="arn:aws:iam::123456789012:role/LabRole",
            reserved_concurrency=10,
        ),
    ],
)
def test_what_settings_give_the_template_takes(settings: StackSettings):
    assert [name for name, value in values(settings).items() if not takes(name, value)] == []


def test_a_group_has_the_names_of_the_reference():
    given = values(StackSettings(Names.of_group("group41")))
    assert given["Name"] == "object-detection-group41"
    assert given["BucketName"] == "image-bucket-group41"
    assert given["TableName"] == "object-detection-group41"
    assert given["FunctionName"] == "object-detection"
    assert given["RepositoryName"] == "object-detection-lambda"


@pytest.mark.parametrize(
    "name", ["", "a", "a" * 31, "Upper", "1st", "end-", "two--hyphens", "under_score", "dot.dot", "ää", "aa\n"]
)
def test_a_name_that_aws_would_not_take_is_refused_before_anything_is_made(name: str):
    with pytest.raises(UsageError, match="can't be called"):
        Names.of(name)
    assert not takes("Name", name)


@pytest.mark.parametrize("group", ["", "a" * 14, "Group", "group_1", "-a", "a-", "a--b", "a.b", "a\n"])
def test_a_group_that_aws_would_not_take_is_refused(group: str):
    with pytest.raises(UsageError, match="can't be called"):
        Names.of_group(group)


def test_the_longest_name_and_group_fit_into_every_name():
    assert len(f"{'a' * 30}-123456789012-{LONGEST_REGION}") <= 63  # the bucket's
    assert Names.of("a" * 30).stack == "a" * 30
    assert Names.of(Names.of_group("g" * 13).stack).stack == "object-detection-ggggggggggggg"


def test_code_is_an_image_or_a_zip():
    with pytest.raises(ValueError, match="not both"):
        Code(image_uri="image", zip_key="key")


def test_the_first_phase_makes_all_but_what_runs():
    conditions = {name: resource.get("Condition") for name, resource in RESOURCES.items()}
    assert {name for name, condition in conditions.items() if condition == "HasCode"} == NEED_CODE
    assert {name for name, condition in conditions.items() if condition not in (None, "HasCode")} == {"Role"}


def test_nothing_that_always_exists_hangs_on_what_may_not():
    """CloudFormation would refuse it; what the bucket says of the function it says under the same condition."""
    for name, resource in RESOURCES.items():
        assert not NEED_CODE & set(listed(resource.get("DependsOn", []))), name


@pytest.mark.parametrize("name", [name for name in RESOURCES if RESOURCES[name]["Type"] in HOLD_DATA])
def test_nothing_stays_that_the_stack_made(name: str):
    assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Delete"


def test_nothing_else_outlives_the_stack_either():
    assert not [name for name, resource in RESOURCES.items() if resource.get("DeletionPolicy", "Delete") != "Delete"]
    assert RESOURCES["Repository"]["Properties"]["EmptyOnDelete"] is True


@pytest.mark.parametrize("name", RESOURCES)
def test_everything_that_can_be_is_tagged(name: str):
    expected = [{"Key": STACK_TAG, "Value": {"Ref": "AWS::StackName"}}]
    taggable = registered(RESOURCES[name]["Type"])["tagging"]["taggable"]
    assert RESOURCES[name]["Properties"].get("Tags") == (expected if taggable else None)


def test_the_stack_is_tagged_alike():
    assert tags("mine") == [{"Key": STACK_TAG, "Value": "mine"}]


GRANTS = [
    (name, statement)
    for name, resource in RESOURCES.items()
    for statement in statements(resource)
    if statement["Effect"] == "Allow"
]


@pytest.mark.parametrize(("name", "statement"), GRANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_no_action_is_granted_by_a_wildcard(name: str, statement: dict):
    assert not [action for action in listed(statement["Action"]) if "*" in action]
    assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)


@pytest.mark.parametrize(("name", "statement"), GRANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_no_resource_is_named_by_a_wildcard_but_the_objects_of_the_bucket(name: str, statement: dict):
    """A role's trust and a repository's policy name no resource: they are about the one that they are of."""
    named = [text_of(resource) for resource in listed(statement.get("Resource", []))]
    assert [text for text in named if "*" in text] == (
        ["arn:${AWS::Partition}:s3:::${Called}/*"] if "s3:GetObject" in statement["Action"] else []
    )
    assert bool(named) == (statement["Action"] != "sts:AssumeRole" and name != "Repository")


def text_of(value: Any) -> str:
    """What a resource is named by: text, ``Fn::Sub``'s text, or what another function refers to."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    return str(listed(argument)[0]) if function == "Fn::Sub" else f"{function} {argument}"


def test_whoever_is_not_aws_itself_is_granted_nothing():
    principals = [statement["Principal"] for _, statement in GRANTS if "Principal" in statement]
    assert principals == [{"Service": "lambda.amazonaws.com"}] * 2
    permission = RESOURCES["Permission"]["Properties"]
    assert (permission["Principal"], permission["Action"]) == ("s3.amazonaws.com", "lambda:InvokeFunction")
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert text_of(permission["SourceArn"]) == "arn:${AWS::Partition}:s3:::${Called}"


@pytest.mark.parametrize("name", ["ArtifactsPolicy", "BucketPolicy", "FailureQueuePolicy"])
def test_what_comes_unencrypted_is_refused(name: str):
    (statement,) = statements(RESOURCES[name])
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Action"] in ("s3:*", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("name", ["Artifacts", "Bucket"])
def test_a_bucket_is_private_and_encrypted(name: str):
    about = RESOURCES[name]["Properties"]
    assert set(about["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(about["PublicAccessBlockConfiguration"]) == 4
    assert about["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = about["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert "CorsConfiguration" not in about


def test_uploads_expire_and_what_was_broken_off_does_so_soon():
    uploads, unfinished = RESOURCES["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    condition, expire, never = uploads["Fn::If"]
    assert (condition, never) == ("UploadsExpire", {"Ref": "AWS::NoValue"})
    assert (expire["Status"], expire["ExpirationInDays"]) == ("Enabled", {"Ref": "ExpireDays"})
    assert expire["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert RESOURCES["Artifacts"]["Properties"]["LifecycleConfiguration"]["Rules"] == [unfinished]
    assert unfinished["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_results_and_failures_are_encrypted_and_results_can_be_brought_back():
    table, queue = RESOURCES["Table"]["Properties"], RESOURCES["FailureQueue"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_what_fails_is_tried_twice_more_and_kept_and_told():
    retries, alarm = RESOURCES["Retries"]["Properties"], RESOURCES["ErrorAlarm"]["Properties"]
    assert retries["MaximumRetryAttempts"] == 2
    assert retries["DestinationConfig"]["OnFailure"] == {"Destination": {"Fn::GetAtt": ["FailureQueue", "Arn"]}}
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/Lambda", "Errors", "Sum")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    assert alarm["TreatMissingData"] == "notBreaching"


def test_table_and_function_agree():
    table = RESOURCES["Table"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": EXPIRES, "Enabled": True}
    assert table["KeySchema"] == [{"AttributeName": KEY, "KeyType": "HASH"}]
    handler = (importlib.resources.files("lookout.apps") / "handler.py").read_text("utf-8")
    asked_for = set(re.findall(r'environment(?:\.get\(|\[)"(LOOKOUT_\w+)"', handler))
    given = set(RESOURCES["Function"]["Properties"]["Environment"]["Variables"])
    assert {variable for variable in given if variable.startswith("LOOKOUT_")} == asked_for
    assert len(asked_for) == 6


def test_every_finding_of_the_security_linter_that_is_passed_over_has_its_reason():
    """See ``make lint-cloud``."""
    skipped = [
        entry
        for resource in RESOURCES.values()
        for entry in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert len(skipped) > 5
    assert all(len(entry["comment"]) > 30 for entry in skipped)
