"""Translates a query of the lake from Athena's SQL into DuckDB's.

Arguments: the views, a JSON object from name to `ViewOriginalText` as Glue has
it, and the query. The emulator's Athena runs DuckDB and knows no views, so the
views become common table expressions of the query.

Every statement is parsed in Athena's dialect first: a syntax error ends this.
"""

import base64
import json
import sys

import sqlglot

views, query = json.loads(sys.argv[1]), sys.argv[2]
# A view comes after those that it reads.
order = sorted(views, key=lambda name: (name != "images", name != "items", name))


def sql_of(text):
    encoded = text.removeprefix("/* Presto View: ").removesuffix(" */")
    return json.loads(base64.b64decode(encoded))["originalSql"]


def parsed(sql):
    statement = sqlglot.parse_one(sql, read="athena")
    if not isinstance(statement, sqlglot.exp.Query):
        sys.exit(f"not a query: {sql}")
    return statement


whole = parsed(query)
for name in order:
    whole = whole.with_(name, as_=parsed(sql_of(views[name])), copy=False)
translated = whole.sql(dialect="duckdb")
# A group in the replacement of a regular expression.
print(translated.replace("'$1'", r"'\1'"))
