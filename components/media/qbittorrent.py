"""`python3 qbittorrent.py <qBittorrent.conf>`: user, password and directories, before qBittorrent starts.

The user is admin. The password is that of QBITTORRENT_PASSWORD, where there is one, and is written as qBittorrent keeps
it: PBKDF2 with SHA-512. What a person changed of the directories stays. INTERFACE, where there is one, is the network
interface that it leaves by, at every start and whatever it was told before: without that of the VPN it has no way out.
"""

import base64
import configparser
import hashlib
import os
import pathlib
import sys

ITERATIONS = 100_000
PREFERENCES = "Preferences"
SESSION = "BitTorrent"
PASSWORD = "WebUI\\Password_PBKDF2"
NAMES_OF_OLD = {"Downloads\\SavePath": "Session\\DefaultSavePath", "Downloads\\TempPath": "Session\\TempPath"}


def derived(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)


def hashed(password: str) -> str:
    salt = os.urandom(16)
    parts = (base64.b64encode(part).decode() for part in (salt, derived(password, salt)))
    return f'"@ByteArray({":".join(parts)})"'


def is_of(password: str, kept: str) -> bool:
    """Whether the kept hash is that of the password: another salt would change the file at every start."""
    text = kept.strip('"')
    if not (text.startswith("@ByteArray(") and text.endswith(")")):
        return False
    salt, _, key = text[len("@ByteArray(") : -1].partition(":")
    try:
        return derived(password, base64.b64decode(salt, validate=True)) == base64.b64decode(key, validate=True)
    except ValueError:
        return False


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    settings = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=(";", "#"), strict=False)
    settings.optionxform = str
    settings.read(path, encoding="utf-8")
    for section in (PREFERENCES, SESSION):
        if not settings.has_section(section):
            settings.add_section(section)
    password = os.environ.get("QBITTORRENT_PASSWORD", "")
    if password != "" and not is_of(password, settings.get(PREFERENCES, PASSWORD, fallback="")):
        settings.set(PREFERENCES, "WebUI\\Username", "admin")
        settings.set(PREFERENCES, PASSWORD, hashed(password))
    # The image's own file has the directories by their names of old. At its first start, while no migration is noted,
    # qBittorrent takes those for the settings and drops what it has by the new names.
    before_migration = not settings.has_option("Meta", "MigrationVersion")
    for old, new in NAMES_OF_OLD.items():
        value = settings.get(PREFERENCES, old, fallback=None)
        if value is not None and before_migration:
            settings.set(SESSION, new, value)
        settings.remove_option(PREFERENCES, old)
    downloads = os.environ["DOWNLOADS"]
    wanted = {
        "Session\\DefaultSavePath": f"{downloads}/complete",
        "Session\\TempPath": f"{downloads}/incomplete",
        "Session\\TempPathEnabled": "true",
    }
    # The image's own first settings.
    images = {"Session\\DefaultSavePath": "/downloads/", "Session\\TempPath": "/downloads/incomplete/"}
    for key, value in wanted.items():
        if settings.get(SESSION, key, fallback=images.get(key)) == images.get(key):
            settings.set(SESSION, key, value)
    interface = os.environ.get("INTERFACE", "")
    if interface != "":
        settings.set(SESSION, "Session\\Interface", interface)
        settings.set(SESSION, "Session\\InterfaceName", interface)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    # It holds the password's hash.
    with open(fresh, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        settings.write(file, space_around_delimiters=False)
    if path.exists():
        kept = path.stat()
        os.chown(fresh, kept.st_uid, kept.st_gid)
        os.chmod(fresh, kept.st_mode)
    else:
        os.chown(fresh, int(os.environ["PUID"]), int(os.environ["PGID"]))
    os.replace(fresh, path)


main()
