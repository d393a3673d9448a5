"""The policies of docs/aws.md: they allow what CloudFormation and Lookout call for a person, by name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")
pytest.importorskip("cfnlint", reason="the linter of templates is not installed")

from helpers.aws_calls import actions_called
from helpers.templates import listed, registered, template
from lookout.cloud.template import Names

DOCS = Path(__file__).parents[1] / "docs"
DEPLOY, USE = (json.loads((DOCS / name).read_text("utf-8")) for name in ("aws-policy.json", "aws-policy-use.json"))
PLACEHOLDERS = {"ACCOUNT", "REGION", "STACK", "BUCKET", "TABLE", "FUNCTION", "REPOSITORY"}

# What the handlers of CloudFormation call for properties that the template does not have.
NOT_CALLED = {
    "a key of the account's own": "kms:*",
    "a private network, file systems": "ec2:* elasticfilesystem:* s3files:*",
    "code signing, layers, versions, other ways to run": """
        lambda:*CodeSigningConfig lambda:GetLayerVersion lambda:PublishVersion lambda:PassCapacityProvider
        lambda:PutFunctionScalingConfig lambda:PutFunctionRecursionConfig lambda:PutRuntimeManagementConfig
        lambda:AssociateRuntimeAlias""",
    "managed policies, boundaries and a description of the role": """
        iam:*RolePermissionsBoundary iam:AttachRolePolicy iam:DetachRolePolicy iam:UpdateRoleDescription""",
    "replicas, streams, imports, policies of the table": """
        kinesis:* iam:CreateServiceLinkedRole dynamodb:*TableReplica dynamodb:*KinesisStreamingDestination
        dynamodb:*Import* dynamodb:PutResourcePolicy dynamodb:DeleteResourcePolicy dynamodb:UpdateContributorInsights
        dynamodb:*Item dynamodb:Query dynamodb:Scan""",
    "data protection, indexes, deliveries, keys of the log group": """
        firehose:* s3:REST.PUT.OBJECT logs:CreateLogDelivery logs:*KmsKey logs:*DataProtectionPolicy
        logs:*IndexPolicy logs:*ResourcePolicy logs:PutBearerTokenAuthentication logs:PutLogGroupDeletionProtection
        logs:*LogStream logs:DescribeLogStreams logs:PutLogEvents logs:DeleteRetentionPolicy""",
    "other settings of buckets": """
        s3tables:* s3:*MetadataTableConfiguration s3:UpdateBucketMetadata* s3:*Acl s3:GetObjectMetadata
        s3:PutBucketAbac s3:*Accelerate* s3:*Analytics* s3:*CORS s3:*Cors s3:*Logging s3:*ObjectLockConfiguration
        s3:*Replication* s3:PutBucketVersioning s3:*Website s3:*IntelligentTiering* s3:*Inventory* s3:*Metrics*
        s3:DeleteBucketLifecycle s3:DeleteBucketEncryption""",
}


def granted(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in listed(statement["Action"])}


def called_by_handlers(*kinds: str) -> set[str]:
    types = {resource["Type"] for resource in template()["Resources"].values()}
    return {
        action
        for resource_type in types
        for kind in kinds
        for action in registered(resource_type)["handlers"].get(kind, {}).get("permissions", [])
    }


def is_called(action: str) -> bool:
    return not any(fnmatchcase(action, pattern) for patterns in NOT_CALLED.values() for pattern in patterns.split())


def filled(policy: dict[str, Any], names: Names, region: str = "eu-central-1") -> dict[str, Any]:
    """A policy with the names of a stack, as docs/aws.md has it done."""
    account = "123456789012"
    values = {
        "BUCKET": names.bucket or f"{names.stack}-{account}-{region}",
        "TABLE": names.table or f"{names.stack}-results",
        "FUNCTION": names.function or names.stack,
        "REPOSITORY": names.repository or names.stack,
        "STACK": names.stack,
        "ACCOUNT": account,
        "REGION": region,
    }
    return json.loads(re.sub(r"\b[A-Z]{5,}\b", lambda found: values[found[0]], json.dumps(policy)))


def test_whoever_deploys_may_do_all_that_cloudformation_does_for_them():
    wanted = {action for action in called_by_handlers("create", "update", "delete") if is_called(action)}
    assert wanted - granted(DEPLOY) == set()


def test_whoever_makes_a_function_of_an_image_may_let_lambda_read_it():
    """As Lambda's own documentation has it, of the repository whose policy the template sets."""
    wanted = {"BatchGetImage", "GetDownloadUrlForLayer", "GetRepositoryPolicy", "SetRepositoryPolicy"}
    assert {f"ecr:{name}" for name in wanted} <= granted(DEPLOY)


def test_whoever_looks_after_a_stack_may_see_whether_it_is_as_it_was_made():
    """CloudFormation reads every setting to tell a drift, also those that the template does not have."""
    never = {action for action in called_by_handlers("read") if action.startswith(("kms:", "s3tables:"))}
    assert called_by_handlers("read") - never - granted(USE) == set()


