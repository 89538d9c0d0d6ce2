"""Holds the policies of a template against what AWS authorises by.

    template_as_json.py TEMPLATE | policies.py

Every action has to exist and to know the resource that it is granted on, and a
bare * may stand only where AWS has no finer resource. The template's functions
are filled in with examples; of a choice, the first is taken, which is the one
that grants something. Policies of queues and topics are not looked at: they
name principals, which parliament does not know.
"""

import json
import re
import sys

from parliament import analyze_policy_string

HERE = "eu-west-1:123456789012"
# What an attribute of a resource, or a reference to it, looks like.
EXAMPLES = {
    "AWS::DynamoDB::Table.Arn": f"arn:aws:dynamodb:{HERE}:table/name",
    "AWS::DynamoDB::Table.StreamArn": f"arn:aws:dynamodb:{HERE}:table/name/stream/label",
    "AWS::Events::EventBus.Arn": f"arn:aws:events:{HERE}:event-bus/name",
    "AWS::Logs::LogGroup.Arn": f"arn:aws:logs:{HERE}:log-group:name:*",
    "AWS::Athena::WorkGroup": "name",
    "AWS::S3::Bucket.Arn": "arn:aws:s3:::name",
    "AWS::KMS::Key.Arn": f"arn:aws:kms:{HERE}:key/name",
    "AWS::SQS::Queue.Arn": f"arn:aws:sqs:{HERE}:name",
    "AWS::Serverless::Function.Arn": f"arn:aws:lambda:{HERE}:function:name",
    "AWS::StepFunctions::StateMachine.Name": "name",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{HERE}:stateMachine:name",
    "EventBusArn": f"arn:aws:events:{HERE}:event-bus/default",
    "KeyArn": f"arn:aws:kms:{HERE}:key/name",
    "CheckpointCopyBucket": "name",
    "LakeDatabase": "name",
    "RulesParameter": "/name",
    "RulesObject": "s3://rules/name",
    "MemberRoleName": "name",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "name",
    "AWS::URLSuffix": "amazonaws.com",
}

# Actions that are newer than parliament's list; the service authorization
# reference has them.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoninspector2.html
NEWER = {
    "Unknown action inspector2:GetCodeSecurityIntegration",
    "Unknown action inspector2:ListCodeSecurityIntegrations",
    "Unknown action omics:GetWorkflowVersion",
    "Unknown action omics:ListWorkflowVersions",
}

template = json.load(sys.stdin)


def example(name):
    name, dot, attribute = name.partition(".")
    resource = template["Resources"].get(name)
    return EXAMPLES[(resource["Type"] if resource else name) + dot + attribute]


def filled(value):
    match value:
        case {"Ref": name}:
            return example(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return example(f"{name}.{attribute}")
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: example(found[1]), text)
        case {"Fn::Split": [between, text]}:
            return filled(text).split(between)
        case {"Fn::Join": [between, parts]}:
            return between.join(filled(parts))
        case {"Fn::If": [_, first, _]}:
            return filled(first)
        case dict():
            return {key: filled(inner) for key, inner in value.items()}
        case list():
            return [filled(inner) for inner in value]
    return value


def documents(value):
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if key == "PolicyDocument":
            yield inner
        elif isinstance(inner, (dict, list)):
            yield from documents(inner)


looked_at = faults = 0
for name, resource in template["Resources"].items():
    for document in documents(resource):
        if any("Principal" in statement for statement in document["Statement"]):
            continue
        looked_at += len(document["Statement"])
        for finding in analyze_policy_string(json.dumps(filled(document))).findings:
            if finding.detail in NEWER:
                continue
            faults += 1
            print(f"{name}: {finding.issue}: {finding.detail}")
print(f"{looked_at} statements, {faults} of them at fault")
sys.exit(faults > 0 or looked_at == 0)
