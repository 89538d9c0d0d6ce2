"""Prints the regions of services, as botocore's endpoints.json has them: {service:
[region, ...]} in JSON. Under "all" are those of every partition."""

import json
import sys

from botocore.loaders import Loader

partitions = Loader().load_data("endpoints")["partitions"]
found = {"all": [region for partition in partitions for region in partition["regions"]]}
for service in sys.argv[1:]:
    endpoints = (partition["services"].get(service, {}) for partition in partitions)
    found[service] = [
        region
        for partition, known in zip(partitions, endpoints)
        for region in known.get("endpoints", ())
        if region in partition["regions"]
    ]
print(json.dumps(found))
