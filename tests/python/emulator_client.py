#!/usr/bin/env python3
"""Asserts, with boto3, that a stand-in for AWS CodeConnections answers as AWS does.

    python emulator_client.py http://127.0.0.1:PORT [--denies-role-in ACCOUNT]
        [--denied ACCOUNT/REGION] [--not-enabled ACCOUNT/REGION] [--legacy-arns]

Every answer is checked twice: by botocore's own parser, and raw (as it came over
the wire, decoded but not filtered) against the output shape of the service
model: required members, types, enumerations, lengths, patterns, and no member
that the model does not know.

Accounts are drawn at random, so the script can be run again on the same server.
"""

import argparse
import json
import random
import re
import urllib.request

import boto3
import botocore.model
import botocore.utils
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import RpcV2CBORParser

NO_RETRIES = Config(retries={"total_max_attempts": 1})
CBOR = "smithy-rpc-v2-cbor"
PROTOCOLS = [
    ("codeconnections", CBOR),
    ("codeconnections", "json"),
    ("codestar-connections", "json"),
]


def prefer(protocol):
    """Makes botocore speak a protocol wherever the service has it. By itself it
    prefers JSON; the Rust SDK, and others, speak CBOR."""
    known = botocore.utils.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS
    botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS = (protocol, *known)


class Mismatch(AssertionError):
    """An answer that the service model does not allow."""


def check_shape(shape, value, where):
    """Holds a raw value against a shape of the service model."""

    def fail(why):
        raise Mismatch(f"{where}: {value!r}: {why}")

    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            fail("not a structure")
        if unknown := set(value) - set(shape.members):
            fail(f"unknown members {unknown}")
        if missing := set(shape.required_members) - set(value):
            fail(f"missing members {missing}")
        for name, member in value.items():
            if member is None:
                fail(f"null member {name}")
            check_shape(shape.members[name], member, f"{where}.{name}")
        return
    if kind == "list":
        if not isinstance(value, list):
            fail("not a list")
        size = len(value)
        for index, item in enumerate(value):
            check_shape(shape.member, item, f"{where}[{index}]")
    elif kind == "map":
        if not isinstance(value, dict):
            fail("not a map")
        size = len(value)
        for key, item in value.items():
            check_shape(shape.key, key, f"{where} key")
            check_shape(shape.value, item, f"{where}[{key!r}]")
    elif kind == "string":
        if not isinstance(value, str):
            fail("not a string")
        size = len(value)
        if shape.enum and value not in shape.enum:
            fail(f"not one of {shape.enum}")
        # Python has no classes of Unicode such as \p{L}.
        pattern = shape.metadata.get("pattern")
        if pattern and "\\p{" not in pattern and not re.fullmatch(pattern, value, re.ASCII):
            fail(f"does not match {pattern}")
    elif kind == "integer":
        if not isinstance(value, int) or isinstance(value, bool):
            fail("not an integer")
        size = value
    elif kind == "timestamp":
        # Seconds since 1970, as JSON has them by default.
        iso = shape.serialization.get("timestampFormat") == "iso8601"
        if not isinstance(value, str if iso else (int, float)):
            fail("not a timestamp")
        return
    elif kind == "boolean":
        if not isinstance(value, bool):
            fail("not a boolean")
        return
    else:
        raise NotImplementedError(kind)
    if size < shape.metadata.get("min", size) or size > shape.metadata.get("max", size):
        fail("outside the bounds of the model")


