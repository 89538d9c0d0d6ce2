"""Reads a JUnit XML report with a parser that has nothing to do with who wrote it.

    junit_report.py FILE

Prints as JSON the suites with their cases: name, and what became of it with its
type, message and text. Fails if the XML is not well-formed, if an element or an
attribute is none of JUnit's, or if a count is not that of the cases.
"""

import json
import sys
from xml.etree import ElementTree

# What Jenkins' junit-10.xsd allows, as far as it is used here.
ALLOWED = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "disabled", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "disabled", "time", "timestamp", "id"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
}


def count(element, outcome=None):
    cases = element.findall(".//testcase")
    return sum(1 for case in cases if outcome is None or case.find(outcome) is not None)


def main(path):
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites", root.tag
    for element in root.iter():
        unknown = set(element.attrib) - ALLOWED[element.tag]
        assert not unknown, f"{element.tag}: {unknown}"
    for element in [root, *root.iter("testsuite")]:
        for attribute, outcome in (("tests", None), ("failures", "failure"), ("errors", "error")):
            assert int(element.get(attribute)) == count(element, outcome), (element.tag, attribute)
    suites = {}
    for suite in root.iter("testsuite"):
        cases = suites[suite.get("name")] = {}
        for case in suite.iter("testcase"):
            assert case.get("name") not in cases, "a name twice"
            outcome = next(iter(case), None)
            cases[case.get("name")] = None if outcome is None else {
                "outcome": outcome.tag,
                "type": outcome.get("type"),
                "message": outcome.get("message"),
                "text": outcome.text,
            }
    print(json.dumps(suites))


main(*sys.argv[1:])
