"""Prints a CloudFormation template as JSON, its short tags written out.

It is read as cfn-lint reads it: YAML alone does not know what `!GetAtt a.b`
stands for.
"""

import json
import sys

from cfnlint.decode import decode

template, faults = decode(sys.argv[1])
if faults:
    sys.exit("\n".join(str(fault) for fault in faults))
json.dump(template, sys.stdout)
