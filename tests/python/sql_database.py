"""Prints what a database of `ccinv sql --save` has, as JSON."""

import json
import sqlite3
import sys

database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
names = [name for (name,) in database.execute("SELECT name FROM sqlite_master ORDER BY rowid")]
print(
    json.dumps(
        {
            "tables": names,
            "user_version": database.execute("PRAGMA user_version").fetchone()[0],
            "meta": dict(database.execute("SELECT name, value FROM meta")),
            "counts": {
                name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                for name in names
            },
        }
    )
)