def refused(called: dict[str, list[list[str]]], allowed: set[str]) -> dict[str, list[list[str]]]:
    """What is called and not allowed; one service's is enough where several have a method of that name."""
    return {method: ways for method, ways in called.items() if not any(set(actions) <= allowed for actions in ways)}


def test_what_lookout_calls_is_allowed_to_whoever_has_both_policies():
    assert refused(actions_called(), granted(DEPLOY) | granted(USE)) == {}


@pytest.mark.parametrize("package", ["lookout.executions", "lookout.comparison"])
def test_images_are_offloaded_with_the_smaller_policy_alone(package: str):
    assert refused(actions_called(package), granted(USE)) == {}


def test_the_source_was_read():
    assert {"create_stack", "list_object_versions", "invoke", "filter_log_events"} <= set(actions_called())
    assert {"head_object", "invoke", "batch_get_item"} <= set(actions_called("lookout.executions"))
    assert refused(actions_called(), set()).keys() == actions_called().keys() - {"get_caller_identity"}


@pytest.mark.parametrize("policy", [DEPLOY, USE], ids=["deploy", "use"])
class TestEachPolicy:
    def test_no_action_is_a_wildcard_and_each_exists(self, policy: dict):
        known = known_actions()
        assert [action for action in granted(policy) if action.lower() not in known] == []

    def test_any_resource_is_meant_only_where_aws_knows_none(self, policy: dict):
        known = {**known_actions(), "cloudwatch:getmetricdata": []}  # the metrics of a function are no data set
        for statement in policy["Statement"]:
            if "*" in listed(statement["Resource"]):
                assert [action for action in listed(statement["Action"]) if known[action.lower()]] == []

    def test_a_resource_is_named_and_a_wildcard_stands_for_what_aws_adds_or_lies_in_it(self, policy: dict):
        allowed = (
            r"arn:aws:cloudformation:REGION:ACCOUNT:stack/STACK/\*",  # an identifier
            r"arn:aws:s3:::STACK-artifacts-\*(/\*)?",  # CloudFormation's end of the name; objects
            r"arn:aws:s3:::BUCKET/\*",
            r"arn:aws:lambda:REGION:ACCOUNT:function:FUNCTION:\*",  # versions
            r"arn:aws:logs:REGION:ACCOUNT:log-group:/aws/lambda/FUNCTION:\*",  # streams
            r"arn:aws:iam::ACCOUNT:role/STACK-Role-\*",  # CloudFormation's end of the name
        )
        wild = [
            resource
            for statement in policy["Statement"]
            for resource in listed(statement["Resource"])
            if "*" in resource and resource != "*"
        ]
        assert [resource for resource in wild if not any(re.fullmatch(form, resource) for form in allowed)] == []

    def test_it_is_filled_in_and_fits_into_a_managed_policy(self, policy: dict):
        names = [Names.of("lookout"), Names.of("a" * 30), Names.of_group("g" * 13)]
        for name in names:
            text = re.sub(r"\s", "", json.dumps(filled(policy, name, "ap-southeast-7")))
            assert len(text) <= 6144  # AWS counts no white space
            assert not PLACEHOLDERS & set(re.findall(r"[A-Z]{5,}", text))

    def test_every_statement_is_told_by_its_name(self, policy: dict):
        sids = [statement["Sid"] for statement in policy["Statement"]]
        assert len(set(sids)) == len(sids)
        assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}


def test_a_role_may_be_handed_to_functions_alone():
    (statement,) = (entry for entry in DEPLOY["Statement"] if "iam:PassRole" in listed(entry["Action"]))
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    assert statement["Resource"] == "arn:aws:iam::ACCOUNT:role/STACK-Role-*"
    assert "iam:PassRole" not in granted(USE)


def test_whoever_only_uses_a_stack_can_neither_change_nor_delete_it():
    changing = re.compile(r":(Create|Update|Put|Delete|Set|Add|Remove|Tag|Untag|Purge|Execute|Attach)")
    changed = {action for action in granted(USE) if changing.search(action)}
    assert changed == {"s3:PutObject", "sqs:DeleteMessage"}  # an image to detect; a failure that was sent again


def test_the_document_explains_every_placeholder():
    text = (DOCS / "aws.md").read_text("utf-8")
    assert [name for name in PLACEHOLDERS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("policy", ["aws-policy.json", "aws-policy-use.json"])
def test_the_document_shows_how_to_fill_a_policy_in(policy: str):
    (command,) = re.findall(
        r"^    sed '(.+)' docs/aws-policy.json$", (DOCS / "aws.md").read_text("utf-8"), re.MULTILINE
    )
    sed = shutil.which("sed") or pytest.skip("there is no sed")
    made = subprocess.run([sed, command, str(DOCS / policy)], capture_output=True, text=True, check=True).stdout
    assert json.loads(made) == filled(json.loads((DOCS / policy).read_text("utf-8")), Names.of("lookout"))


def known_actions() -> dict[str, list[str]]:
    """All of IAM's actions, in small letters, and the kinds of resources that each can be narrowed to."""
    specification = resources.files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text("utf-8")
    return {
        f"{service}:{action}": about.get("Resources", [])
        for service, services in json.loads(specification).items()
        for action, about in services["Actions"].items()
    }
