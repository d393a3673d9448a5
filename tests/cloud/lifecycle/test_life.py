"""A stack's life on the emulator: made, changed, planned, deleted; each step is looked for in the account itself."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from helpers.stacks import Calls, before, inventory, of_stack, settings
from lookout.cloud.account import Account
from lookout.cloud.lifecycle.changes import Action
from lookout.cloud.lifecycle.deploying import Deploying
from lookout.cloud.lifecycle.dialogue import Dialogue
from lookout.cloud.lifecycle.planning import FIRST, SECOND, plan
from lookout.cloud.lifecycle.presence import named_resources
from lookout.cloud.lifecycle.removing import Removing, resources_of
from lookout.cloud.lifecycle.stack_state import StackState, look
from lookout.cloud.stack import Stack
from lookout.cloud.template import Code, Names, template_body
from lookout.errors import StackError

ALL = {"stack", "bucket", "table", "function", "log group", "queue", "role", "repository", "alarm"}


def kinds(entries: set[str]) -> set[str]:
    return {kind for entry in entries for kind in ALL if entry.startswith(f"{kind} ")}


def memory(account: Account, function: str) -> int:
    return account.functions.get_function_configuration(FunctionName=function)["MemorySize"]


def remove(account: Account, name: str) -> None:
    removal = Removing(account, Names(name)).run()
    assert removal.is_complete, removal
    assert not removal.unsearched


def zip_of_nothing(state: StackState, account: Account) -> Code:
    """A package, put where the stack takes it from."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("nothing.py", "")
    account.s3.put_object(Bucket=state.outputs["Artifacts"], Key="code/0.zip", Body=data.getvalue())
    return Code(zip_key="code/0.zip", runtime="python3.13")


def test_up_makes_all_and_again_nothing_and_then_what_changed(account: Account):
    calls = Calls(account)
    made = Deploying(account, settings("grows")).run()
    assert made.is_new
    assert calls.writes == ["CreateStack"]
    assert kinds(of_stack(account, "grows")) == ALL
    assert memory(account, "grows") == 512

    calls.made.clear()
    again = Deploying(account, settings("grows")).run()
    assert again.nothing_done
    assert calls.writes == []

    changed = Deploying(account, settings("grows", memory_mb=1024, model_folder="/opt/other", model="other 1")).run()
    assert "Function" in {change.resource for change in changed.changes}
    assert not any(change.loses for change in changed.changes if change.kind != "AWS::Lambda::Permission")
    assert memory(account, "grows") == 1024
    variables = account.functions.get_function_configuration(FunctionName="grows")["Environment"]["Variables"]
    assert variables["LOOKOUT_MODEL"] == "/opt/other"
    assert not Deploying(account, settings("grows")).run().nothing_done  # settings that are not given are the defaults
    remove(account, "grows")


def test_the_names_that_are_looked_for_are_those_that_the_template_makes(account: Account):
    for names in (Names.of("called"), Names.of_group("g7")):
        Deploying(account, replace(settings("called"), names=names)).run()
        held = {resource.id: resource for resource in resources_of(account, names.stack)}
        wanted = named_resources(names, account.account_id(), account.region)
        assert {one.id: one.name for one in wanted} == {one.id: held[one.id].called for one in wanted}
        assert {one.kind for one in wanted} <= {one.kind for one in held.values()}
        assert Removing(account, names).run().is_complete


def test_a_package_is_provided_once_there_is_a_place_for_it(account: Account):
    seen: list[set[str]] = []

    def provide(state: StackState) -> Code:
        seen.append(kinds(of_stack(account, "phased")))
        return zip_of_nothing(state, account)

    wanted = settings("phased", code=Code())
    assert Deploying(account, wanted).run(provide).is_new
    assert seen == [ALL - {"function", "alarm"}]
    assert kinds(of_stack(account, "phased")) == ALL
    assert account.functions.get_function_configuration(FunctionName="phased")["PackageType"] == "Zip"
    assert Deploying(account, wanted).run(provide).nothing_done
    remove(account, "phased")


def test_from_an_image_to_a_zip_and_back_nothing_is_lost(account: Account):
    Deploying(account, settings("turns")).run()
    deployment = Stack(account, "turns").find()
    account.dynamodb.put_item(TableName=deployment.table, Item={"image-url": {"S": "kept"}})
    asked: list[str] = []
    dialogue = Dialogue(ask=asked.append)
    for wanted, kind in ((settings("turns", code=Code()), "Zip"), (settings("turns"), "Image")):
        planned = plan(account, replace(wanted, code=Code(zip_key="code/0.zip")) if kind == "Zip" else wanted)
        assert [phase.title for phase in planned.phases] == [FIRST, SECOND]
        assert {c.resource for c in planned.phases[0].changes if c.action is Action.REMOVE} == {
            *("Function", "Retries", "Permission", "ErrorAlarm")
        }
        assert {c.resource for c in planned.phases[1].changes if c.action is Action.ADD} == {
            *("Function", "Retries", "Permission", "ErrorAlarm")
        }
        Deploying(account, wanted, dialogue).run(lambda state: zip_of_nothing(state, account))
        assert account.functions.get_function_configuration(FunctionName="turns")["PackageType"] == kind
    assert asked == []
    assert account.dynamodb.scan(TableName=deployment.table)["Count"] == 1
    notified = account.s3.get_bucket_notification_configuration(Bucket=deployment.bucket)
    assert len(notified["LambdaFunctionConfigurations"]) == 1
    remove(account, "turns")


