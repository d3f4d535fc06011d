"""What importing the core does: nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import blocks_core
import blocks_core.testing

FORBIDDEN = {
    "sqlite3", "http.client", "socket", "ssl", "urllib.request", "asyncio", "cryptography", "entrypoints",
    "fsspec", "boto3", "botocore", "s3fs", "slack_sdk", "httpx2", "click", "rich", "requests",
}  # fmt: skip


def test_importing_the_core_loads_no_sql_http_or_vendor_package_and_touches_no_file(tmp_path: Path) -> None:
    code = (
        "import os, sys, builtins\n"
        "before = set(sys.modules)\n"
        "import pydantic, pydantic.types\n"
        "class M(pydantic.BaseModel): x: pydantic.SecretStr\n"
        "before = set(sys.modules)\n"
        "def hook(event, args):\n"
        "    if event == 'open' and isinstance(args[1], str) and set(args[1]) & set('wax+'):\n"
        "        raise SystemExit('wrote ' + str(args[0]))\n"
        "    if event in ('os.mkdir', 'socket.connect', 'subprocess.Popen'):\n"
        "        raise SystemExit(event)\n"
        "sys.dont_write_bytecode = True\n"
        "sys.addaudithook(hook)\n"
        "import blocks_core, threading\n"
        "assert threading.active_count() == 1\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"HOME": str(tmp_path)}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not FORBIDDEN.intersection(done.stdout.split())
    assert list(tmp_path.iterdir()) == []


def test_the_public_names_are_pinned() -> None:
    assert blocks_core.__all__ == sorted(blocks_core.__all__)
    assert set(blocks_core.__all__) == {
        "Block", "BlocksError", "CheckReport", "CheckResult", "ContainerRegistry", "Credentials", "Infrastructure",
        "Job", "JobEnd", "JobHandle", "Message", "Notifier", "ReadableStorage", "RegistryLogin", "Resources",
        "Saved", "SecretBytesRef", "SecretRef", "SecretSource", "Storage", "StoredFile", "TypeInfo",
        "current_library", "upgrades", "use_library",
    }  # fmt: skip
    for module in (blocks_core, blocks_core.testing):
        assert all(hasattr(module, name) for name in module.__all__)
