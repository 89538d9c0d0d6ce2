"""Prints which of the resource types in its arguments each AWS region lacks, as
cfn-lint knows it: {region: [type, ...]} in JSON, every region with a list."""

import json
import sys

from cfnlint.helpers import REGIONS
from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER


def lacks(region, kind):
    try:
        PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, kind)
    except ResourceNotFoundError:
        return True
    return False


print(json.dumps({region: [kind for kind in sys.argv[1:] if lacks(region, kind)] for region in REGIONS}))
