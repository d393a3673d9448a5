"""The emulator as AWS's own client sees it: the contract that ministack, or another control plane, must keep."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

import lookout
from lookout.cloud.emulator import ACCOUNT
from lookout.cloud.emulator.refusals import MOST_EVENT_BYTES, refusal_of

from .conftest import REGION, Emulator, create, fifo, image, running_emulator, wait_for_end

boto3 = pytest.importorskip("boto3")
Config = pytest.importorskip("botocore.config").Config
pytest.importorskip("ministack")
pytest.importorskip("awslambdaric")


RECORD = """
import os
from urllib.parse import unquote_plus
import boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
def handle(event, context):
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        body = boto3.client("s3").get_object(Bucket=record["s3"]["bucket"]["name"], Key=key)["Body"].read()
        table.put_item(Item={"key": key, "body": body.decode(), "request": context.aws_request_id})
"""

TEMPLATE = """
Parameters:
  Handlers: {Type: String}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: results
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: key, AttributeType: S}]
      KeySchema: [{AttributeName: key, KeyType: HASH}]
  Failures:
    Type: AWS::SQS::Queue
    Properties: {QueueName: failures}
  Images:
    Type: AWS::ECR::Repository
    Properties: {RepositoryName: images}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: /aws/lambda/record, RetentionInDays: 7}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: record
      PackageType: Image
      Code: {ImageUri: !Sub "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/images:1"}
      ImageConfig: {Command: [record.handle]}
      Role: !GetAtt Role.Arn
      MemorySize: 1769
      Timeout: 60
      Environment: {Variables: {TABLE: !Ref Table, PYTHONPATH: !Ref Handlers}}
  Retries:
    Type: AWS::Lambda::EventInvokeConfig
    Properties:
      FunctionName: !Ref Function
      Qualifier: $LATEST
      MaximumRetryAttempts: 0
      DestinationConfig: {OnFailure: {Destination: !GetAtt Failures.Arn}}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt Function.Arn
      Action: lambda:InvokeFunction
      Principal: s3.amazonaws.com
      SourceArn: !Sub "arn:aws:s3:::record-${AWS::AccountId}"
  Bucket:
    Type: AWS::S3::Bucket
    DependsOn: Permission
    Properties:
      BucketName: !Sub "record-${AWS::AccountId}"
      NotificationConfiguration:
        LambdaConfigurations: [{Event: "s3:ObjectCreated:*", Function: !GetAtt Function.Arn}]
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Deny
            Principal: "*"
            Action: s3:*
            Resource: !Sub "${Bucket.Arn}/*"
            Condition: {Bool: {"aws:SecureTransport": "false"}}
Outputs:
  Bucket: {Value: !Ref Bucket}
  Function: {Value: !GetAtt Function.Arn}
