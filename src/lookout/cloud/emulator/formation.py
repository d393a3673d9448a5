"""What ministack's CloudFormation lacks.

Reserved concurrency of functions; buckets that have tags, are deleted only when they are empty, and from the disk, too;
an end of what was cut off; and what a change set must know: which resources a condition leaves out, and what makes a
bucket anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Properties = Mapping[str, Any]

_RESERVED = "ReservedConcurrentExecutions"


def complete_formation() -> None:
    """Change ministack so, before it has loaded what it held."""
    from ministack import app
    from ministack.services.cloudformation import changesets, stacks

    changesets._resolve_props_for_diff = _with_conditions(changesets._resolve_props_for_diff)
    stacks._property_recreation = _knowing_buckets(stacks._property_recreation)
    _reserve_for_functions()
    _delete_empty_buckets_for_good()
    _tag_buckets()
    app._load_persisted_state = _then_end_operations(app._load_persisted_state)


def settled(status: str) -> str:
    """What a stack's status is when nobody works on it any more.

    >>> settled("CREATE_IN_PROGRESS"), settled("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), settled("REVIEW_IN_PROGRESS")
    ('CREATE_FAILED', 'UPDATE_COMPLETE', 'REVIEW_IN_PROGRESS')
    """
    if status == "REVIEW_IN_PROGRESS" or not status.endswith("_IN_PROGRESS"):  # the first waits for people
        return status
    if status.endswith("_CLEANUP_IN_PROGRESS"):
        return status.removesuffix("_CLEANUP_IN_PROGRESS")
    return status.removesuffix("IN_PROGRESS") + "FAILED"


def _then_end_operations(load: Callable[[], None]) -> Callable[[], None]:
    def loading() -> None:
        """Load what an emulator held, whose threads that worked on stacks ended with it."""
        from ministack.services import cloudformation

        load()
        for stack in cloudformation._stacks._data.values():
            before = stack.get("StackStatus", "")
            if settled(before) != before:
                stack["StackStatus"] = settled(before)
                stack["StackStatusReason"] = "The emulator ended meanwhile"

    return loading


def _delete_empty_buckets_for_good() -> None:
    """AWS deletes no bucket that holds anything; and one whose folder stays would be there again after a restart."""
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    delete_bucket = handlers["delete"]

    def delete(bucket: str, properties: Properties) -> None:
        held = s3._buckets.get(bucket, {}).get("objects")
        if held or s3._bucket_has_versions(bucket):
            raise ValueError("The bucket you tried to delete is not empty (Service: S3, Status Code: 409)")
        delete_bucket(bucket, properties)
        s3._delete_persisted_bucket(bucket)

    handlers["delete"] = delete


def _tag_buckets() -> None:
    """A bucket has its own tags, the stack's, and those by which AWS tells what CloudFormation made."""
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    provisioners._STACK_TAG_PROPERTY["AWS::S3::Bucket"] = ("Tags", "list")
    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    create_bucket, update_bucket = handlers["create"], handlers["update"]

    def tagged(made: tuple[str, Any], properties: Properties) -> tuple[str, Any]:
        s3._bucket_tags[made[0]] = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
        return made

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, Any]:
        return tagged(create_bucket(logical_id, properties, stack), properties)

    def update(bucket: str, before: Properties, after: Properties, *more: Any) -> tuple[str, Any]:
        return tagged(update_bucket(bucket, before, after, *more), after)

    handlers |= {"create": create, "update": update}


def _reserve_for_functions() -> None:
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create_function, update_function = handlers["create"], handlers["update"]

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, Any]:
        reserved = _reserved(properties)  # before there is a function that nobody would remove
        name, attributes = create_function(logical_id, properties, stack)
        _reserve(name, reserved, lift=False)
        return name, attributes

    def update(function: str, before: Properties, after: Properties, *more: Any) -> tuple[str, Any]:
        reserved = _reserved(after)
        name, attributes = update_function(function, before, after, *more)
        _reserve(name, reserved, lift=_RESERVED in before)
        return name, attributes

    handlers |= {"create": create, "update": update}


def _reserved(properties: Properties) -> int | None:
    reserved = properties.get(_RESERVED)
    try:
        return None if reserved is None else int(reserved)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_RESERVED} is no whole number: {reserved!r}") from error


def _reserve(function: str, reserved: int | None, *, lift: bool) -> None:
    from ministack.services import lambda_svc

    if reserved is not None:
        lambda_svc._put_function_concurrency(function, {_RESERVED: reserved})
    elif lift:
        lambda_svc._delete_function_concurrency(function)


def _with_conditions(resolve: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A change set's resources without those whose condition does not hold: they are not there, or will not be."""
    from ministack.services.cloudformation.engine import _evaluate_conditions

    def resolved(template: dict[str, Any], parameters: dict[str, Any], *of_stack: str) -> dict[str, Any]:
        document = resolve(template, parameters, *of_stack)
        conditions = _evaluate_conditions(template, parameters) if template else {}
        there = {
            name: resource
            for name, resource in document.get("Resources", {}).items()
            if conditions.get(resource.get("Condition"), True)
        }
        return {**document, "Resources": there}

    return resolved


# Of these types, the properties with which a resource must be made anew.
_ANEW = {"AWS::S3::Bucket": {"BucketName"}, "AWS::S3::BucketPolicy": {"Bucket"}}


def _knowing_buckets(recreation: Callable[[str, str], str]) -> Callable[[str, str], str]:
    def told(kind: str, name: str) -> str:
        if kind in _ANEW:
            return "Always" if name in _ANEW[kind] else "Never"
        return recreation(kind, name)

    return told
