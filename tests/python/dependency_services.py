"""Asks the emulated services with AWS's own client, and holds each answer against
botocore's model. Prints what they answer, as JSON.

dependency_services.py URL REGION REGION_OF_SHARES
"""

import json
import sys

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator_client import check_shape

url, region, shares_in = sys.argv[1:]
TYPES = ["codeconnections:connection", "codeconnections:host"]
CALLS = [
    ("codepipeline", "ListPipelines", {}),
    ("codepipeline", "GetPipeline", {"name": "search-deploy"}),
    ("codebuild", "ListProjects", {}),
    ("codebuild", "BatchGetProjects", {"names": ["search-tests", "none"]}),
    ("codebuild", "ListSourceCredentials", {}),
    ("resourcegroupstaggingapi", "GetResources", {"ResourceTypeFilters": TYPES}),
    ("ram", "ListResources", {"resourceOwner": "SELF"}),
    ("ram", "ListPrincipals", {"resourceOwner": "SELF"}),
    ("ram", "ListResources", {"resourceOwner": "OTHER-ACCOUNTS"}),
    ("codeguru-reviewer", "ListRepositoryAssociations", {}),
    ("omics", "ListWorkflows", {}),
    ("datazone", "ListDomains", {}),
    ("inspector2", "ListCodeSecurityIntegrations", {}),
    ("proton", "ListRepositories", {}),
    ("servicecatalog", "SearchProductsAsAdmin", {}),
]


def client(service):
    return boto3.client(
        service,
        region_name=shares_in if service == "ram" else region,
        endpoint_url=url,
        aws_access_key_id="123456789012",
        aws_secret_access_key="secret",
        config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
    )


answers = []
for service, name, arguments in CALLS:
    caller = client(service)
    bodies = []
    caller.meta.events.register(
        "before-parse", lambda response_dict, **_: bodies.append(response_dict["body"])
    )
    answer = getattr(caller, xform_name(name))(**arguments)
    model = caller.meta.service_model.operation_model(name)
    # The client drops what its model does not have: the body has it.
    check_shape(model.output_shape, json.loads(bodies[0]), f"{service} {name}")
    del answer["ResponseMetadata"]
    answers.append(answer)

try:
    client("codepipeline").get_pipeline(name="none")
except ClientError as error:
    answers.append(error.response["Error"]["Code"])
print(json.dumps(answers))
