"""Paths that the suites of storages try."""

from __future__ import annotations

HOSTILE_PATHS = (
    "",
    ".",
    "./",
    "/",
    "..",
    "../x",
    "../",
    "a/../../x",
    "a/..",
    "a/../b",
    "./../x",
    "/etc/passwd",
    "//etc/passwd",
    "..\\x",
    "a\\..\\..\\x",
    "C:\\x",
    "%2e%2e/x",
    "%2E%2E%2Fx",
    "%252e%252e/x",
    "a/%2e%2e/%2e%2e/x",
    "..%2fx",
    "..%5cx",
    "%2fetc%2fpasswd",
    "a\x00b",
    "a%00b",
    "a\nb",
    "a\x1bb",
    "a\x7fb",
    "a\udc80b",
    "folder/",
)
"""Paths that lead outside of a storage, or are none of a file."""

HOSTILE_FOLDERS = ("..", "../", "/etc", "a/../..", "%2e%2e", "a\\b", "a\x00b")
"""Paths that lead outside of a storage, or are none of a folder."""

UNUSUAL_PATHS = (
    "with space.txt",
    " led and followed by spaces ",
    "가나다/é/🦉.txt",
    "a#b?c=d&e.txt",
    "100%.txt",
    "%41.txt",
    "a+b=c,d;e:f@g!h$i'j(k)~.txt",
    "[a]*{b}.txt",
    ".hidden",
    "..two-dots",
    "...",
    "a..b/c..",
    "~/x",
    "a" * 200,
)
"""Paths that are unusual, and fine."""
