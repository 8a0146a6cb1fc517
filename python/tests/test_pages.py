"""The Python blocks of the pages are run, in their order: what a page shows is true."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["python.md", "guide-python.md"])
def test_the_blocks_of_the_page_run(page):
    text = (DOCS / page).read_text()
    names = {"__name__": "page"}
    blocks = list(BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        # Lines count as in the page, for whoever reads the failure.
        padding = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(padding + block[1], str(DOCS / page), "exec"), names)
