"""Holds JSON values, one a line, against a JSON Schema.

    against_schema.py SCHEMA FILE

Prints a line for each fault, and fails if there is one or there are no values.
"""

import json
import sys

from jsonschema.validators import validator_for

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
dialect = validator_for(schema)
dialect.check_schema(schema)
validator = dialect(schema, format_checker=dialect.FORMAT_CHECKER)
with open(sys.argv[2], encoding="utf-8") as file:
    values = [json.loads(line) for line in file]
faults = [
    f"{fault.json_path}: {fault.message}"
    for value in values
    for fault in validator.iter_errors(value)
]
print("\n".join(faults))
sys.exit(bool(faults) or not values)
