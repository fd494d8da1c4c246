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

REGISTRATION = {"ENABLE_SIGNUP": "ui.enable_signup"}
FORM = {"ENABLE_LOGIN_FORM": "ui.enable_login_form"}
SERVERS = {
    "ENABLE_OLLAMA_API": "ollama.enable",
    "OLLAMA_BASE_URL": "ollama.base_urls",
    "OLLAMA_BASE_URLS": "ollama.base_urls",
    "OPENAI_API_BASE_URL": "openai.api_base_urls",
    "OPENAI_API_KEY": "openai.api_keys",
}
# By the place of a server in the list: of another one there they would be wrong.
ABOUT_SERVERS = {"ollama.api_configs", "openai.api_configs"}


def forget(database: pathlib.Path, rows: set[str]) -> bool:
    """Whether they are gone. A database of before 0.10 has all in one row, until open-webui has changed it at its start."""
    if not database.exists():
        return True
    connection = sqlite3.connect(f"file:{database}?mode=rw", uri=True)
    try:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(config)")}
        if columns and "key" not in columns:
            return False
        if columns:
            connection.executemany("DELETE FROM config WHERE key = ?", [(row,) for row in sorted(rows)])
            connection.commit()
        return True
    finally:
        connection.close()


def digest(names: dict[str, str]) -> str:
    """Of what the house says: a key is in it."""
    return hashlib.sha256(json.dumps({name: os.environ.get(name) for name in names}).encode()).hexdigest()


def main() -> None:
    data = pathlib.Path(sys.argv[1])
    noted = data / ".homelab-settings"
    now = {"servers": digest(SERVERS), "form": digest(FORM)}
    # Where nothing is noted the house ran before, perhaps with servers that a person entered.
    before = json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else now
    rows = {row for name, row in {**REGISTRATION, **FORM}.items() if name in os.environ}
    # Without a provider people need the form again. Registration stays as it is: its default lets anybody in.
    if before["form"] != now["form"]:
        rows |= set(FORM.values())
    if before["servers"] != now["servers"]:
        rows |= set(SERVERS.values()) | ABOUT_SERVERS
    if forget(data / "webui.db", rows):
        noted.write_text(json.dumps(now), encoding="utf-8")


main()
