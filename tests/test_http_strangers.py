"""Other web pages in the same browser: by no means of Chromium do they read from a hub or publish to it."""

import http.server
import json
import threading

import pytest
from browser import BOUND
from door import ask
from support import wait_until

#: What a page tries at a hub, each with what it got: words of a failure, or what it could read. An answer that it cannot look at is "opaque".
MEANS = """async hub => {
  const tried = {}
  const channel = `${hub}/channels/ticks`
  const read = `${channel}?from=first&until=end`
  const failed = error => `failed: ${error.name}`
  const within = promise => Promise.race([promise, new Promise(done => setTimeout(done, 20000, 'nothing in 20 s'))])
  const attempt = async (name, work) => tried[name] = await within(work().catch(failed))
  const by_fetch = options => fetch(options.method ? channel : read, options).then(answer => answer.type === 'opaque' ? 'opaque' : answer.text())
  const by_element = (tag, members) => new Promise(done => {
    const element = Object.assign(document.createElement(tag), members)
    element.onload = () => done(tag === 'iframe' ? 'loaded, and not to be looked at' : 'loaded')
    element.onerror = () => done('failed')
    document.body.append(element)
  })
  const by_form = (target, enctype) => async () => {
    const form = Object.assign(document.createElement('form'), { method: 'post', action: channel, enctype, target })
    form.append(Object.assign(document.createElement('textarea'), { name: 'x', value: 'forged' }))
    document.body.append(form)
    form.submit()
    return 'sent'
  }
  await attempt('fetch', () => by_fetch({}))
  await attempt('fetch with credentials', () => by_fetch({ credentials: 'include' }))
  await attempt('fetch no-cors', () => by_fetch({ mode: 'no-cors' }))
  await attempt('fetch with the header', () => by_fetch({ method: 'POST', headers: { Tenfold: '1' }, body: 'forged' }))
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
    await attempt(`fetch no-cors, POST of ${type}`, () => by_fetch({ method: 'POST', mode: 'no-cors', headers: { 'Content-Type': type }, body: 'forged' }))
  await attempt('XMLHttpRequest', () => new Promise(done => {
    const request = new XMLHttpRequest()
    request.onload = () => done(request.responseText)
    request.onerror = () => done('failed')
    request.open('GET', read)
    request.send()
  }))
  await attempt('image', () => by_element('img', { src: read }))
  await attempt('script', () => by_element('script', { src: `${read}&as=text` }))
  await attempt('style', () => by_element('link', { rel: 'stylesheet', href: `${read}&as=text` }))
  await attempt('frame', () => by_element('iframe', { src: read }))
  await attempt('frame of the page', () => by_element('iframe', { src: `${hub}/` }))
  await attempt('video', () => by_element('video', { src: read }))
  await attempt('beacon', async () => navigator.sendBeacon(channel, 'forged') ? 'sent' : 'failed')
  await attempt('beacon of a ticket', async () => navigator.sendBeacon(`${hub}/tickets`) ? 'sent' : 'failed')
  document.body.append(Object.assign(document.createElement('iframe'), { name: 'target' }))
  for (const enctype of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) await attempt(`form of ${enctype}`, by_form('target', enctype))
  await attempt('EventSource', () => new Promise(done => {
    const events = new EventSource(`${channel}?from=first`)
    events.onmessage = ({ data }) => done(data)
    events.onerror = () => { events.close(); done('failed') }
  }))
  for (const protocol of ['tenfold', 'tenfold.messages']) await attempt(`WebSocket, ${protocol}`, () => new Promise(done => {
    const socket = new WebSocket(`${channel.replace('http', 'ws')}?from=first`, protocol)
    socket.onmessage = ({ data }) => done(data)
    socket.onopen = () => socket.send('x')
    socket.onclose = () => done('failed')
  }))
  return tried
}"""


class Site:
    """Somebody else's page, at an origin of its own on this machine."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                # With a frame in which scripts run, and which has no origin.
                self.wfile.write(b"<!doctype html><title>other</title><iframe id=nobody sandbox='allow-scripts allow-forms' srcdoc='<body>'></iframe>")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def context(browser):
    context = browser.new_context()
    context.set_default_timeout(BOUND)
    yield context
    context.close()


@pytest.fixture
def secret(door):
    """A hub with a message that nobody else is to see, and none that anybody else has sent."""
    hub = door()
    hub.publish("ticks", [b"secret"])
    yield hub
    (channel,) = json.loads(ask(hub, "GET", "/channels")[2])
    assert (channel["channel"], channel["next"]) == ("ticks", 1)


def statuses(page, hub) -> list[tuple[str, str, int]]:
    """What the hub answers to the page from now on, as it is known when it has come."""
    found = []
    page.on("response", lambda answer: found.append((answer.request.method, answer.url, answer.status)) if f":{hub.http}" in answer.url else None)
    return found


def nothing_was_got(tried: dict[str, str]):
    allowed = ("failed", "opaque", "sent", "loaded, and not to be looked at")
    assert len(tried) == 22 and all(str(got).startswith(allowed) for got in tried.values()), tried


# `127.0.0.1` is of another site than `localhost`; two ports of `localhost` are of the same.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["cross-site", "same-site"])
@pytest.mark.parametrize("frame", ["main", "nobody"], ids=["a page", "Origin: null"])
def test_a_page_of_another_origin_gets_nothing_and_sends_nothing(secret, site, context, host, frame):
    page = context.new_page()
    page.goto(f"http://localhost:{site.port}/")
    within = page if frame == "main" else page.query_selector("#nobody").content_frame()
    assert within.evaluate("origin") == (f"http://localhost:{site.port}" if frame == "main" else "null")
    answers = statuses(page, secret)
    nothing_was_got(within.evaluate(MEANS, f"http://{host}:{secret.http}"))
    # Chromium tells of the answers that are for frames: all are refused, but for GET /, which tells nothing and may be linked to.
    wait_until(lambda: page.evaluate("1") and {"GET", "POST"} <= {method for method, _, _ in answers}, what="the answers")
    assert {status for _, url, status in answers if "/channels" in url} == {403}, answers


def test_a_name_that_somebody_points_to_this_machine_is_of_no_use(secret, site, context):
    """The page has come from somewhere else, and by now its name is that of this machine: to the browser the hub is its own origin."""
    page = context.new_page()
    own = f"http://rebound.example:{secret.http}"
    page.route(f"{own}/evil", lambda route: route.continue_(url=f"http://localhost:{site.port}/"))
    page.goto(f"{own}/evil")
    answers = statuses(page, secret)
    tried = page.evaluate(MEANS, own)
    # Here the page may read what it is told.
    told = {name: got for name, got in tried.items() if not got.startswith(("failed", "sent", "loaded"))}
    assert all(json.loads(got)["status"] == 421 for got in told.values()) and {"fetch", "fetch with the header", "XMLHttpRequest"} <= set(told), tried
    assert len(answers) >= 10 and {status for _, _, status in answers} == {421}, answers
    direct = context.new_page().goto(f"{own}/")
    assert direct.status == 421


def test_a_page_that_was_let_in_reads_and_publishes(door, site, context):
    """So it is the hub that keeps the others out, and not the browser."""
    hub = door("--http-origin", f"http://localhost:{site.port}")
    hub.publish("ticks", [b"secret"])
    page = context.new_page()
    page.goto(f"http://localhost:{site.port}/")
    tried = page.evaluate(MEANS, f"http://127.0.0.1:{hub.http}")
    assert '"secret"' in tried["fetch"] and tried["EventSource"] == "secret" and json.loads(tried["fetch with the header"])["next"] == 1, tried