def test_a_plan_of_a_new_stack_has_both_phases_and_leaves_nothing(account: Account):
    there = inventory(account)
    planned = plan(account, settings("planned", code=Code(zip_key="code/0.zip")), in_phases=True)
    first, second = ({change.resource for change in phase.changes} for phase in planned.phases)
    assert {change.action for phase in planned.phases for change in phase.changes} == {Action.ADD}
    assert second == {"Function", "Retries", "Permission", "ErrorAlarm"}
    assert {"Bucket", "Table", "Repository", "Artifacts", "Role"} <= first
    assert not first & second
    assert inventory(account) == there
    with_role = plan(account, settings("planned", role_arn="arn:aws:iam::000000000000:role/LabRole"))
    assert "Role" not in {change.resource for change in with_role.phases[0].changes}
    assert inventory(account) == there


def test_a_plan_of_a_stack_that_is_there_says_what_changes_and_leaves_nothing(account: Account):
    Deploying(account, settings("plans")).run()
    there = inventory(account)
    assert plan(account, settings("plans")).is_empty
    planned = plan(account, settings("plans", memory_mb=2048))
    assert planned.settings == {"Memory": ("512", "2048")}
    (function,) = (change for change in planned.phases[0].changes if change.resource == "Function")
    assert (function.action, function.details) == (Action.CHANGE, ("MemorySize",))
    assert not planned.losses
    assert inventory(account) == there
    assert memory(account, "plans") == 512
    remove(account, "plans")


def test_a_plan_of_a_replacement_counts_what_would_be_lost_and_up_asks(account: Account):
    Deploying(account, settings("moves")).run()
    old = Stack(account, "moves").find()
    for number in range(3):
        account.s3.put_object(Bucket=old.bucket, Key=f"{number}.txt", Body=b"x")
    for number in range(2):
        account.dynamodb.put_item(TableName=old.table, Item={"image-url": {"S": str(number)}})
    moved = replace(settings("moves"), names=Names("moves", bucket="moved-elsewhere", table="moved-elsewhere"))
    planned = plan(account, moved)
    actions = {change.resource: change.action for phase in planned.phases for change in phase.changes}
    assert actions["Bucket"] is actions["Table"] is Action.REPLACE
    assert [loss.described() for loss in planned.losses if loss.resource.id == "Bucket"] == [
        f"3 images in the bucket {old.bucket}"
    ]
    (results,) = (loss for loss in planned.losses if loss.resource.id == "Table")
    assert results.count >= 2

    def decline(question: str) -> None:
        assert f"3 images in the bucket {old.bucket}" in question
        raise StackError("declined")

    there = inventory(account)
    with pytest.raises(StackError, match="declined"):
        Deploying(account, moved, Dialogue(ask=decline)).run()
    assert inventory(account) == there

    asked: list[str] = []
    Deploying(account, moved, Dialogue(ask=asked.append)).run()
    assert len(asked) == 1
    buckets = {entry for entry in inventory(account) if entry.startswith("bucket ")}
    assert "bucket moved-elsewhere" in buckets
    assert f"bucket {old.bucket}" not in buckets
    assert f"table {old.table}" not in inventory(account)
    assert Removing(account, moved.names).run().is_complete


def test_images_that_are_to_expire_sooner_are_asked_about(account: Account):
    asked: list[str] = []

    def expire(days: int, **changes: int) -> None:
        Deploying(account, settings("expires", expire_days=days, **changes), Dialogue(ask=asked.append)).run()

    expire(0)
    expire(30)
    assert asked == []  # it holds none
    account.s3.put_object(Bucket=Stack(account, "expires").find().bucket, Key="1.txt", Body=b"x")
    expire(60)
    expire(60, memory_mb=1024)
    expire(0)
    assert asked == []
    expire(30)
    expire(1)
    assert [words.partition(" expire ")[2] for words in asked] == [
        "after 30 days, in place of never? It holds 1 image in the bucket expires-000000000000-us-east-1.",
        "after a day, in place of 30 days? It holds 1 image in the bucket expires-000000000000-us-east-1.",
    ]
    remove(account, "expires")


def test_what_holds_nothing_is_replaced_unasked(account: Account):
    Deploying(account, settings("empty")).run()
    asked: list[str] = []
    moved = replace(settings("empty"), names=Names("empty", table="emptied-elsewhere"))
    Deploying(account, moved, Dialogue(ask=asked.append)).run()
    assert asked == []
    assert Removing(account, moved.names).run().is_complete


