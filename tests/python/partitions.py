"""Prints botocore's partitions as JSON: {partition: {"regions": [...], "suffix": ...,
"dual_stack_suffix": ...}}.

Of each pattern for regions that are not listed yet, one that matches is made up.
Pseudo-regions such as aws-cn-global are left out: no request goes to one.
"""

import json
import re

from botocore.loaders import Loader

found = {}
for partition in Loader().load_data("partitions")["partitions"]:
    regions = [name for name in partition["regions"] if not name.endswith("-global")]
    made_up = re.sub(r"\(([a-z]+)[a-z|]*\)", r"\1", partition["regionRegex"].strip("^$"))
    made_up = made_up.replace(r"\w+", "middle").replace(r"\d+", "9").replace("\\", "")
    assert re.fullmatch(partition["regionRegex"].strip("^$"), made_up), made_up
    found[partition["id"]] = {
        "regions": [*regions, made_up],
        "suffix": partition["outputs"]["dnsSuffix"],
        "dual_stack_suffix": partition["outputs"]["dualStackDnsSuffix"],
    }
print(json.dumps(found))
