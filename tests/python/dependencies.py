"""Makes and removes what uses connections, with AWS's own client.

dependencies.py CODECONNECTIONS MOTO make         prints the ARNs that it made, as JSON
dependencies.py CODECONNECTIONS MOTO remove NAME  deletes the pipeline
"""

import json
import sys

import boto3

codeconnections, moto, action = sys.argv[1:4]
REGION = "eu-west-1"


def client(service, endpoint):
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="123456789012",
        aws_secret_access_key="secret",
    )


def source_action(name, arn, repository):
    return {
        "name": name,
        "actionTypeId": {
            "category": "Source",
            "owner": "AWS",
            "provider": "CodeStarSourceConnection",
            "version": "1",
        },
        "configuration": {
            "ConnectionArn": arn,
            "FullRepositoryId": repository,
            "BranchName": "main",
        },
        "outputArtifacts": [{"name": name}],
    }


def make():
    connections = client("codeconnections", codeconnections)
    host = connections.create_host(
        Name="ghes",
        ProviderType="GitHubEnterpriseServer",
        ProviderEndpoint="https://git.example.com",
        VpcConfiguration={
            "VpcId": "vpc-12345678",
            "SubnetIds": ["subnet-12345678"],
            "SecurityGroupIds": ["sg-12345678"],
            "TlsCertificate": "-----BEGIN CERTIFICATE-----\n" + "x" * 2000,
        },
    )["HostArn"]
    payments = connections.create_connection(
        ProviderType="GitHub", ConnectionName="payments"
    )["ConnectionArn"]
    unused = connections.create_connection(
        ProviderType="GitHub", ConnectionName="unused"
    )["ConnectionArn"]
    dangling = payments[: payments.rindex("/") + 1] + "00000000-0000-0000-0000-000000000000"
    role = client("iam", moto).create_role(
        RoleName="pipeline",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "codepipeline.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )["Role"]["Arn"]
    pipelines = client("codepipeline", moto)
    for name, arn in [("deploy", payments), ("forgotten", dangling)]:
        pipelines.create_pipeline(
            pipeline={
                "name": name,
                "roleArn": role,
                "artifactStore": {"type": "S3", "location": "artifacts"},
                "stages": [
                    {"name": "Source", "actions": [source_action("App", arn, "acme/" + name)]},
                    {
                        "name": "Build",
                        "actions": [
                            {
                                "name": "Build",
                                "actionTypeId": {
                                    "category": "Build",
                                    "owner": "AWS",
                                    "provider": "CodeBuild",
                                    "version": "1",
                                },
                                "configuration": {"ProjectName": "build"},
                                "inputArtifacts": [{"name": "App"}],
                            }
                        ],
                    },
                ],
            }
        )
    projects = client("codebuild", moto)
    for name, auth in [
        ("build", {"type": "CODECONNECTIONS", "resource": payments}),
        ("other", {"type": "OAUTH"}),
    ]:
        projects.create_project(
            name=name,
            source={"type": "GITHUB", "location": "https://github.com/acme/lib", "auth": auth},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "image",
                "computeType": "BUILD_GENERAL1_SMALL",
                "environmentVariables": [{"name": "TOKEN", "value": "plaintext-secret"}],
            },
            serviceRole=role,
        )
    print(json.dumps({"host": host, "payments": payments, "unused": unused, "dangling": dangling}))


if action == "make":
    make()
else:
    client("codepipeline", moto).delete_pipeline(name=sys.argv[4])
