"""Checks a request of BatchImportFindings, a JSON file, against botocore's model of
Security Hub, and prints the number of its findings."""

import json
import sys

import botocore.session
from botocore.validate import ParamValidator

with open(sys.argv[1], encoding="utf-8") as file:
    request = json.load(file)
service = botocore.session.get_session().get_service_model("securityhub")
shape = service.operation_model("BatchImportFindings").input_shape
report = ParamValidator().validate(request, shape)
if report.has_errors():
    sys.exit(report.generate_report())
print(len(request["Findings"]))
