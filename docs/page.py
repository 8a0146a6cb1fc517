#!/usr/bin/env python3
"""Makes the pictures of the hub's page: docs/page-light.png and docs/page-dark.png. Needs what ./test installs.

usage: .venv/bin/python docs/page.py target/release/tenfold
"""

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

DOCS = Path(__file__).resolve().parent
CHAT = ["ann: is the garden cold again?", "bob: 4 degrees, and falling", "ann: then the lemons come in"]


def main(binary: str):
    with tempfile.TemporaryDirectory() as directory:
        ports = Path(directory) / "ports"
        options = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--port-file", ports]
        hub = subprocess.Popen([binary, "serve", "--quiet", *options], stderr=subprocess.DEVNULL)
        try:
            while not (ports.exists() and ports.read_text().endswith("\n")):
                if hub.poll() is not None:
                    sys.exit(f"the hub ended with {hub.returncode}")
                time.sleep(0.01)
            protocol, http = ports.read_text().split()
            publish = [binary, "pub", "--quiet", "--server", protocol]
            subprocess.run([*publish, "chat.garden", *CHAT], check=True)
            subprocess.run([*publish, "meters.7", *[f"{20 + number}.5" for number in range(5)]], check=True)
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"])
                for scheme in ["light", "dark"]:
                    draw(chromium, f"http://{http}", scheme, publish)
        finally:
            hub.terminate()
            hub.wait()


def draw(chromium, url: str, scheme: str, publish: list):
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 1000, "height": 620})
    page.goto(f"{url}/#/sensors.garden")
    expect(page.locator(".state")).to_contain_text("Live")
    for number in range(60):
        value = {"celsius": round(9 + 4 * math.sin(number / 9), 2), "battery": {"volts": 3.91, "low": False}}
        subprocess.run([*publish, "sensors.garden", json.dumps(value)], check=True)
    page.locator(".messages summary").first.click()
    page.get_by_role("button", name="draw celsius").click()
    expect(page.locator(".chart")).to_contain_text("messages")
    page.screenshot(path=DOCS / f"page-{scheme}.png")
    page.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
