"""The page of the HTTP door in Chromium, served by a real hub."""

import json
import threading
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browser import BOUND
from support import frame

ODD = [
    b"<script>document.title = 'taken'</script>", b'{"text": "</script><img src=x onerror=alert(1)>"}', "line\u2028separator".encode(),
    "Gr\u00fc\u00dfe, \u4f60\u597d".encode(), b"", b"\xff\x00\xfe", b"x" * 70_000, b"<" * 5000,
]


@pytest.fixture
def served(hub):
    """A hub with an HTTP port, and the address of its page."""

    def start(*arguments):
        started = hub("--http", "127.0.0.1:0", *arguments)
        return started, f"http://127.0.0.1:{started.ports[-1]}"

    return start


def publish(hub, channel, *texts):
    hub.publish(channel, [text.encode() for text in texts])


def messages(page):
    return page.locator(".messages > li .body")


def test_channels_are_seen_with_their_last_messages(served, page):
    hub, url = served()
    publish(hub, "sensors.kitchen", '{"t": 21.5}')
    publish(hub, "chat", "one", "two")
    shown = page(url)
    rows = shown.locator("section").first.locator("tbody tr")
    expect(rows).to_have_count(2, timeout=BOUND)
    expect(rows.nth(0)).to_contain_text("two", timeout=BOUND)
    expect(rows.nth(0)).to_contain_text("2 messages")
    expect(rows.nth(1)).to_contain_text('{"t": 21.5}', timeout=BOUND)
    expect(shown.locator("#health")).to_have_text("Everything is well")
    shown.fill("#filter", "sens")
    expect(rows).to_have_count(1)


def test_two_browsers_chat(served, page):
    _, url = served()
    ann, bob = page(f"{url}/#/lobby"), page(f"{url}/#/lobby")
    for who, words in [(ann, "is anybody there?"), (bob, "yes")]:
        expect(who.locator(".state")).to_contain_text("Live", timeout=BOUND)
        who.fill("#message", words)
        who.press("#message", "Enter")
        for reader in (ann, bob):
            expect(messages(reader).first).to_have_text(words, timeout=BOUND)
    expect(messages(ann)).to_have_count(2)


def test_no_message_is_more_than_text(served, page):
    hub, url = served()
    hub.publish("odd", ODD)
    shown = page(f"{url}/#/odd")
    expect(messages(shown)).to_have_count(len(ODD), timeout=BOUND)
    newest_first = list(reversed(ODD))
    for at, message in enumerate(newest_first):
        row = messages(shown).nth(at)
        if message in (b"\xff\x00\xfe", ODD[1]) or len(message) > 4096:
            continue
        assert row.locator("pre").text_content() == message.decode()
    expect(messages(shown).nth(newest_first.index(b"\xff\x00\xfe"))).to_contain_text("ff 00 fe")
    large = messages(shown).nth(newest_first.index(b"x" * 70_000))
    large.get_by_role("button", name="Show all").click()
    expect(large.locator("pre")).to_have_text("x" * 70_000, timeout=BOUND)
    assert shown.title() == "odd - Tenfold"
    assert shown.locator("main img").count() == 0


def test_a_number_is_drawn_after_a_click(served, page):
    hub, url = served()
    publish(hub, "room", *[json.dumps({"t": {"c": number}}) for number in range(3)])
    shown = page(f"{url}/#/room")
    messages(shown).first.locator("summary").first.click()
    messages(shown).first.locator("summary").nth(1).click()
    shown.get_by_role("button", name="2: draw t.c").click()
    expect(shown.locator(".chart")).to_contain_text("now 2, from 0 to 2 in 3 messages", timeout=BOUND)
    publish(hub, "room", '{"t": {"c": 9}}')
    expect(shown.locator(".chart")).to_contain_text("now 9, from 0 to 9 in 4 messages", timeout=BOUND)


def test_messages_are_shown_from_where_a_person_says(served, page):
    hub, url = served()
    publish(hub, "ticks", *[f"message {number}" for number in range(50)])
    shown = page(f"{url}/#/ticks")
    expect(messages(shown)).to_have_count(20, timeout=BOUND)
    for place, count in [("-3", 3), ("45", 5), ("first", 50), ("2000-01-01", 50), ("next", 0)]:
        shown.fill("#from", place)
        shown.get_by_role("button", name="Go", exact=True).click()
        expect(messages(shown)).to_have_count(count, timeout=BOUND)
    shown.fill("#from", "yesterday-ish")
    shown.get_by_role("button", name="Go", exact=True).click()
    expect(shown.locator("#from-wrong")).to_contain_text("Write first, next")
    shown.fill("#from", "first")
    shown.press("#from", "Enter")
    shown.fill("#filter", "message 4")
    expect(messages(shown)).to_have_count(11, timeout=BOUND)


