"""The words that people read: some turns of phrase are not English, and do not come back.

Looked at are documentation, comments, messages and the names of tests, everywhere in the project.
"""

import re
import subprocess

import pytest

from support import ROOT

BANNED = {
    # "Message 1 is no JSON": say "is not JSON". "There is no", "is no longer" and "is no more than" are English.
    r"(?<![Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|fewer\b|better\b|other\b|such\b|one\b|I/O\b)": "is not a",
    # The same in the name of a test.
    r"(?:def|fn) \w*(?<!there)_(?:is|are|was|were)_no_(?!longer_|more_|wider_)": "is_not_a",
    r"\bfor ever\b": "forever",
    r"\banew\b": "again, or a new one",
    r"\bneedless\b": "say what is not needed",
    r"\bsaid as what\b": "say who says what, to whom",
    # "Who connects gets a message": say "a client that connects", or "whoever".
    r"(?:^|[.!?:;] |//[/!]? |\| )Who (?:has|had|connects|comes|needs|wants|reads|writes|sends|asks|publishes|subscribes)\b": "a noun before who",
    r"\bas (?:it stands|they stand)\b": "as it is, as they are",
    r"\bhow (?:messages|they) stand\b": "how messages are written",
    r"\bstands? on the wire\b": "is on the wire",
    r"\b(?:newline|message|frame|header|number|bytes?|nothing) behind (?:it|them|each|every)\b": "after",
}
FILES = ["*.rs", "*.md", "*.py", "*.sh", "*.c", "*.js", "*.go", "*.java", "*.cs", "*.rb", "*.php", "*.pl", "*.lua", "*.ino", "*.h", "*.cpp", "*.toml", "test"]


def lines():
    # Without a repository (a packaged copy) there is no list of files, and this must be seen.
    names = subprocess.run(["git", "ls-files", "-z", "--", *FILES], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    for name in names.decode().split("\0")[:-1]:
        path = ROOT / name
        if path.exists() and path.name != "test_words.py":
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield f"{name}:{number}", line


LINES = list(lines())


def test_there_is_something_to_read():
    assert len(LINES) > 50_000


@pytest.mark.parametrize("phrase", BANNED, ids=BANNED.values())
def test_nobody_writes(phrase):
    pattern = re.compile(phrase)
    found = [f"{where}: {line.strip()}" for where, line in LINES if pattern.search(line)]
    assert not found, f"say it so: {BANNED[phrase]}\n" + "\n".join(found)
