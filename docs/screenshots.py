"""Takes the pictures of all pages in docs/screenshots, light and dark, wide and narrow, of the demo's registry.

make screenshots        needs Chromium, as the tests of the pages do
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from blocks_core.testing.receiver import free_port

FOLDER = Path(__file__).parent / "screenshots"
BLOCK = Path(sys.executable).parent / "block"
PORT = str(free_port())
PAGES = {
    "overview": "/",
    "blocks": "/blocks",
    "catalog": "/catalog",
    "new-s3": "/catalog/s3",
    "block": "/blocks/slack-webhook/data-alerts",
    "edit": "/blocks/slack-webhook/data-alerts/edit",
    "versions": "/blocks/slack-webhook/data-alerts/versions",
    "difference": "/blocks/slack-webhook/data-alerts/diff?old=1&new=2",
    "upgrade": "/blocks/sales-report/quarterly/upgrade",
    "rename": "/blocks/slack-webhook/data-alerts/rename",
    "delete": "/blocks/slack-webhook/data-alerts/delete",
    "plugins": "/plugins",
    "keys": "/keys",
    "tokens": "/tokens",
    "audit": "/audit",
    "api": "/docs",
    "no-page": "/no/such/page",
}
SIZES = {"desktop": (1024, 640), "phone": (390, 700)}
QUALITY = 30


def main() -> None:
    """Start a server with the demo's registry, and take every picture."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            [BLOCK, "server", "start", "--demo", "--port", PORT],
            env={**os.environ, "HOME": home},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            link = next(found[0] for line in server.stdout if (found := re.search(r"http\S+code=\S+", line)))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
                )
                take_all(browser, link)
                browser.close()
        finally:
            server.terminate()
            server.wait()


def take_all(browser: Browser, link: str) -> None:
    """Log in once, and take each page in each look."""
    state = None
    for size, (width, height) in SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                base_url=f"http://127.0.0.1:{PORT}",
                storage_state=state,
                color_scheme=theme,
                viewport={"width": width, "height": height},
            )
            page = context.new_page()
            if state is None:
                take(page, "/login", f"login-{theme}-{size}")
                page.goto(link)
                state = context.storage_state()
            for name, path in PAGES.items():
                take(page, path, f"{name}-{theme}-{size}")
            context.close()


def take(page: Page, path: str, name: str) -> None:
    """Take the picture of one page."""
    page.goto(path)
    page.wait_for_load_state("networkidle")  # logos come late
    page.screenshot(path=FOLDER / f"{name}.jpg", type="jpeg", quality=QUALITY)


if __name__ == "__main__":
    main()
