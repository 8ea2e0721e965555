"""A page in headless Chromium, where the system has one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_QUIET = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update"


class _Patient:
    """A browser whose pages wait for two minutes: a slow machine is not wrong."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium

    def new_page(self, **options: Any) -> Any:
        page = self._chromium.new_page(**options)
        page.set_default_timeout(120_000)
        return page


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright; skips the test where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=[f"--{flag}" for flag in _QUIET.split()])
        try:
            yield _Patient(chromium)
        finally:
            chromium.close()
