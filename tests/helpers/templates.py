"""The template as data, and stacks of it made without anything of Lookout's but the template and its parameters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from lookout.cloud.template import StackSettings, parameters, tags, template_body

ACTIVE = "_IN_PROGRESS"


@cache
def template() -> Mapping[str, Any]:
    """The template, with the short forms of its functions written out (``!Ref X`` as ``{"Ref": "X"}``)."""
    from cfnlint.decode import decode_str

    decoded, faults = decode_str(template_body())
    assert not faults
    return decoded


def statements(value: Any) -> Iterator[Mapping[str, Any]]:
    """All statements of all policies in there."""
    if isinstance(value, Mapping):
        if "Effect" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from statements(entry)


def listed(value: Any) -> list[Any]:
    """What a policy names, which may be one or a list."""
    return value if isinstance(value, list) else [value]


def registered(resource_type: str) -> Mapping[str, Any]:
    """What CloudFormation's registry says of a type, as the linter has it: its tags, and what its handlers call."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    return PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema


def deploy(account: Any, settings: StackSettings) -> dict[str, str]:
    """Make a stack or bring it to these settings, and give its outputs."""
    client, name = account.cloudformation, settings.names.stack
    known = [stack["StackName"] for stack in client.describe_stacks()["Stacks"]]
    (client.update_stack if name in known else client.create_stack)(
        StackName=name,
        TemplateBody=template_body(),
        Parameters=parameters(settings),
        Capabilities=["CAPABILITY_IAM"],
        Tags=tags(name),
    )
    deadline = time.monotonic() + 60
    while (stack := client.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"].endswith(ACTIVE):
        assert time.monotonic() < deadline, stack
        time.sleep(0.05)
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), reasons(client, name)
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def reasons(client: Any, name: str) -> list[str]:
    """Why resources failed."""
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in events]


def resources(account: Any, name: str) -> dict[str, str]:
    """The types of a stack's resources, by logical id."""
    pages = account.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        resource["LogicalResourceId"]: resource["ResourceType"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if not resource["ResourceStatus"].startswith("DELETE")
    }
