// What every page does: one stream of live fields, ages and the clock, regions that change, the offline banner.
import { age, ageText, clock, clockSeconds, say } from "./format.js";
import { actions } from "./actions.js";
import { keyboard } from "./keyboard.js";

document.addEventListener("click", (event) => { if (event.target.closest("[data-print]")) print(); });
document.addEventListener("change", (event) => { if ("submit" in event.target.dataset) event.target.form.submit(); });
// A wall screen stands for years: the picture moves by two pixels every ten minutes.
if (document.documentElement.classList.contains("wall")) setInterval(() => document.documentElement.classList.toggle("moved"), 600_000);

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => root.querySelectorAll(selector);
const body = document.body;
const state = { serverMs: Number(body.dataset.now), atMs: performance.now(), rev: body.dataset.rev, heardAt: performance.now(), offlineSince: 0, announced: -1e9 };
export const nowMs = () => state.serverMs + (performance.now() - state.atMs);

// Elements by key, looked up once and again after a region was replaced.
let index = new Map();
const KINDS = ["text", "stateKey", "openKey", "bar", "label", "icon", "age", "ago", "demand", "width"];
function reindex() {
  index = new Map();
  for (const kind of KINDS) {
    const attribute = "data-" + kind.replace(/[A-Z]/g, (c) => "-" + c.toLowerCase());
    for (const element of $$(`[${attribute}]`)) {
      const key = element.dataset[kind];
      if (!index.has(key)) index.set(key, []);
      index.get(key).push([kind, element]);
    }
  }
}

function place(svg, value) {
  const [kind, at] = value.split(" ");
  svg.dataset.kind = kind;
  $(".ptr", svg)?.setAttribute("x", at + "%");
}

const SET = {
  text: (element, value) => { element.firstChild?.nodeType === 3 && element.childNodes.length === 1 ? (element.firstChild.data = value) : (element.textContent = value); },
  stateKey: (element, value) => { element.dataset.state = value; },
  openKey: (element, value) => { element.dataset.open = value; },
  bar: place,
  label: (element, value) => element.setAttribute("aria-label", value),
  icon: (element, value) => element.setAttribute("href", "#s-" + value),
  age: (element, value) => { element.dataset.t = value; },
  ago: (element, value) => { element.dataset.t = value; },
  demand: (element, value) => { const [now, peak, contract] = value.split(" "); [peak, contract, now].forEach((x, i) => element.children[i + 1].setAttribute("x", x + "%")); },
  width: (element, value) => element.setAttribute("width", value + "%"),
};

let pending = new Map();
function flush() {
  for (const [key, value] of pending) for (const [kind, element] of index.get(key) ?? []) SET[kind](element, String(value));
  pending = new Map();
}

function take(fields) {
  if ("now" in fields) { state.serverMs = fields.now; state.atMs = performance.now(); }
  state.heardAt = performance.now();
  if (!pending.size) requestAnimationFrame(flush);
  for (const [key, value] of Object.entries(fields)) pending.set(key, value);
  if (fields["alerts.rev"] && fields["alerts.rev"] !== state.rev) { state.rev = fields["alerts.rev"]; refreshRegions(); }
  if ("first" in fields && String(fields.first) !== body.dataset.first) location.reload();
  document.dispatchEvent(new CustomEvent("live", { detail: fields }));
}

// Regions that the server renders again: alerts change seldom, so the page is fetched and its regions are swapped.
let waiting = false;
export async function refreshRegions() {
  if ($("dialog[open]")) { waiting = true; return; }
  waiting = false;
  try {
    const answer = await fetch(location.href, { headers: { "X-Fragment": "1" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of $$("[data-region]")) {
      const next = fresh.getElementById(old.id);
      if (!next || next.isEqualNode(old)) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement.dataset.act : null;
      old.replaceWith(document.importNode(next, true));
      if (focused) $(`#${old.id} [data-act="${focused}"], #${old.id} a`)?.focus();
    }
    reindex();
    announce(say("announce.alerts"));
  } catch { /* the stream tells when the connection is back */ }
}
document.addEventListener("close", () => waiting && refreshRegions(), true);

export function announce(text) {
  if (performance.now() - state.announced < 10000) return;
  state.announced = performance.now();
  $("#announce").textContent = text;
}

// The stream. EventSource reconnects by itself; silence longer than a few beats counts as offline.
let source;
function connect() {
  source?.close();
  source = new EventSource(body.dataset.events);
  source.addEventListener("all", (event) => { online(); take(JSON.parse(event.data)); });
  source.addEventListener("some", (event) => { online(); take(JSON.parse(event.data)); });
  source.addEventListener("error", () => { offline(); if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000); });
}
function online() {
  if (!state.offlineSince) return;
  state.offlineSince = 0;
  document.documentElement.classList.remove("is-offline");
  $("#offline").hidden = true;
  for (const button of $$("[data-act]")) { button.disabled = false; button.removeAttribute("title"); }
  announce(say("announce.back"));
}
function offline() {
  if (state.offlineSince) return;
  state.offlineSince = nowMs();
  document.documentElement.classList.add("is-offline");
  const banner = $("#offline");
  banner.hidden = false;
  banner.dataset.state = "offline";
  for (const button of $$("[data-act]")) { button.disabled = true; button.title = say("action.offline"); }
  announce(say("live.offline"));
  beat();
}
$("[data-retry]")?.addEventListener("click", connect);
addEventListener("online", connect);
addEventListener("offline", offline);
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && connect());

function beat() {
  const now = nowMs();
  const clockElement = $("[data-clock]");
  if (clockElement) clockElement.textContent = clockSeconds(now);
  for (const element of $$("[data-age]")) if (element.dataset.t > 0) element.textContent = age((now - element.dataset.t) / 1000);
  for (const element of $$("[data-ago]")) if (element.dataset.t > 0) element.textContent = ageText((now - element.dataset.t) / 1000);
  if (performance.now() - state.heardAt > 6000) offline();
  if (state.offlineSince) {
    const quiet = (performance.now() - state.heardAt) / 1000;
    const [head, rest] = [$("#offline b"), $("#offline span")];
    head.textContent = say("banner.offline_head", { time: clock(state.offlineSince) });
    rest.textContent = say("banner.offline_rest", { age: ageText(quiet) });
  }
}
setInterval(beat, 1000);
reindex();
connect();
actions({ refreshRegions, nowMs });
if (document.documentElement.classList.contains("wall") && body.dataset.page === "overview") import("./wall.js").then((module) => module.wall());
if (body.dataset.page === "maintenance") import("./maintenance.js").then((module) => module.maintenance(refreshRegions));
keyboard();
if ($("[data-chart]")) import("./chart.js").then((chart) => chart.drawAll(nowMs));
for (const button of $$("[data-copy]")) button.addEventListener("click", () => navigator.clipboard?.writeText(button.dataset.copy));
