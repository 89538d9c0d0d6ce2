"""Holds answers of services against botocore's models, and asks for each of them with
AWS's own client, so that the paths under which they are served are the service's.

consumer_answers.py URL FILE
"""

import json
import sys

import boto3
from botocore import xform_name
from botocore.config import Config

from emulator_client import check_shape


def arns(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return {arn for item in value for arn in arns(item)}
    return {value} if isinstance(value, str) and value.startswith("arn:") else set()


url, file = sys.argv[1:]
with open(file) as entries:
    entries = json.load(entries)
for entry in entries:
    client = boto3.client(
        entry["service"],
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="123456789012",
        aws_secret_access_key="secret",
        config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
    )
    name = entry["operation"]
    model = client.meta.service_model.operation_model(name)
    check_shape(model.output_shape, entry["output"], f"{entry['service']} {name}")
    answer = getattr(client, xform_name(name))(**entry["input"])
    del answer["ResponseMetadata"]
    assert set(answer) == set(entry["output"]), (name, answer)
    assert arns(answer) == arns(entry["output"]), (name, answer)
print(f"{len(entries)} answers")
