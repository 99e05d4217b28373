"""Resume after a crash: a table knows which operations have not ended yet."""

import sqlite3

from maps_data_registry import connect, wait_for_operations


def wait_for_the_rest(database: sqlite3.Connection) -> int:
    """`create table operations (id text primary key, ended text)`: what has no end yet is waited for."""
    rest = [name for (name,) in database.execute("select id from operations where ended is null")]
    with connect("us") as client, wait_for_operations(client, rest) as outcomes:
        for outcome in outcomes:
            with database:  # committed as each ends
                end = "Completed" if outcome.error is None else str(outcome.error)
                database.execute("update operations set ended = ? where id = ?", (end, outcome.operation_id))
    return len(rest)