class Checked:
    """A client whose every answer is held against the model, raw."""

    def __init__(self, service, url, account, region="eu-west-1", validate=True, **credentials):
        credentials = credentials or {
            "aws_access_key_id": account,
            "aws_secret_access_key": "secret",
        }
        self.client = boto3.client(
            service,
            endpoint_url=url,
            region_name=region,
            config=NO_RETRIES.merge(Config(parameter_validation=validate)),
            **credentials,
        )
        self.service = service
        self.exceptions = self.client.exceptions
        self.answers = 0
        model = self.client.meta.service_model
        self.cbor = model.resolved_protocol == CBOR
        self.client.meta.events.register("before-parse", self._check)

    def _check(self, operation_model, response_dict, **_):
        headers = response_dict["headers"]
        assert headers.get("x-amzn-requestid"), headers
        body = response_dict["body"]
        if self.cbor:
            assert headers["content-type"] == "application/cbor", headers
            assert headers["smithy-protocol"] == "rpc-v2-cbor", headers
            raw = RpcV2CBORParser()._initial_body_parse(body)
        else:
            assert headers["content-type"] == "application/x-amz-json-1.0", headers
            raw = json.loads(body)
        where = operation_model.name
        self.answers += 1
        if response_dict["status_code"] < 300:
            check_shape(operation_model.output_shape, raw, where)
            return
        namespace, code = raw.pop("__type").split("#")
        if not self.cbor:
            assert headers["x-amzn-errortype"] == code, headers
        if namespace.startswith("com.amazonaws."):
            declared = [shape.name for shape in operation_model.error_shapes]
            assert code in declared, f"{where} does not declare {code}"
            shape = operation_model.service_model.shape_for(code)
            check_shape(shape, raw, f"{where}!{code}")
            status = shape.metadata.get("error", {}).get("httpStatusCode", 400)
            assert response_dict["status_code"] == status, response_dict
        else:
            assert set(raw) == {"message"} and raw["message"], raw

    def __getattr__(self, name):
        return getattr(self.client, name)


