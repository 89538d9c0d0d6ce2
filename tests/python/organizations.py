"""Answers organizations:ListAccounts in the emulator's Step Functions, which have
no integration with it: a function in the place of that integration.

The accounts are those of the emulator's Organizations. Of an account named
`state-X` the answer is that its State is X, of one named `without-state-…` it is
only its Status, as all answers once were.

Pages are as long as is asked for and no longer, and there is an empty page after
each that is not the last: AWS may do so.
"""

import boto3

AFTER_NOTHING = "-after-nothing"


def described(account):
    name = account["Name"]
    told = {field: account[field] for field in ("Id", "Arn", "Name", "Status")}
    if name.startswith("state-"):
        told["State"] = name.removeprefix("state-")
    elif not name.startswith("without-state-"):
        told["State"] = account["Status"]
    return told


def handler(asked, _context):
    size = asked["MaxResults"]
    assert 1 <= size <= 20, "what AWS allows"
    token = asked.get("NextToken", "0")
    if token.endswith(AFTER_NOTHING):
        return {"Accounts": [], "NextToken": token.removesuffix(AFTER_NOTHING)}
    accounts = boto3.client("organizations").list_accounts()["Accounts"]
    end = int(token) + size
    page = {"Accounts": [described(account) for account in accounts[int(token) : end]]}
    if end < len(accounts):
        page["NextToken"] = f"{end}{AFTER_NOTHING}"
    return page
