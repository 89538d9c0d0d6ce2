"""Calls AWS, or what stands in for it, for the tests: boto3 line by line.

Arguments: endpoint, region, account. Every line of standard input is a call,
{"service": …, "operation": …, "parameters": {…}}; every line of output says
what came of it, {"answer": {…}} or {"error": {"code": …, "message": …}}. That
parameters and answers are right is checked by botocore's service models.

Two operations of `s3` are none of AWS: `put_program` stores a zip with one
program under the name `bootstrap`, as Lambda takes it, and `put_gzip` a text,
compressed.
"""

import base64
import datetime
import gzip
import io
import json
import sys
import zipfile

import boto3
import botocore.config
import botocore.exceptions

endpoint, region, account = sys.argv[1:]
clients = {}


def client(service):
    if service not in clients:
        clients[service] = boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            # By its access key the emulator knows the account.
            aws_access_key_id=account,
            aws_secret_access_key="secret",
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )
    return clients[service]


def put_program(Bucket, Key, Program):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as zipped:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o100755 << 16
        with open(Program, "rb") as program:
            zipped.writestr(entry, program.read())
    client("s3").put_object(Bucket=Bucket, Key=Key, Body=archive.getvalue())
    return {"Size": len(archive.getvalue())}


def put_gzip(Bucket, Key, Text):
    client("s3").put_object(Bucket=Bucket, Key=Key, Body=gzip.compress(Text.encode()))
    return {}


# What is none of AWS.
OWN = {"put_program": put_program, "put_gzip": put_gzip}


def plain(value):
    """What JSON does not know: times, bytes, and what comes as a stream."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "read"):
        return value.read().decode()
    raise TypeError(f"{type(value)} in an answer")


def answer(call):
    operation = call["operation"]
    if call["service"] == "s3" and operation in OWN:
        return OWN[operation](**call["parameters"])
    answered = getattr(client(call["service"]), operation)(**call["parameters"])
    answered.pop("ResponseMetadata", None)
    return answered


for line in sys.stdin:
    try:
        outcome = {"answer": answer(json.loads(line))}
    except botocore.exceptions.ClientError as error:
        said = error.response["Error"]
        outcome = {"error": {"code": said["Code"], "message": said["Message"]}}
    except Exception as error:
        outcome = {"error": {"code": type(error).__name__, "message": str(error)}}
    print(json.dumps(outcome, default=plain), flush=True)