def refused(code, call, *words, **arguments):
    """Asserts that a call fails with an error code (and words in its message)."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, found
        assert all(word in found["Message"] for word in words), found
        assert error.response["ResponseMetadata"]["RequestId"]
        return error
    raise AssertionError(f"{code} expected, got {answer}")


def new_account():
    return "".join(random.choices("0123456789", k=12))


def post(url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def connections(service, url, legacy):
    account = new_account()
    client = Checked(service, url, account)
    prefix = service if legacy else "codeconnections"
    assert client.list_connections()["Connections"] == []

    arns = []
    for name, provider in [("one", "GitHub"), ("two", "GitLab"), ("three ✓", "Bitbucket")]:
        made = client.create_connection(
            ConnectionName=name, ProviderType=provider, Tags=[{"Key": "k", "Value": name}]
        )
        assert made["Tags"] == [{"Key": "k", "Value": name}]
        arns.append(made["ConnectionArn"])
        assert re.fullmatch(
            rf"arn:aws:{prefix}:eu-west-1:{account}:connection/[0-9a-f-]{{36}}", arns[-1]
        ), arns[-1]

    shown = client.get_connection(ConnectionArn=arns[0])["Connection"]
    assert shown == {
        "ConnectionName": "one",
        "ConnectionArn": arns[0],
        "ProviderType": "GitHub",
        "OwnerAccountId": account,
        "ConnectionStatus": "PENDING",
    }, shown

    # Paging, one by one: each exactly once, in order, and an end.
    seen, token, pages = [], None, 0
    while True:
        more = {"NextToken": token} if token else {}
        page = client.list_connections(MaxResults=1, **more)
        seen += [c["ConnectionArn"] for c in page["Connections"]]
        pages += 1
        token = page.get("NextToken")
        if not token:
            break
    assert seen == arns and pages == 3, (seen, pages)
    assert len(client.list_connections(MaxResults=0)["Connections"]) == 3

    # Another region lists them too; another account does not.
    elsewhere = Checked(service, url, account, region="us-east-2")
    assert len(elsewhere.list_connections()["Connections"]) == 3
    assert Checked(service, url, new_account()).list_connections()["Connections"] == []
    first = client.list_connections(MaxResults=1)
    refused(
        "ValidationException",
        elsewhere.list_connections,
        "NextToken",
        NextToken=first["NextToken"],
    )
    refused("ValidationException", client.list_connections, NextToken="made-up")

    found = client.list_connections(ProviderTypeFilter="GitLab")["Connections"]
    assert [c["ConnectionName"] for c in found] == ["two"]

    post(f"{url}/_standin/status", {"arn": arns[0], "status": "AVAILABLE"})
    shown = client.get_connection(ConnectionArn=arns[0])["Connection"]
    assert shown["ConnectionStatus"] == "AVAILABLE"
    post(f"{url}/_standin/status", {"arn": arns[1], "status": "ERROR"})
    shown = client.get_connection(ConnectionArn=arns[1])["Connection"]
    assert shown["ConnectionStatus"] == "ERROR"
    # A member that no model has is shown all the same, by each protocol.
    post(f"{url}/_standin/members", {"arn": arns[0], "members": {"Tier": {"n": [1, None]}}})
    for call, arguments in [
        (client.get_connection, {"ConnectionArn": arns[0]}),
        (client.list_connections, {}),
    ]:
        try:
            call(**arguments)
        except Mismatch as mismatch:
            assert "'Tier': {'n': [1, None]}" in str(mismatch), mismatch
        else:
            raise AssertionError("the member is not shown")
    post(f"{url}/_standin/members", {"arn": arns[0], "members": {"Tier": None}})
    if "ProviderEndpoint" in client.client.meta.service_model.shape_for("Connection").members:
        endpoint = "https://acme.ghe.com"
        made = client.create_connection(
            ConnectionName="tenant",
            ProviderType="GitHubEnterpriseCloudDataResidency",
            ProviderEndpoint=endpoint,
        )["ConnectionArn"]
        shown = client.get_connection(ConnectionArn=made)["Connection"]
        assert shown["ProviderEndpoint"] == endpoint, shown
        client.delete_connection(ConnectionArn=made)
    other = new_account()
    post(f"{url}/_standin/share", {"arn": arns[0], "account": other})
    shared = Checked(service, url, other)
    (only,) = shared.list_connections()["Connections"]
    assert (only["ConnectionArn"], only["OwnerAccountId"]) == (arns[0], account)
    refused("AccessDeniedException", shared.delete_connection, ConnectionArn=arns[0])
    with urllib.request.urlopen(f"{url}/_standin/connections") as response:
        known = {c["ConnectionArn"] for c in json.load(response)["connections"]}
    assert known.issuperset(arns)

    client.delete_connection(ConnectionArn=arns[1])
    for call in (client.get_connection, client.delete_connection):
        error = refused("ResourceNotFoundException", call, arns[1], ConnectionArn=arns[1])
        assert isinstance(error, client.exceptions.ResourceNotFoundException)
    assert len(client.list_connections()["Connections"]) == 2
    return client


def hosts(service, url, legacy):
    account = new_account()
    client = Checked(service, url, account)
    prefix = service if legacy else "codeconnections"
    if service != prefix:
        # The older model's outputs only know ARNs with the older prefix.
        return client
    vpc = {
        "VpcId": "vpc-01234567",
        "SubnetIds": ["subnet-0123456789abcdef0"],
        "SecurityGroupIds": ["sg-01234567"],
    }
    made = client.create_host(
        Name="ghes",
        ProviderType="GitHubEnterpriseServer",
        ProviderEndpoint="https://ghes.example.com",
        VpcConfiguration=vpc,
        Tags=[{"Key": "a", "Value": ""}],
    )
    arn = made["HostArn"]
    assert re.fullmatch(rf"arn:aws:{prefix}:eu-west-1:{account}:host/ghes-[0-9a-f]{{8}}", arn)
    shown = client.get_host(HostArn=arn)
    assert shown["Status"] == "PENDING" and shown["VpcConfiguration"] == vpc, shown
    client.update_host(HostArn=arn, ProviderEndpoint="https://new.example.com")
    assert client.get_host(HostArn=arn)["ProviderEndpoint"] == "https://new.example.com"
    client.create_host(Name="h2", ProviderType="GitLabSelfManaged", ProviderEndpoint="https://x")
    page = client.list_hosts(MaxResults=1)
    rest = client.list_hosts(NextToken=page["NextToken"])
    assert [h["Name"] for h in page["Hosts"] + rest["Hosts"]] == ["ghes", "h2"]
    assert "NextToken" not in rest
    assert Checked(service, url, account, region="us-east-1").list_hosts()["Hosts"] == []

    through = client.create_connection(ConnectionName="c", HostArn=arn)["ConnectionArn"]
    client.create_connection(ConnectionName="d", ProviderType="GitHub")
    shown = client.get_connection(ConnectionArn=through)["Connection"]
    assert (shown["HostArn"], shown["ProviderType"]) == (arn, "GitHubEnterpriseServer")
    found = client.list_connections(HostArnFilter=arn)["Connections"]
    assert [c["ConnectionArn"] for c in found] == [through]
    refused("ResourceUnavailableException", client.delete_host, HostArn=arn)
    client.delete_connection(ConnectionArn=through)
    client.delete_host(HostArn=arn)
    for call, arguments in [
        (client.get_host, {"HostArn": arn}),
        (client.delete_host, {"HostArn": arn}),
        (client.update_host, {"HostArn": arn}),
        (client.list_connections, {"HostArnFilter": arn}),
        (client.create_connection, {"ConnectionName": "e", "HostArn": arn}),
    ]:
        error = refused("ResourceNotFoundException", call, **arguments)
        assert isinstance(error, client.exceptions.ResourceNotFoundException)
    return client


def repository_links(service, url, legacy):
    account = new_account()
    client = Checked(service, url, account)
    prefix = service if legacy else "codeconnections"
    if service != prefix:
        return client
    arn = client.create_connection(ConnectionName="c", ProviderType="GitLab")["ConnectionArn"]
    link = {"ConnectionArn": arn, "OwnerId": "acme", "RepositoryName": "r0"}
    made = client.create_repository_link(**link, Tags=[{"Key": "k", "Value": "v"}])
    first = made["RepositoryLinkInfo"]
    assert first["ProviderType"] == "GitLab" and first["OwnerId"] == "acme", first
    assert first["RepositoryLinkArn"].endswith(f":repository-link/{first['RepositoryLinkId']}")
    tags = client.list_tags_for_resource(ResourceArn=first["RepositoryLinkArn"])["Tags"]
    assert tags == [{"Key": "k", "Value": "v"}], tags
    refused("ResourceAlreadyExistsException", client.create_repository_link, "acme/r0", **link)
    if service == "codeconnections":
        # The older model declares no error for it, nor for an unknown link below.
        unknown = link | {"ConnectionArn": arn + "x"}
        refused("ResourceNotFoundException", client.create_repository_link, **unknown)
    for number in (1, 2):
        client.create_repository_link(**link | {"RepositoryName": f"r{number}"})
    page = client.list_repository_links(MaxResults=2)
    rest = client.list_repository_links(MaxResults=2, NextToken=page["NextToken"])
    names = [one["RepositoryName"] for one in page["RepositoryLinks"] + rest["RepositoryLinks"]]
    assert names == ["r0", "r1", "r2"] and "NextToken" not in rest, (page, rest)
    elsewhere = Checked(service, url, account, region="us-east-1")
    assert elsewhere.list_repository_links()["RepositoryLinks"] == []
    refused(
        "ValidationException", elsewhere.list_repository_links, NextToken=page["NextToken"]
    )

    of_link = {"RepositoryLinkId": first["RepositoryLinkId"], "SyncType": "CFN_STACK_SYNC"}
    assert client.list_sync_configurations(**of_link)["SyncConfigurations"] == []
    configuration = of_link | {
        "Branch": "main",
        "ConfigFile": "deploy.yaml",
        "ResourceName": "stack-0",
        "RoleArn": SAMPLES["IamRoleArn"],
        "TriggerResourceUpdateOn": "FILE_CHANGE",
    }
    made = client.create_sync_configuration(**configuration)["SyncConfiguration"]
    expected = configuration | {
        "OwnerId": "acme",
        "ProviderType": "GitLab",
        "RepositoryName": "r0",
    }
    assert made == expected, made
    refused(
        "ResourceAlreadyExistsException",
        client.create_sync_configuration,
        "stack-0",
        **configuration,
    )
    client.create_sync_configuration(**configuration | {"ResourceName": "stack-1"})
    page = client.list_sync_configurations(MaxResults=1, **of_link)
    rest = client.list_sync_configurations(NextToken=page["NextToken"], **of_link)
    stacks = page["SyncConfigurations"] + rest["SyncConfigurations"]
    assert [one["ResourceName"] for one in stacks] == ["stack-0", "stack-1"], stacks
    assert "NextToken" not in rest, rest
    other = {"RepositoryLinkId": SAMPLES["RepositoryLinkId"]}
    refused("ResourceNotFoundException", client.list_sync_configurations, **of_link | other)
    refused("ResourceNotFoundException", elsewhere.list_sync_configurations, **of_link)
    if service == "codeconnections":
        refused(
            "ResourceNotFoundException",
            client.create_sync_configuration,
            **configuration | other,
        )
    return client


def tags(service, url):
    client = Checked(service, url, new_account())
    arn = client.create_connection(ConnectionName="t", ProviderType="GitHub")["ConnectionArn"]
    client.tag_resource(
        ResourceArn=arn, Tags=[{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}]
    )
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "3"}])
    listed = client.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert listed == [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}], listed
    client.untag_resource(ResourceArn=arn, TagKeys=["a", "absent"])
    assert len(client.list_tags_for_resource(ResourceArn=arn)["Tags"]) == 1
    many = [{"Key": f"k{i}", "Value": ""} for i in range(50)]
    error = refused("LimitExceededException", client.tag_resource, ResourceArn=arn, Tags=many)
    assert isinstance(error, client.exceptions.LimitExceededException)
    refused(
        "ResourceNotFoundException",
        client.list_tags_for_resource,
        ResourceArn=arn[:-1] + "~",
    )
    return client


def refusals(service, url):
    client = Checked(service, url, new_account())
    try:
        client.create_connection(ConnectionName="x" * 33)
        # botocore checks no maxima, so this one is for the service to refuse.
        raise AssertionError("too long a name was taken")
    except ClientError as error:
        assert error.response["Error"]["Message"] == (
            f"1 validation error detected: Value '{'x' * 33}' at 'connectionName' failed to "
            "satisfy constraint: Member must have length less than or equal to 32"
        ), error
    try:
        client.create_connection()
        raise AssertionError("no name was taken")
    except ParamValidationError:
        pass
    refused("ValidationException", client.create_connection, ConnectionName="x")
    refused("ValidationException", client.list_connections, ProviderTypeFilter="Gopher")
    refused("ValidationException", client.list_connections, MaxResults=101)
    refused("ValidationException", client.get_connection, ConnectionArn="no-arn")
    client.create_connection(ConnectionName="x", ProviderType="GitHub")
    refused(
        "ValidationException",
        client.create_connection,
        "already exists",
        ConnectionName="x",
        ProviderType="GitHub",
    )
    refused(
        "UnknownOperationException",
        client.get_repository_link,
        "emulator",
        RepositoryLinkId=SAMPLES["RepositoryLinkId"],
    )
    return client


SAMPLES = {
    "RepositoryLinkId": "12345678-1234-1234-1234-123456789012",
    "IamRoleArn": "arn:aws:iam::111122223333:role/sync",
    "KmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/1234",
    "AmazonResourceName": "arn:aws:codeconnections:eu-west-1:111122223333:connection/x",
    "ConnectionArn": "arn:aws:codeconnections:eu-west-1:111122223333:connection/x",
    "HostArn": "arn:aws:codeconnections:eu-west-1:111122223333:host/x",
    "VpcId": "vpc-01234567",
    "SubnetId": "subnet-01234567",
    "SecurityGroupId": "sg-01234567",
}


def sample(shape):
    """The least value that the model allows for a shape."""
    if shape.type_name == "structure":
        return {name: sample(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "integer":
        return shape.metadata["min"]
    return shape.enum[0] if shape.enum else SAMPLES.get(shape.name, "x")


def breaches(shape, path=""):
    """Values that break one constraint of the model each, with the path of the
    culprit and the words the refusal must have."""
    bounds, kind = shape.metadata, shape.type_name
    if kind == "structure":
        for name, member in shape.members.items():
            inner = f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")
            whole = sample(shape)
            for value, where, words in breaches(member, inner):
                yield whole | {name: value}, where, words
            if name in shape.required_members:
                yield {k: v for k, v in whole.items() if k != name}, inner, "not be null"
    elif kind == "list":
        for value, where, words in breaches(shape.member, f"{path}.1.member"):
            yield [value], where, words
        item = sample(shape.member)
        if "max" in bounds:
            words = f"length less than or equal to {bounds['max']}"
            yield [item] * (bounds["max"] + 1), path, words
        if bounds.get("min"):
            yield [], path, f"length greater than or equal to {bounds['min']}"
    elif kind == "integer":
        yield bounds["max"] + 1, path, f"value less than or equal to {bounds['max']}"
        yield bounds["min"] - 1, path, f"value greater than or equal to {bounds['min']}"
    elif shape.enum:
        yield "Gopher", path, f"satisfy enum value set: [{', '.join(shape.enum)}]"
    else:
        if "max" in bounds:
            long = sample(shape).ljust(bounds["max"] + 1, "x")
            yield long, path, f"length less than or equal to {bounds['max']}"
        if bounds.get("min"):
            yield "", path, f"length greater than or equal to {bounds['min']}"
        pattern = bounds.get("pattern")
        for value in ("?", "line\nbreak"):
            if pattern and not re.fullmatch(pattern, value, re.ASCII):
                words = f"regular expression pattern: {pattern.strip('^$')}"
                yield value, path, words


OPERATIONS = """
    CreateConnection GetConnection ListConnections DeleteConnection CreateHost GetHost ListHosts
    UpdateHost DeleteHost TagResource UntagResource ListTagsForResource CreateRepositoryLink
    ListRepositoryLinks CreateSyncConfiguration ListSyncConfigurations