def test_a_hub_that_was_killed_is_said_and_found_again(kept, page):
    hub = kept()
    shown = page(f"http://127.0.0.1:{hub.http}/#/kept")
    for life in range(3):
        publish(hub, "kept", f"life {life}")
        expect(messages(shown).first).to_have_text(f"life {life}", timeout=BOUND)
        kept.kill(hub)
        expect(shown.locator("#health")).to_contain_text("does not answer", timeout=BOUND)
        expect(shown.locator(".state")).to_contain_text("trying again")
        hub = kept.again(hub)
        expect(shown.locator("#health")).to_have_text("Everything is well", timeout=BOUND)
        expect(shown.locator(".state")).to_contain_text("Live", timeout=BOUND)
    expect(messages(shown)).to_have_count(3)
    expect(shown.locator(".remark")).to_have_count(0)


def test_the_keyboard_is_enough(served, page):
    hub, url = served()
    publish(hub, "ticks", "hello")
    shown = page(url)
    link = shown.get_by_role("link", name="ticks")
    expect(link).to_be_visible(timeout=BOUND)
    shown.keyboard.press("/")
    expect(shown.locator("#filter")).to_be_focused()
    shown.keyboard.press("Tab")
    expect(link).to_be_focused()
    shown.keyboard.press("Enter")
    expect(messages(shown)).to_have_count(1, timeout=BOUND)
    shown.focus("#message")
    shown.keyboard.type("typed")
    shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    expect(messages(shown).first).to_have_text("typed", timeout=BOUND)
    shown.keyboard.press("Escape")
    expect(link).to_be_visible(timeout=BOUND)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_in_the_way_of_a_screen_reader_or_a_small_screen(served, page, scheme, width):
    hub, url = served()
    name = "n" * 128
    publish(hub, name, '{"a": [1, {"b": "c"}]}', "x" * 2000, "plain")
    shown = page(url, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    for open_it, there in [(lambda: None, "tbody td:has-text('plain')"), (lambda: shown.goto(f"{url}/#/{name}"), ".messages > li:nth-child(3)")]:
        open_it()
        expect(shown.locator(there).first).to_be_visible(timeout=BOUND)
        for folded in shown.locator("summary").all():
            folded.click()
        found = Axe().run(shown)
        assert found.response["violations"] == [], found.generate_report()
        assert shown.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_hub_that_asks_is_told_a_token(served, tenfold, page, tmp_path):
    policy = tmp_path / "policy.toml"
    made = tenfold("token", "new", "reader", "--subscribe", "open.*", "--auth", policy)
    assert made.wait() == 0, made.err
    token = made.out.decode().strip()
    _, url = served("--auth", policy)
    shown = page(url)
    shown.fill("#token", f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}")
    shown.get_by_role("button", name="Sign in").click()
    expect(shown.locator("#health")).to_contain_text("asks who you are", timeout=BOUND)
    shown.fill("#token", token)
    shown.get_by_role("button", name="Sign in").click()
    expect(shown.locator("#health")).to_have_text("Everything is well", timeout=BOUND)
    assert token not in shown.url and token not in shown.content()
    # What is not told to this identity is not shown as nothing.
    expect(shown.locator("#facts")).to_contain_text("channels")
    expect(shown.locator("#facts")).not_to_contain_text("kept")


def test_a_fast_channel_does_not_freeze_the_page(served, page):
    hub, url = served()
    shown = page(f"{url}/#/fast")
    expect(shown.locator(".state")).to_contain_text("Live", timeout=BOUND)
    publisher, _ = hub.ask("PUBLISH fast acks=none")
    block = frame(b"x" * 128) * 1000
    sent = threading.Event()

    def publish_for_a_while():
        until = time.monotonic() + 3
        while time.monotonic() < until:
            publisher.send(block)
        sent.set()

    thread = threading.Thread(target=publish_for_a_while)
    thread.start()
    try:
        clicks = 0
        while not sent.is_set():
            # Each click is answered before the next one, however many messages come meanwhile.
            pause = shown.get_by_role("button", name="Pause")
            pause.click()
            shown.get_by_role("button", name="Go on").click()
            clicks += 1
        assert clicks > 0
    finally:
        thread.join()
    publisher.half_close()
    publisher.rest()
    hub.publish("fast", [b"the last one"])
    expect(messages(shown).first).to_have_text("the last one", timeout=BOUND)