"""

Client = Callable[[str], Any]
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Iterator[Client]:
    """Makes clients that know the endpoint, the region and the keys, and nothing else."""
    session = boto3.Session(ACCOUNT, "emulator", region_name=REGION)
    made: dict[str, Any] = {}

    def make(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, endpoint_url=emulator.endpoint)
        return made[service]

    yield make
    for each in made.values():
        each.close()


@pytest.fixture(scope="module")
def stack(client: Client, handlers: Path) -> dict[str, str]:
    """The stack's outputs."""
    (handlers / "record.py").write_text(RECORD)
    formation = client("cloudformation")
    parameters = [{"ParameterKey": "Handlers", "ParameterValue": str(handlers)}]
    formation.create_stack(
        StackName="all", TemplateBody=TEMPLATE, Parameters=parameters, Capabilities=["CAPABILITY_IAM"]
    )
    formation.get_waiter("stack_create_complete").wait(StackName="all", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
    described = formation.describe_stacks(StackName="all")["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def eventually(question: Callable[[], Any]) -> Any:
    """The first answer that is true, asked for until a generous deadline."""
    deadline_s = time.monotonic() + 30
    while not (found := question()):
        assert time.monotonic() < deadline_s, "nothing came"
        time.sleep(0.02)
    return found


def reports(client: Client, name: str) -> list[str]:
    found = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="REPORT")
    return [event["message"] for event in found["events"]]


@pytest.mark.parametrize("key", ["images/1/plain.jpg", "a b/ü 照片 +1%20&=?#.jpg"])
def test_an_upload_becomes_an_item(client: Client, stack: dict[str, str], key: str) -> None:
    client("s3").put_object(Bucket=stack["Bucket"], Key=key, Body=b"content")
    get_item = client("dynamodb").get_item
    item = eventually(lambda: get_item(TableName="results", Key={"key": {"S": key}}).get("Item"))
    assert item["body"] == {"S": "content"}
    request_id = item["request"]["S"]
    # The log is written after the function has ended.
    line = eventually(lambda: [line for line in reports(client, "record") if request_id in line])[0]
    fields = [field.partition(":")[0] for field in line.split("\t")]
    assert fields[:5] == [
        "REPORT RequestId",
        "Duration",
        "Billed Duration",
        "Memory Size",
        "Max Memory Used",
    ]


def test_the_stack_has_what_the_template_says(client: Client, stack: dict[str, str]) -> None:
    function = client("lambda").get_function(FunctionName="record")
    assert function["Configuration"]["PackageType"] == "Image"
    assert function["Configuration"]["MemorySize"] == 1769
    assert function["Configuration"]["Timeout"] == 60
    assert function["Code"]["ImageUri"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/images:1"
    command = function["Configuration"]["ImageConfigResponse"]["ImageConfig"]["Command"]
    assert command == ["record.handle"]
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/record")["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [7]
    retries = client("lambda").get_function_event_invoke_config(FunctionName="record", Qualifier="$LATEST")
    assert retries["MaximumRetryAttempts"] == 0


def test_an_event_that_fails_ends_in_the_queue(client: Client, stack: dict[str, str]) -> None:
    client("lambda").invoke(FunctionName="record", InvocationType="Event", Payload=b'{"no": "records"}')
    url = client("sqs").get_queue_url(QueueName="failures")["QueueUrl"]
    receive = client("sqs").receive_message
    received = eventually(lambda: receive(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))
    message = json.loads(received[0]["Body"])
    assert message["requestPayload"] == {"no": "records"}
    assert message["responsePayload"]["errorType"] == "KeyError"


def call(client: Client, name: str, event: object = None) -> tuple[str | None, Any]:
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def send(functions: Any, name: str, event: object) -> None:
    """Invoke asynchronously."""
    answer = functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    assert answer["StatusCode"] == 202
    answer["Payload"].read()  # frees the connection


def test_functions_answer_or_fail_or_return_nothing(client: Client, handlers: Path) -> None:
    for name in ("echo", "fail", "nothing", "exit"):
        create(client("lambda"), name, **image(handlers, f"handlers.{name}"))
    error, answer = call(client, "echo", {"a": [1, "ü"]})
    assert error is None
    assert answer["event"] == {"a": [1, "ü"]}
    error, answer = call(client, "fail")
    assert (error, answer["errorType"]) == ("Unhandled", "ValueError")
    assert call(client, "nothing") == (None, None)
    error, answer = call(client, "exit", 3)
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ExitError")


def test_a_function_that_is_updated_runs_anew(client: Client, handlers: Path) -> None:
    create(client("lambda"), "changing", **image(handlers, "handlers.describe"))
    assert call(client, "changing")[1]["memory"] == "1769"
    client("lambda").update_function_configuration(FunctionName="changing", MemorySize=1024)
    waiter = client("lambda").get_waiter("function_updated_v2")
    waiter.wait(FunctionName="changing", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
    assert call(client, "changing")[1]["memory"] == "1024"


def test_an_image_without_a_command(client: Client, handlers: Path) -> None:
    create(client("lambda"), "empty", **image(handlers))
    error, answer = call(client, "empty")
    assert error == "Unhandled"
    assert answer["errorType"] == "Runtime.InvalidEntrypoint"


def test_a_sandbox_can_import_lookout(client: Client, handlers: Path) -> None:
    (handlers / "imports.py").write_text("import lookout\ndef handle(event, context):\n  return lookout.__file__")
    create(client("lambda"), "imports", **image(handlers, "imports.handle"))
    assert call(client, "imports") == (None, lookout.__file__)


def test_a_zip_runs_as_well(client: Client) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("package/module.py", "def handle(event, context):\n  return [event, __file__]")
    code = {"ZipFile": archive.getvalue()}
    create(client("lambda"), "zipped", Runtime="python3.12", Handler="package.module.handle", Code=code)
    error, (event, file) = call(client, "zipped", 1)
    assert (error, event) == (None, 1)
    assert file.endswith("/package/module.py")
    create(client("lambda"), "foreign", Runtime="nodejs22.x", Handler="a.b", Code=code)
    assert call(client, "foreign")[1]["errorType"] == "Runtime.Unsupported"


def test_a_zip_may_have_to_hold_all_that_it_needs(client: Client) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("vendored.py", "NAME = 'in the zip'")
        files.writestr(
            "module.py",
            "import importlib.util, vendored\n"
            "def handle(event, context):\n"
            "    return [vendored.NAME] + [name for name in event if importlib.util.find_spec(name)]",
        )
    code = {"ZipFile": archive.getvalue()}
    alone = {"Variables": {"LOOKOUT_EMULATOR_ISOLATED": "1"}}
    create(client("lambda"), "alone", Runtime="python3.12", Handler="module.handle", Code=code, Environment=alone)
    names = ["json", "numpy", "lookout", "boto3", "awslambdaric"]
    assert call(client, "alone", names) == (None, ["in the zip", "json", "boto3", "awslambdaric"])
    create(client("lambda"), "together", Runtime="python3.12", Handler="module.handle", Code=code)
    assert call(client, "together", names) == (None, ["in the zip", *names])


def test_over_the_concurrency_limit_callers_are_throttled_and_events_wait(handlers: Path, tmp_path: Path) -> None:
    with running_emulator(concurrency=1) as emulator, ThreadPoolExecutor(1) as pool:
        functions = emulator.client("lambda")
        create(functions, "wait", **image(handlers, "handlers.wait"))
        create(functions, "nothing", **image(handlers, "handlers.nothing"))
        first, second = fifo(tmp_path, "first"), fifo(tmp_path, "second")
        running = pool.submit(functions.invoke, FunctionName="wait", Payload=json.dumps(first))
        with Path(first).open("w"):  # opens when the handler has its end
            once = emulator.client("lambda", ONCE)
            with pytest.raises(once.exceptions.TooManyRequestsException) as caught:
                once.invoke(FunctionName="nothing")
            once.close()
            response = caught.value.response
            assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
            assert response["Reason"] == "ConcurrentInvocationLimitExceeded"
            send(functions, "wait", second)
        assert isinstance(json.loads(running.result()["Payload"].read()), int)
        with Path(second).open("w"):  # the event has come to the handler
            pass
        functions.close()
        emulator.stop()


def test_reserved_concurrency_of_none_throttles_all_until_it_is_lifted(
    client: Client, emulator: Emulator, handlers: Path
) -> None:
    functions = client("lambda")
    client("logs").create_log_group(logGroupName="/aws/lambda/reserved")
    create(functions, "reserved", **image(handlers, "handlers.nothing"))
    functions.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    once = emulator.client("lambda", ONCE)
    with pytest.raises(once.exceptions.TooManyRequestsException):
        once.invoke(FunctionName="reserved")
    once.close()
    send(functions, "reserved", 7)
    functions.delete_function_concurrency(FunctionName="reserved")
    eventually(lambda: reports(client, "reserved"))


RESERVING = """
Parameters:
  Handlers: {Type: String}
  Reserved: {Type: String}
Conditions:
  Reserves: !Not [!Equals [!Ref Reserved, ""]]
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: reserving
      PackageType: Image
      Code: {ImageUri: "any:thing"}
      ImageConfig: {Command: [handlers.wait]}
      Role: !Sub "arn:aws:iam::${AWS::AccountId}:role/any"
      MemorySize: 1769
      Timeout: 60
      ReservedConcurrentExecutions: !If [Reserves, !Ref Reserved, !Ref "AWS::NoValue"]
      Environment: {Variables: {PYTHONPATH: !Ref Handlers}}
"""


def test_a_template_reserves_concurrency(client: Client, emulator: Emulator, handlers: Path, tmp_path: Path) -> None:
    formation, functions = client("cloudformation"), client("lambda")
    once = emulator.client("lambda", ONCE)

    def deploy(call: Callable[..., Any], reserved: str, status: str) -> None:
        values = {"Handlers": str(handlers), "Reserved": reserved}
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
        call(StackName="reserving", TemplateBody=RESERVING, Parameters=parameters)
        waiter = formation.get_waiter(status)
        waiter.wait(StackName="reserving", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})

    def reserved() -> int | None:
        return functions.get_function_concurrency(FunctionName="reserving").get("ReservedConcurrentExecutions")

    deploy(formation.create_stack, "1", "stack_create_complete")
    assert reserved() == 1
    first, second, third = (fifo(tmp_path, name) for name in ("first", "second", "third"))
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(functions.invoke, FunctionName="reserving", Payload=json.dumps(first))
        with Path(first).open("w"):  # opens when the handler has its end
            with pytest.raises(once.exceptions.TooManyRequestsException) as caught:
                once.invoke(FunctionName="reserving", Payload=json.dumps(third))
            assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
            send(functions, "reserving", second)
        running.result()["Payload"].read()
        with Path(second).open("w"):  # the event has come to the handler
            pass
        deploy(formation.update_stack, "2", "stack_update_complete")
        assert reserved() == 2
        deploy(formation.update_stack, "", "stack_update_complete")
        assert reserved() is None
    once.close()


def test_sandboxes_of_a_function_that_is_gone_or_another_end(client: Client, handlers: Path) -> None:
    functions, pids = client("lambda"), []
    for name in ("deleted", "updated"):
        create(functions, name, **image(handlers, "handlers.echo"))
        pids.append(call(client, name)[1]["pid"])
    functions.delete_function(FunctionName="deleted")
    functions.update_function_configuration(FunctionName="updated", MemorySize=1024)
    for pid in pids:
        wait_for_end(pid)


def test_what_the_host_cannot_run_is_told_in_the_functions_log_and_on_standard_error(
    handlers: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with running_emulator(variables={"TMPDIR": str(tmp_path)}, errors=log, retry_base_s=0.2) as emulator:
        functions, logs = emulator.client("lambda"), emulator.client("logs")
        logs.create_log_group(logGroupName="/aws/lambda/nothing")
        create(functions, "nothing", **image(handlers, "handlers.nothing"))
        (workspace,) = tmp_path.glob("lookout-emulator-*")
        aside = workspace.rename(tmp_path / "aside")  # in place of a disk that is full
        send(functions, "nothing", 7)

        def told(words: str) -> list[str]:
            found = logs.filter_log_events(logGroupName="/aws/lambda/nothing")["events"]
            return [event["message"] for event in found if words in event["message"]]

        report = eventually(lambda: told("REPORT"))[0]
        assert report.endswith("Status: error\tError Type: Runtime.SandboxError")
        assert "unpacked" in told("Error: ")[0]
        assert "nothing can't be unpacked" in log.read_text()
        answer = functions.invoke(FunctionName="nothing")
        assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.SandboxError"
        aside.rename(workspace)
        eventually(lambda: any("Status" not in line for line in told("REPORT")))  # the event was not lost
        functions.close()
        logs.close()
        emulator.stop()


@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
@pytest.mark.parametrize(
    ("payload", "status", "name"),
    [
        (b"no JSON", 400, "InvalidRequestContentException"),
        (b'{"a": NaN}', 400, "InvalidRequestContentException"),
        (b"\xff", 400, "InvalidRequestContentException"),
        (b'"%s"' % (b"x" * 6_291_456), 413, "RequestTooLargeException"),
    ],
)
def test_payloads_that_lambda_does_not_take(
    client: Client, handlers: Path, kind: str, payload: bytes, status: int, name: str
) -> None:
    with pytest.raises(client("lambda").exceptions.ClientError) as caught:
        client("lambda").invoke(FunctionName="any", Payload=payload, InvocationType=kind)
    assert caught.value.response["Error"]["Code"] == name
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_event_may_be_a_million_bytes() -> None:
    payload = b'"%s"' % (b"x" * (MOST_EVENT_BYTES - 2))
    assert refusal_of(payload, is_event=True) is None
    assert refusal_of(payload + b" ", is_event=True) is not None
    assert refusal_of(payload + b" ", is_event=False) is None
    assert refusal_of(b"", is_event=False) is None


def test_versions_share_what_is_reserved_for_their_function(client: Client, emulator: Emulator, handlers: Path) -> None:
    functions, once = client("lambda"), emulator.client("lambda", ONCE)
    create(functions, "versioned", **image(handlers, "handlers.nothing"))
    version = functions.publish_version(FunctionName="versioned")["Version"]
    functions.put_function_concurrency(FunctionName="versioned", ReservedConcurrentExecutions=0)
    with pytest.raises(once.exceptions.TooManyRequestsException):
        once.invoke(FunctionName="versioned", Qualifier=version)
    functions.delete_function_concurrency(FunctionName="versioned")
    assert once.invoke(FunctionName="versioned", Qualifier=version)["Payload"].read() == b"null"
    once.close()


def test_a_dead_letter_queue_gets_the_bare_event(client: Client, handlers: Path) -> None:
    functions, sqs = client("lambda"), client("sqs")
    url = sqs.create_queue(QueueName="letters")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"
    create(functions, "dying", **image(handlers, "handlers.fail"), DeadLetterConfig={"TargetArn": arn})
    functions.put_function_event_invoke_config(FunctionName="dying", MaximumRetryAttempts=0)
    send(functions, "dying", {"a": "ü"})
    wanted = {"QueueUrl": url, "WaitTimeSeconds": 1, "MessageAttributeNames": ["All"]}
    (message,) = eventually(lambda: sqs.receive_message(**wanted).get("Messages"))
    assert json.loads(message["Body"]) == {"a": "ü"}
    told = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert told["ErrorMessage"] == "no such thing"
    assert told["ErrorCode"] == "200"
    assert told["RequestID"] in reports(client, "dying")[0]


def test_retries_share_a_request_id_and_the_record_tells_of_them(handlers: Path) -> None:
    with running_emulator(retry_base_s=0.05) as emulator:
        functions, sqs, logs = (emulator.client(service) for service in ("lambda", "sqs", "logs"))
        url = sqs.create_queue(QueueName="failures")["QueueUrl"]
        create(functions, "failing", **image(handlers, "handlers.fail"))
        destination = {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:failures"}}
        functions.put_function_event_invoke_config(
            FunctionName="failing", Qualifier="$LATEST", DestinationConfig=destination
        )
        send(functions, "failing", {"a": 1})
        receive = sqs.receive_message
        (message,) = eventually(lambda: receive(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))
        told = json.loads(message["Body"])
        context = told["requestContext"]
        assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 3)
        assert told["responsePayload"]["errorMessage"] == "no such thing"
        found = logs.filter_log_events(logGroupName="/aws/lambda/failing", filterPattern="REPORT")["events"]
        assert [context["requestId"] in event["message"] for event in found] == [True] * 3
        for each in (functions, sqs, logs):
            each.close()
        emulator.stop()


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example:4566"}, {"Host": "[evil"}],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("OPTIONS", "/b"), ("POST", "/2015-03-31/functions")])
def test_pages_in_a_browser_are_refused(emulator: Emulator, method: str, path: str, headers: dict[str, str]) -> None:
    plain = {"Content-Type": "text/plain", **headers}
    answer = urllib3.request(method, emulator.endpoint + path, headers=plain, retries=False)
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_this_machines_own_names_are_taken(emulator: Emulator) -> None:
    for host in ("127.0.0.1", "localhost:4566", "[::1]:4566"):
        assert urllib3.request("GET", f"{emulator.endpoint}/_lookout", headers={"Host": host}).status == 200