""".split()


def constraints(service, url):
    """Breaks every constraint of every input shape, one at a time."""
    client = Checked(service, url, new_account(), validate=False)
    for operation in OPERATIONS:
        call = getattr(client, xform_name(operation))
        shape = client.meta.service_model.operation_model(operation).input_shape
        for arguments, path, words in breaches(shape):
            refused("ValidationException", call, f" at '{path}' ", words, **arguments)
    return client


def quota(service, url):
    client = Checked(service, url, new_account())
    for number in range(250):
        client.create_connection(ConnectionName=f"c{number}", ProviderType="GitHub")
    error = refused(
        "LimitExceededException",
        client.create_connection,
        ConnectionName="more",
        ProviderType="GitHub",
    )
    assert isinstance(error, client.exceptions.LimitExceededException)
    page = client.list_connections()
    assert len(page["Connections"]) == 100 and page["NextToken"]
    return client


def sts(service, url, denying):
    account, target = new_account(), new_account()
    client = boto3.client(
        "sts",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=account,
        aws_secret_access_key="secret",
        config=NO_RETRIES,
    )
    identity = client.get_caller_identity()
    assert identity["Account"] == account and identity["Arn"] and identity["UserId"]
    answer = client.assume_role(
        RoleArn=f"arn:aws:iam::{target}:role/reader", RoleSessionName="me", DurationSeconds=900
    )
    user = answer["AssumedRoleUser"]
    assert user["Arn"] == f"arn:aws:sts::{target}:assumed-role/reader/me", user
    handed = answer["Credentials"]
    assert re.fullmatch("ASIA[A-Z2-7]{16}", handed["AccessKeyId"])
    assert handed["Expiration"].tzinfo is not None
    credentials = {
        "aws_access_key_id": handed["AccessKeyId"],
        "aws_secret_access_key": handed["SecretAccessKey"],
        "aws_session_token": handed["SessionToken"],
    }
    inside = Checked(service, url, None, **credentials)
    made = inside.create_connection(ConnectionName="x", ProviderType="GitHub")
    assert f":{target}:connection/" in made["ConnectionArn"], made
    bare = Checked(service, url, None, **credentials | {"aws_session_token": "wrong"})
    refused("UnrecognizedClientException", bare.list_connections)
    refused("ValidationError", client.assume_role, RoleArn="arn:aws:iam::1:user/x", RoleSessionName="me")
    refused("InvalidAction", client.get_session_token)
    if denying:
        refused(
            "AccessDenied",
            client.assume_role,
            "is not authorized to perform: sts:AssumeRole",
            RoleArn=f"arn:aws:iam::{denying}:role/reader",
            RoleSessionName="me",
        )


def regions(service, url, denied, not_enabled):
    if denied:
        account, region = denied.split("/")
        client = Checked(service, url, account, region=region)
        refused("AccessDeniedException", client.list_connections, f"{service}:ListConnections")
    if not_enabled:
        account, region = not_enabled.split("/")
        client = Checked(service, url, account, region=region)
        refused("UnrecognizedClientException", client.list_connections, "security token")


def unsigned(service, url):
    client = boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        config=Config(signature_version=UNSIGNED),
    )
    refused("MissingAuthenticationTokenException", client.list_connections)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--denies-role-in", metavar="ACCOUNT")
    parser.add_argument("--denied", metavar="ACCOUNT/REGION")
    parser.add_argument("--not-enabled", metavar="ACCOUNT/REGION")
    parser.add_argument("--legacy-arns", action="store_true")
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/")

    for service, protocol in PROTOCOLS:
        prefer(protocol)
        clients = [
            connections(service, url, arguments.legacy_arns),
            hosts(service, url, arguments.legacy_arns),
            tags(service, url),
            repository_links(service, url, arguments.legacy_arns),
            refusals(service, url),
            quota(service, url),
        ]
        if service == "codeconnections":
            clients.append(constraints(service, url))
        regions(service, url, arguments.denied, arguments.not_enabled)
        sts(service, url, arguments.denies_role_in)
        unsigned(service, url)
        used = {client.client.meta.service_model.resolved_protocol for client in clients}
        assert used == {protocol}, used
        answers = sum(client.answers for client in clients)
        print(f"{service} in {protocol}: {answers} answers held against the service model")
    print("all good")


if __name__ == "__main__":
    main()
