// The page: what the hub is, at the top; and all channels, or the one that the address names, below.

import { ChannelView } from "./channel.js";
import { element, say } from "./dom.js";
import { Hub, Refusal } from "./hub.js";
import { Overview } from "./overview.js";
import { Watch } from "./watch.js";
import { age, count, rate, size, status } from "./words.js";

const hub = new Hub();
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const health = /** @type {HTMLElement} */ (document.getElementById("health"));
const facts = /** @type {HTMLElement} */ (document.getElementById("facts"));

/** @type {Overview | ChannelView | undefined} */
let view;
const watch = new Watch(hub, show);

function show() {
  const { problem, health: now } = watch;
  if (problem instanceof Refusal && problem.code === "AUTH") {
    state("This hub asks who you are", "bad");
    signIn();
    return;
  }
  if (problem) {
    const words = problem instanceof Refusal ? `The hub refuses: ${problem.message}` : "The hub does not answer; trying again";
    state(words, "bad");
  } else if (now) {
    state(status(now), now.status === "ok" ? "good" : "bad");
    fact("messages/s", rate(watch.rate));
    fact("channels", count(watch.channels.size));
    // Who is not an admin is told the status alone.
    if (now.bytes !== undefined) fact("kept", size(now.bytes));
    if (now.uptime !== undefined) fact("up", age(now.uptime));
    if (now.version !== undefined) fact("version", now.version);
    if (!view) open();
  }
  view?.show();
}

/** @param {string} words @param {"good" | "bad"} kind */
function state(words, kind) {
  say(health, words);
  health.className = kind;
}

/** @param {string} name @param {string} value */
function fact(name, value) {
  let of = [...facts.children].find((child) => child.getAttribute("data-name") === name);
  if (!of) {
    of = element("div", { "data-name": name }, element("dt", {}, name), element("dd"));
    facts.append(of);
  }
  say(/** @type {Element} */ (of.lastElementChild), value);
}

/** Opens what the address of the page names. */
function open() {
  view?.close();
  const name = decodeURIComponent(location.hash).replace(/^#\/?/, "");
  const isName = /^[a-z0-9][a-z0-9._-]{0,127}$/.test(name);
  view = isName ? new ChannelView(hub, watch, name) : new Overview(hub, watch);
  document.title = view.title;
  main.replaceChildren(view.element);
}

function signIn() {
  if (main.querySelector("form")) return;
  view?.close();
  view = undefined;
  const token = element("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    hub.signIn(token.value.trim());
    main.replaceChildren();
    watch.look();
  };
  const label = element("label", { for: "token" }, "Token (tenfold token new makes one)");
  main.replaceChildren(element("form", { submit, class: "sign-in" }, label, token, element("button", {}, "Sign in")));
  token.focus();
}

addEventListener("hashchange", () => {
  open();
  main.focus();
});

addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("filter")?.focus();
  }
  if (event.key === "Escape") location.hash = "";
});
