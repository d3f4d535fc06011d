"""Folders and volumes of the engine that a container sees: `source:target`, with `:ro` to read only."""

from __future__ import annotations

import re

_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


def mount_of(text: str) -> dict[str, object]:
    """Return a volume as the engine takes it.

    Raises:  ValueError: it has not the right form.
    Source:  https://docs.docker.com/reference/api/engine/ (Mount).

    >>> mount_of("/srv/data:/data:ro")
    {'Type': 'bind', 'Source': '/srv/data', 'Target': '/data', 'ReadOnly': True}
    >>> mount_of("cache:/var/cache")["Type"]
    'volume'
    """
    parts = text.split(":")
    mode = parts[2] if len(parts) == 3 else "rw"
    if len(parts) not in (2, 3) or mode not in ("ro", "rw") or not text.isprintable():
        raise ValueError(
            f"{text[:100]!r} is no volume. Write source:target, or source:target:ro to read only."
        )
    source, target = parts[:2]
    if not target.startswith("/") or target == "/":
        raise ValueError(
            f"{target[:100]!r} is no place in a container. Write it from the root, such as /data."
        )
    if not source.startswith("/") and not _VOLUME.fullmatch(source):
        raise ValueError(
            f"{source[:100]!r} is neither a folder of the engine's machine, from the root, nor a volume's name."
        )
    kind = "bind" if source.startswith("/") else "volume"
    return {"Type": kind, "Source": source, "Target": target, "ReadOnly": mode == "ro"}