def test_on_aws_it_is_asked_before_the_first_is_made_and_never_for_settings(account: Account):
    """The emulator stands for AWS here: nothing of it asks, or is asked, for being an emulator."""
    aws = replace(account, emulated=False)
    questions: list[str] = []

    def decline(question: str) -> None:
        questions.append(question)
        raise StackError("declined")

    with pytest.raises(StackError, match="declined"):
        Deploying(aws, settings("asks"), Dialogue(ask=decline), place="AWS account 1, here").run()
    assert questions == ["Make the stack asks in AWS account 1, here?"]
    assert of_stack(account, "asks") == set()
    pauses: list[float] = []
    agreed = Dialogue(ask=questions.append)
    assert Deploying(aws, settings("asks"), agreed, sleep=pauses.append).run().is_new
    assert not Deploying(aws, settings("asks", memory_mb=1024), agreed, sleep=pauses.append).run().nothing_done
    assert len(questions) == 2
    assert set(pauses) <= {1.0, 3.0}
    remove(account, "asks")


def test_a_stack_of_a_lookout_that_did_not_package_gets_a_place_for_it(account: Account, use_template):
    """As a stack from before: no artifact bucket, no tag, an image."""
    body = template_body()
    start, end = body.index("\n  Artifacts:\n"), body.index("\n  # --- Where results")
    old = body[:start] + body[end:]
    old = old.replace("  Artifacts: { Value: !Ref Artifacts }\n", "").replace(
        "{ S3Bucket: !Ref Artifacts, S3Key", "{ S3Key"
    )
    use_template(old)
    Deploying(account, settings("older")).run()
    assert "Artifacts" not in look(account, "older").outputs
    use_template(body)
    memories: list[int] = []

    def provide(state: StackState) -> Code:
        memories.append(memory(account, "older"))  # the function is there meanwhile
        return zip_of_nothing(state, account)

    Deploying(account, settings("older", code=Code(), memory_mb=1024)).run(provide)
    assert memories == [1024]
    assert account.functions.get_function_configuration(FunctionName="older")["PackageType"] == "Zip"
    remove(account, "older")


def push_image(account: Account, repository: str, number: int) -> None:
    manifest = f'{{"schemaVersion": 2, "config": {{"digest": "sha256:{number:064}"}}, "layers": []}}'
    account.images.put_image(repositoryName=repository, imageManifest=manifest, imageTag=str(number))


def test_down_empties_all_before_it_deletes(account: Account):
    """CloudFormation deletes no bucket that holds anything; the emulator passes over unfinished uploads and images."""
    Deploying(account, settings("full")).run()
    deployment, s3 = Stack(account, "full").find(), account.s3
    state = {one.id: one.name for one in resources_of(account, "full")}
    for bucket in (deployment.bucket, state["Artifacts"]):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for key in ("a.txt", "a.txt", "b/ü&?.txt", "c"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        s3.delete_object(Bucket=bucket, Key="c")
        upload = s3.create_multipart_upload(Bucket=bucket, Key="part")["UploadId"]
        s3.upload_part(Bucket=bucket, Key="part", UploadId=upload, PartNumber=1, Body=b"y")
    for number in range(3):
        push_image(account, state["Repository"], number)
    account.queues.send_message(QueueUrl=deployment.failure_queue, MessageBody="failed")

    held: list[Any] = []

    def look() -> None:
        for bucket in (deployment.bucket, state["Artifacts"]):
            versions = s3.list_object_versions(Bucket=bucket)
            held.append([versions.get("Versions"), versions.get("DeleteMarkers")])
            held.append(s3.list_multipart_uploads(Bucket=bucket).get("Uploads"))
        held.append(account.images.list_images(repositoryName=state["Repository"])["imageIds"])
        held.append(account.queues.receive_message(QueueUrl=deployment.failure_queue).get("Messages"))

    look()
    assert all(held)
    held.clear()
    asked: list[str] = []
    with before(account, "DeleteStack", look):
        removal = Removing(account, Names("full"), Dialogue(ask=asked.append)).run()
    assert [entry for entry in held if entry and any(entry)] == []
    assert len(held) == 6
    assert removal.is_complete
    assert "3 container images" in asked[0]
    assert "4 images in the bucket" in asked[0]  # two of them are versions of one key, one is under a delete marker
    assert of_stack(account, "full") == set()


def test_down_twice_and_of_what_never_was(account: Account):
    Deploying(account, settings("twice")).run()
    assert Removing(account, Names("twice")).run().existed
    calls = Calls(account)
    again = Removing(account, Names("twice")).run()
    assert again.is_complete
    assert not again.existed
    assert calls.writes == []


def test_a_stack_of_somebody_elses_is_left_alone(account: Account):
    body = "Resources: {Queue: {Type: 'AWS::SQS::Queue', Properties: {QueueName: theirs}}}"
    account.cloudformation.create_stack(StackName="theirs", TemplateBody=body)
    there = inventory(account)
    for act in (
        lambda: Deploying(account, settings("theirs")).run(),
        lambda: plan(account, settings("theirs")),
        lambda: Removing(account, Names("theirs")).run(),
    ):
        with pytest.raises(StackError, match="a stack theirs that Lookout did not make"):
            act()
    assert inventory(account) == there
    account.cloudformation.delete_stack(StackName="theirs")
