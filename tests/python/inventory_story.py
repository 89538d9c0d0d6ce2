#!/usr/bin/env python3
"""Makes things happen to an account with boto3, and reads with boto3 what the
inventory recorded of them.

    python inventory_story.py create  --service URL --account ID --state FILE
    python inventory_story.py change  --service URL --account ID --state FILE
    python inventory_story.py check   --table-endpoint URL --table NAME --account ID --state FILE

Between `create` and `change`, and after `change`, somebody else has to run the
inventory. FILE carries what was done, and when, from one to the next.

Nothing here comes from the inventory's code: keys, fields and digests are those
that it documents, worked out once more.
"""

import argparse
import base64
import datetime
import hashlib
import json
import pathlib
import urllib.request

import boto3
from boto3.dynamodb.types import TypeDeserializer

REGION = "eu-west-1"
OPT_IN = "eu-south-1"
# What JSON has to escape, what it must not, and what is long in UTF-8.
WEIRD = 'é✓🚀 "\\/\b\f\n\r\t\x01\x1f\x7f\u2028'

# The attributes of a record's item that are not the record's.
NOT_OF_THE_RECORD = {
    *("pk", "sk", "status_pk", "status_sk", "time_pk", "time_sk"),
    *("digest", "notice"),
}


def now():
    """The time as the inventory writes it."""
    text = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


# ------------------------------------------------------------------ the service


def client(arguments, region=REGION):
    return boto3.client(
        "codeconnections",
        endpoint_url=arguments.service,
        region_name=region,
        aws_access_key_id=arguments.account,
        aws_secret_access_key="secret",
    )


def set_status(arguments, arn, status):
    """What happens in the console: no API of AWS does it."""
    body = json.dumps({"arn": arn, "status": status}).encode()
    url = f"{arguments.service}/_standin/status"
    request = urllib.request.Request(url, body, method="POST")
    with urllib.request.urlopen(request) as response:
        assert response.status == 200, response.status


def create(arguments):
    codeconnections = client(arguments)
    host = codeconnections.create_host(
        Name="ghes",
        ProviderType="GitHubEnterpriseServer",
        ProviderEndpoint="https://ghes.example.com",
    )["HostArn"]
    set_status(arguments, host, "AVAILABLE")

    def make(service=codeconnections, **described):
        return service.create_connection(**described)["ConnectionArn"]

    arns = {
        "storefront": make(ConnectionName="storefront", ProviderType="GitHub"),
        "through host": make(ConnectionName="through host", HostArn=host),
        "weird": make(ConnectionName=WEIRD, ProviderType="GitLab"),
        "doomed": make(ConnectionName="doomed", ProviderType="Bitbucket"),
        "opt-in": make(
            client(arguments, OPT_IN), ConnectionName="opt-in", ProviderType="GitHub"
        ),
    }
    return {"host": host, "arns": arns, "created": now()}


def change(arguments, state):
    arns = state["arns"]
    codeconnections = client(arguments)
    state["change began"] = now()
    codeconnections.delete_connection(ConnectionArn=arns["doomed"])
    set_status(arguments, arns["storefront"], "AVAILABLE")
    set_status(arguments, arns["weird"], "ERROR")
    arns["latecomer"] = codeconnections.create_connection(
        ConnectionName="latecomer", ProviderType="GitHub"
    )["ConnectionArn"]
    state["change ended"] = now()
    return state


# ------------------------------------------------------------------ the table


def plain(value):
    """An attribute's value as JSON has it: whole numbers, lists for sets."""
    if isinstance(value, dict):
        return {name: plain(field) for name, field in value.items()}
    if isinstance(value, (list, set)):
        items = [plain(item) for item in value]
        return sorted(items) if isinstance(value, set) else items
    if isinstance(value, (str, bool, type(None))):
        return value
    assert value == int(value), value
    return int(value)


