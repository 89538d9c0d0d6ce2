"""The same task in optimized Python: it reads the table while it lists, touches
unchanged connections in batches of 25 with eight threads, and uses minimal clients."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import boto3
from botocore.config import Config

config = Config(max_pool_connections=16, parameter_validation=False, retries={"mode": "standard"})
codeconnections = boto3.client("codeconnections", config=config)
dynamodb = boto3.client("dynamodb", config=config)
TABLE, HISTORY = os.environ["PEER_TABLE_NAME"], os.environ["PEER_HISTORY_NAME"]
threads = ThreadPoolExecutor(8)

ATTRIBUTES = ["ConnectionArn", "ConnectionName", "ConnectionStatus", "ProviderType", "OwnerAccountId", "HostArn"]
TOUCH = f'UPDATE "{TABLE}" SET LastSeen=? WHERE ConnectionArn=?'
BATCH = 25


def handler(event, context):
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    reading = threads.submit(read)
    listed = {connection["ConnectionArn"]: connection for connection in list_all()}
    previous = reading.result()

    touched, written, remembered = [], [], []
    for arn, connection in listed.items():
        item = {name: {"S": connection[name]} for name in ATTRIBUTES if name in connection}
        before = previous.get(arn)
        if before is not None and all(before.get(name) == item.get(name) for name in ATTRIBUTES):
            touched.append({"Statement": TOUCH, "Parameters": [{"S": now}, {"S": arn}]})
            continue
        written.append({"PutRequest": {"Item": item | {"LastSeen": {"S": now}}}})
        remembered.append(change(arn, now, before, item["ConnectionStatus"]))
    deleted = [item for arn, item in previous.items() if arn not in listed and item["ConnectionStatus"]["S"] != "GONE"]
    for item in deleted:
        written.append({"PutRequest": {"Item": item | {"ConnectionStatus": {"S": "GONE"}}}})
        remembered.append(change(item["ConnectionArn"]["S"], now, item, {"S": "GONE"}))

    work = [threads.submit(touch, batch) for batch in batches(touched)]
    work += [threads.submit(put, TABLE, batch) for batch in batches(written)]
    work += [threads.submit(put, HISTORY, batch) for batch in batches(remembered)]
    for done in work:
        done.result()
    return {"seen": len(listed), "changed": len(written) - len(deleted), "deleted": len(deleted)}


def list_all():
    token = {}
    while True:
        page = codeconnections.list_connections(MaxResults=100, **token)
        yield from page["Connections"]
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def read():
    known, more = {}, {}
    while True:
        page = dynamodb.scan(TableName=TABLE, **more)
        known.update((item["ConnectionArn"]["S"], item) for item in page["Items"])
        if "LastEvaluatedKey" not in page:
            return known
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def change(arn, now, before, after):
    before = before["ConnectionStatus"] if before else {"NULL": True}
    return {"PutRequest": {"Item": {"ConnectionArn": {"S": arn}, "SeenAt": {"S": now}, "Before": before, "After": after}}}


def touch(statements):
    answer = dynamodb.batch_execute_statement(Statements=statements)
    refused = [response["Error"] for response in answer["Responses"] if "Error" in response]
    if refused:
        raise RuntimeError(refused[0])


def put(table, requests):
    while requests:
        answer = dynamodb.batch_write_item(RequestItems={table: requests})
        requests = answer["UnprocessedItems"].get(table)


def batches(things):
    return [things[start : start + BATCH] for start in range(0, len(things), BATCH)]
