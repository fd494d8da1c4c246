"""`python3 open-webui.py <directory of its data>`: what the house says goes before what open-webui noted at its first start.

open-webui copies each setting into its database at the first start, and from then on reads it there; it looks into its
environment only for one that has no row (backend/open_webui/models/config.py, seed_defaults). So rows are taken away here,
before it starts: who may enter, always, and which servers there are, when those of the house have changed since the last start.
In between what an administrator entered stays.
"""

import hashlib
import json
import os
import pathlib
import sqlite3
import sys

ENTRY = {"ENABLE_SIGNUP": "ui.enable_signup", "ENABLE_LOGIN_FORM": "ui.enable_login_form"}
SERVERS = {
    "ENABLE_OLLAMA_API": "ollama.enable",
    "OLLAMA_BASE_URL": "ollama.base_urls",
    "OLLAMA_BASE_URLS": "ollama.base_urls",
    "OPENAI_API_BASE_URL": "openai.api_base_urls",
    "OPENAI_API_KEY": "openai.api_keys",
}


def forget(database: pathlib.Path, rows: set[str]) -> None:
    if not rows or not database.exists():
        return
    connection = sqlite3.connect(f"file:{database}?mode=rw", uri=True)
    try:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(config)")}
        # One of before 0.10 has all settings in one row, until open-webui has changed it at its start.
        if "key" in columns:
            connection.executemany("DELETE FROM config WHERE key = ?", [(row,) for row in sorted(rows)])
            connection.commit()
    finally:
        connection.close()


def main() -> None:
    data = pathlib.Path(sys.argv[1])
    noted = data / ".homelab-servers"
    said = json.dumps({name: os.environ.get(name) for name in SERVERS})
    # The key is in it.
    now = hashlib.sha256(said.encode()).hexdigest()
    # Where nothing is noted the house ran before, perhaps with servers that a person entered.
    before = noted.read_text(encoding="utf-8") if noted.exists() else now
    rows = {row for name, row in ENTRY.items() if name in os.environ}
    forget(data / "webui.db", rows if before == now else rows | set(SERVERS.values()))
    noted.write_text(now, encoding="utf-8")


main()
