"""HTTP/2 in Chromium, which chooses it by itself."""

from browser import BOUND
from playwright.sync_api import expect

OPEN_AND_PUBLISH = """async () => {
    const sources = Array.from({length: 50}, (_, number) => new EventSource(`/channels/events.${number % 5}`));
    await Promise.all(sources.map(source => new Promise((opened, failed) => { source.onopen = opened; source.onerror = failed; })));
    const got = sources.map(source => new Promise(heard => { source.onmessage = event => heard(event.data); }));
    for (let number = 0; number < 5; number++) {
        const answer = await fetch(`/channels/events.${number}`, {method: "POST", headers: {Tenfold: "1"}, body: `to ${number}`});
        const said = await answer.text();
        if (!answer.ok) throw new Error(said);
    }
    const heard = await Promise.all(got);
    for (const source of sources) source.close();
    const fetched = performance.getEntriesByType("resource").filter(entry => entry.name.includes("/channels/events."));
    return [heard, fetched.map(entry => entry.nextHopProtocol)];
}"""


def test_fifty_event_sources_of_a_page_have_one_connection(https_door, page):
    hub = https_door()
    shown = page(hub.origin, ignore_https_errors=True)
    heard, protocols = shown.evaluate(OPEN_AND_PUBLISH)
    assert heard == [f"to {number % 5}" for number in range(50)]
    assert protocols and set(protocols) == {"h2"}


def test_the_page_of_a_hub_chats_over_tls(https_door, page):
    hub = https_door()
    shown = page(f"{hub.origin}/#/lobby", ignore_https_errors=True)
    # What follows the channel is a WebSocket, which has a connection of HTTP/1.1 to itself.
    expect(shown.locator(".state")).to_contain_text("Live", timeout=BOUND)
    shown.fill("#message", "hello")
    shown.press("#message", "Enter")
    expect(shown.locator(".messages > li .body").first).to_have_text("hello", timeout=BOUND)
