"""The same task in idiomatic Python: it lists every page, sends one UpdateItem per
connection, compares its status with the returned old one, and scans for connections
that were not listed."""

import os
from datetime import datetime, timezone

import boto3
from boto3.dynamodb.conditions import Attr

codeconnections = boto3.client("codeconnections")
dynamodb = boto3.resource("dynamodb")
snapshots = dynamodb.Table(os.environ["PEER_TABLE_NAME"])
history = dynamodb.Table(os.environ["PEER_HISTORY_NAME"])

ATTRIBUTES = ["ConnectionName", "ConnectionStatus", "ProviderType", "OwnerAccountId", "HostArn"]


def handler(event, context):
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    seen = changed = 0
    for connection in list_all():
        seen += 1
        changed += record(connection, now)
    return {"seen": seen, "changed": changed, "deleted": mark_deleted(now)}


def list_all():
    # boto3 has no paginator for it.
    more = {}
    while True:
        page = codeconnections.list_connections(MaxResults=100, **more)
        yield from page["Connections"]
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def record(connection, now):
    values = {name: connection[name] for name in ATTRIBUTES if name in connection}
    names = {f"#{name}": name for name in [*values, "LastSeen"]}
    answer = snapshots.update_item(
        Key={"ConnectionArn": connection["ConnectionArn"]},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in [*values, "LastSeen"]),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()} | {":LastSeen": now},
        ReturnValues="UPDATED_OLD",
    )
    before = answer.get("Attributes", {}).get("ConnectionStatus")
    if before == connection["ConnectionStatus"]:
        return 0
    remember(connection["ConnectionArn"], now, before, connection["ConnectionStatus"])
    return 1


def mark_deleted(now):
    deleted, more = 0, {}
    while True:
        page = snapshots.scan(
            FilterExpression=Attr("LastSeen").lt(now) & Attr("ConnectionStatus").ne("GONE"),
            ProjectionExpression="ConnectionArn, ConnectionStatus",
            **more,
        )
        for item in page["Items"]:
            snapshots.update_item(
                Key={"ConnectionArn": item["ConnectionArn"]},
                UpdateExpression="SET ConnectionStatus = :gone",
                ExpressionAttributeValues={":gone": "GONE"},
            )
            remember(item["ConnectionArn"], now, item["ConnectionStatus"], "GONE")
            deleted += 1
        if "LastEvaluatedKey" not in page:
            return deleted
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def remember(arn, now, before, after):
    history.put_item(Item={"ConnectionArn": arn, "SeenAt": now, "Before": before, "After": after})
