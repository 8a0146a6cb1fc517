"""Chromium, and pages in it."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

# A loaded machine draws slowly.
BOUND = 60_000
# Nothing that is not this machine is asked for.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--host-resolver-rules=MAP *.example 127.0.0.1"]


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "Chromium is missing: ./test installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def page(browser):
    """Opens a page of a hub. At the end no page may have complained about a script, a style or its policy."""
    complaints = []
    contexts = []

    def open_page(url, **options):
        contexts.append(browser.new_context(**options))
        opened = contexts[-1].new_page()
        opened.set_default_timeout(BOUND)
        # What a hub that is away, or refuses, leaves in the console is not a fault of the page.
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" and "Failed to load" not in said.text and "WebSocket" not in said.text else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(url)
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