class Table:
    def __init__(self, arguments):
        self.client = boto3.client(
            "dynamodb",
            endpoint_url=arguments.table_endpoint,
            region_name=REGION,
            aws_access_key_id=arguments.account,
            aws_secret_access_key="secret",
        )
        self.name = arguments.table

    def query(self, pk, sk_prefix="", index=None, keys=("pk", "sk")):
        names = {"#pk": keys[0], "#sk": keys[1]}
        values = {":pk": {"S": pk}}
        condition = "#pk = :pk"
        if sk_prefix:
            condition += " AND begins_with(#sk, :sk)"
            values[":sk"] = {"S": sk_prefix}
        else:
            del names["#sk"]
        more = {"IndexName": index} if index else {"ConsistentRead": True}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            **more,
        )
        read = TypeDeserializer().deserialize
        return [
            {name: plain(read(value)) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def record_of(item):
    return {name: item[name] for name in item.keys() - NOT_OF_THE_RECORD}


def seal_of(snapshot, account):
    """The seal of a snapshot's item, over all of it but the seal."""
    record = {name: snapshot[name] for name in snapshot.keys() - {*NOT_OF_THE_RECORD, "seal"}}
    record["account"] = account
    record["arn"] = snapshot["sk"].removeprefix("CONNECTION#")
    record["digest"] = snapshot["digest"]
    digest = hashlib.sha256(canonical(record).encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def check_chain(items, what):
    """Every digest is that of its record, and names the one before."""
    before = None
    for item in items:
        digest = hashlib.sha256(canonical(record_of(item)).encode()).hexdigest()
        equal(item["digest"], digest, f"{what} {item['sk']}: digest")
        equal(item.get("previous_digest"), before, f"{what} {item['sk']}: previous digest")
        before = digest


def equal(found, expected, what):
    assert found == expected, f"{what}:\n  found    {found!r}\n  expected {expected!r}"


def attributes(name, status, provider, account, **more):
    return {
        "connection_name": name,
        "connection_status": status,
        "provider_type": provider,
        "owner_account_id": account,
        **more,
    }


def check(arguments, state):
    table = Table(arguments)
    account, arns, host = arguments.account, state["arns"], state["host"]
    began, ended = state["change began"], state["change ended"]

    runs = table.query(f"RUNS#{account}")
    equal([run["sk"] for run in runs], ["RUN#000000000001", "RUN#000000000002"], "runs")
    check_chain(runs, "run")
    first, second = runs
    for run in runs:
        equal(run["outcome"], "COMPLETE", "outcome")
        equal(run["trigger"], {"kind": "REQUEST"}, "trigger")
        equal([l["region"] for l in run["listings"]], [OPT_IN, REGION], "regions")
        assert all(listing["complete"] for listing in run["listings"]), run
    equal(first["changes"], {"FIRST_SEEN": 5}, "first changes")
    equal(first["connections"], {"PENDING": 5}, "first counts")
    equal(
        second["changes"],
        {"FIRST_SEEN": 1, "STATUS_CHANGED": 2, "DELETED": 1},
        "second changes",
    )
    equal(
        second["connections"], {"PENDING": 3, "AVAILABLE": 1, "ERROR": 1}, "second counts"
    )
    # The runs lie where they lay, around what was done.
    assert state["created"] <= first["started_at"], (state, first)
    assert first["finished_at"] <= began <= ended <= second["started_at"], (state, runs)

    def seen(run, region=REGION):
        """When a run's listing of a region began and ended."""
        (listing,) = [l for l in run["listings"] if l["region"] == region]
        return listing["began_at"], listing["ended_at"]

    described = {
        "storefront": ("storefront", "GitHub", {}),
        "through host": ("through host", "GitHubEnterpriseServer", {"host_arn": host}),
        "weird": (WEIRD, "GitLab", {}),
        "doomed": ("doomed", "Bitbucket", {}),
        "opt-in": ("opt-in", "GitHub", {}),
        "latecomer": ("latecomer", "GitHub", {}),
    }

    def told(which, status):
        name, provider, more = described[which]
        return attributes(name, status, provider, account, **more)

    # What each connection went through: kind, status before, status after.
    stories = {
        "storefront": [
            ("FIRST_SEEN", None, "PENDING"),
            ("STATUS_CHANGED", "PENDING", "AVAILABLE"),
        ],
        "through host": [("FIRST_SEEN", None, "PENDING")],
        "weird": [("FIRST_SEEN", None, "PENDING"), ("STATUS_CHANGED", "PENDING", "ERROR")],
        "doomed": [("FIRST_SEEN", None, "PENDING"), ("DELETED", "PENDING", None)],
        "opt-in": [("FIRST_SEEN", None, "PENDING")],
        "latecomer": [("FIRST_SEEN", None, "PENDING")],
    }
    last_changes = {}
    for which, story in stories.items():
        arn = arns[which]
        changes = table.query(f"CONNECTION#{account}#{arn}")
        check_chain(changes, which)
        equal(
            [change["sk"] for change in changes],
            [f"CHANGE#{version:010}" for version in range(1, len(story) + 1)],
            f"{which}: changes",
        )
        for change, (kind, before, after) in zip(changes, story, strict=True):
            what = f"{which}: {kind}"
            equal(change["kind"], kind, what)
            equal((change["account"], change["arn"]), (account, arn), what)
            equal(change.get("before"), before and told(which, before), f"{what}: before")
            equal(change.get("after"), after and told(which, after), f"{what}: after")
            run = second if (which == "latecomer" or change["version"] > 1) else first
            equal(change["run_id"], run["run_id"], f"{what}: run")
            windows = [seen(run, listing["region"]) for listing in run["listings"]]
            assert change["observed_at"] in [window[0] for window in windows], what
            assert change["observed_until"] in [window[1] for window in windows], what
            if run is first:
                # Nobody had ever looked before.
                assert "previously_seen_at" not in change, change
            else:
                # The span holds what was done in it.
                assert change["previously_seen_at"] <= began, (what, change)
                assert ended <= change["observed_until"], (what, change)
                looked = [seen(first, l["region"])[0] for l in first["listings"]]
                assert change["previously_seen_at"] in looked, (what, change)
        last_changes[arn] = changes[-1]

    snapshots = table.query(f"ACCOUNT#{account}", "CONNECTION#")
    equal(
        [snapshot["sk"] for snapshot in snapshots],
        sorted(f"CONNECTION#{arn}" for arn in arns.values()),
        "snapshots",
    )
    lines = ""
    by_arn = {snapshot["sk"].removeprefix("CONNECTION#"): snapshot for snapshot in snapshots}
    for which, story in stories.items():
        arn = arns[which]
        snapshot = by_arn[arn]
        gone = story[-1][0] == "DELETED"
        status = story[-1][1] if gone else story[-1][2]
        for name, value in told(which, status).items():
            equal(snapshot[name], value, f"{which}: {name}")
        equal(snapshot.get("host_arn"), described[which][2].get("host_arn"), which)
        equal(snapshot["presence"], "DELETED" if gone else "PRESENT", which)
        equal("deleted_at" in snapshot, gone, f"{which}: deleted_at")
        equal("status_pk" in snapshot, not gone, f"{which}: in the index")
        equal(snapshot["version"], len(story), f"{which}: version")
        equal(snapshot["digest"], last_changes[arn]["digest"], f"{which}: digest")
        equal(snapshot["v"], 5, f"{which}: format")
        equal(snapshot["seal"], seal_of(snapshot, account), f"{which}: seal")
        last = first if gone else second
        assert snapshot["last_seen_at"] >= last["started_at"], (which, snapshot)
        assert snapshot["last_seen_until"] <= last["finished_at"], (which, snapshot)
        # A connection of an opt-in region is listed there only.
        if not gone:
            regions = [OPT_IN] if which == "opt-in" else [OPT_IN, REGION]
            equal(snapshot["listed_in"], regions, f"{which}: listed_in")
    for arn, snapshot in sorted(by_arn.items()):
        lines += f"{arn} {snapshot['version']} {snapshot['digest']}\n"
    equal(
        second["snapshots"],
        {"count": 6, "digest": hashlib.sha256(lines.encode()).hexdigest()},
        "what the run says of all snapshots",
    )

    (record,) = table.query(f"ACCOUNT#{account}", "ACCOUNT")
    equal(record["sk"], "ACCOUNT", "account record")
    digest = hashlib.sha256(canonical(record_of(record)).encode()).hexdigest()
    equal(record["digest"], digest, "account record: digest")
    equal((record["sequence"], record["head"]), (2, second["digest"]), "head of the chain")
    reference = {name: second[name] for name in ("sequence", "run_id", "started_at", "outcome")}
    equal(record["last_attempt"], reference, "last attempt")
    equal(record["last_complete"], reference, "last complete run")
    equal(record["connections"], second["connections"], "counts")
    equal(
        record["coverage"],
        {region: seen(second, region)[0] for region in (OPT_IN, REGION)},
        "coverage",
    )

    by_status = ("by_status", ("status_pk", "status_sk"))
    accounts = table.query("ACCOUNTS", "", *by_status)
    equal([item["status_sk"] for item in accounts], [account], "accounts")
    for status, names in {
        "PENDING": {"through host", "opt-in", "latecomer"},
        "AVAILABLE": {"storefront"},
        "ERROR": {WEIRD},
    }.items():
        items = table.query(f"STATUS#{status}", "", *by_status)
        equal({item["connection_name"] for item in items}, names, f"in status {status}")
    by_time = table.query(f"CHANGES#{account}", "", "by_time", ("time_pk", "time_sk"))
    equal(len(by_time), sum(map(len, stories.values())), "changes by time")
    times = [item["observed_at"] for item in by_time]
    equal(times, sorted(times), "changes by time")
    # An index shows records whole: they can be verified from there, too.
    for item in by_time:
        digest = hashlib.sha256(canonical(record_of(item)).encode()).hexdigest()
        equal(item["digest"], digest, "digest by time")
    print(f"verified {len(by_time)} changes, {len(snapshots)} snapshots, {len(runs)} runs")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=["create", "change", "check"])
    parser.add_argument("--service")
    parser.add_argument("--table-endpoint")
    parser.add_argument("--table")
    parser.add_argument("--account", required=True)
    parser.add_argument("--state", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.step == "create":
        arguments.state.write_text(json.dumps(create(arguments)))
        return
    state = json.loads(arguments.state.read_text())
    if arguments.step == "change":
        arguments.state.write_text(json.dumps(change(arguments, state)))
    else:
        check(arguments, state)


if __name__ == "__main__":
    main()
