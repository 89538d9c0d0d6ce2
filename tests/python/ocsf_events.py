"""Holds OCSF events, one JSON object a line, against the published schema.

    ocsf_events.py VERSION CLASS FILE

The JSON Schema of the class comes from the package ocsf-json-schema, which
carries what schema.ocsf.io publishes: it refuses an unknown attribute, a
missing one, a wrong type and a number that an enumeration does not have. What
the schema says and JSON Schema can't is checked here: captions beside numbers,
deprecated attributes, type_uid, and that an observable is a value of the event.

Prints a line for each fault, and fails if there is one.
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

# An enumeration's number for a value that it does not have.
OTHER = 99


def captions(schema, attributes, value, path=""):
    """Numbers whose caption is another one, and attributes that are deprecated."""
    for name, item in value.items():
        attribute = attributes.get(name)
        if attribute is None:
            continue  # The validator tells of it.
        if "@deprecated" in attribute:
            yield f"{path}{name} is deprecated"
        if "sibling" in attribute and "enum" in attribute and item != OTHER:
            known = attribute["enum"].get(str(item), {}).get("caption")
            told = value.get(attribute["sibling"])
            if told != known:
                yield f"{path}{name} is {item}, {known!r}, but {attribute['sibling']} is {told!r}"
        if attribute.get("type") == "object_t":
            inner = schema["objects"][attribute["object_type"]]["attributes"]
            for part in item if isinstance(item, list) else [item]:
                if isinstance(part, dict):
                    yield from captions(schema, inner, part, f"{path}{name}.")


def values_at(value, path):
    """The values at a path such as resources[].uid."""
    first, _, rest = path.partition(".")
    found = value.get(first.removesuffix("[]")) if isinstance(value, dict) else None
    for part in found if first.endswith("[]") and isinstance(found, list) else [found]:
        if rest:
            yield from values_at(part, rest)
        else:
            yield part


def observables(event):
    for observable in event.get("observables", []):
        name, value = observable["name"], observable["value"]
        if value not in values_at(event, name):
            yield f"observable {name} is {value!r}, which is not there"


def faults(schema, validator, class_name, event):
    of_schema = sorted(validator.iter_errors(event), key=lambda error: error.json_path)
    yield from (f"{error.json_path}: {error.message}" for error in of_schema)
    if of_schema:
        return  # What follows relies on the form.
    yield from captions(schema, schema["classes"][class_name]["attributes"], event)
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        yield f"type_uid is {event['type_uid']}"
    if event["metadata"]["version"] != schema["version"]:
        yield f"metadata.version is {event['metadata']['version']}"
    yield from observables(event)


def main(version, class_name, path):
    schema = get_ocsf_schema(version=version)
    count = wrong = 0
    validators = {}
    with open(path, encoding="utf-8") as lines:
        for count, line in enumerate(lines, start=1):
            event = json.loads(line)
            # An event names the profiles that add to its class.
            profiles = tuple(event.get("metadata", {}).get("profiles", []))
            if profiles not in validators:
                embedded = OcsfJsonSchemaEmbedded(schema)
                of_class = embedded.get_class_schema(class_name, list(profiles))
                Draft202012Validator.check_schema(of_class)
                validators[profiles] = Draft202012Validator(of_class)
            for fault in faults(schema, validators[profiles], class_name, event):
                wrong += 1
                print(f"line {count}: {fault}")
    if wrong:
        sys.exit(1)
    print(f"{count} valid events of {class_name} {version}")


if __name__ == "__main__":
    main(*sys.argv[1:])
