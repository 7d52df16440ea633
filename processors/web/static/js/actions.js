// What people do with alerts: sheets, one POST each, a toast with undo. Nothing is queued while offline.
import { say } from "./format.js";

const $ = (selector, root = document) => root.querySelector(selector);
const csrf = () => $('meta[name="csrf"]').content;
let current = "";

export async function post(path, content) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf() },
    body: JSON.stringify(content),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.message ?? say("err.failed"));
  return told;
}

const answer = (alert, verb, content) => post(`/api/v1/alerts/${encodeURIComponent(alert)}/${verb}`, content);

export function toast(text, { label, run, seconds = 10 } = {}) {
  const box = document.createElement("div");
  box.className = "toast";
  const line = document.createElement("span");
  line.textContent = text;
  box.append(line);
  if (label) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn small invert";
    button.textContent = label;
    button.addEventListener("click", async () => { box.remove(); await run(); });
    box.append(button);
  }
  $("#toasts").append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}

function open(name, alert, title = "") {
  const sheet = document.getElementById("sheet-" + name) ?? document.getElementById(name);
  if (!sheet) return;
  const about = $("[data-about]", sheet);
  if (about) about.textContent = title;
  current = alert ?? current;
  const error = $(".err", sheet);
  if (error) error.hidden = true;
  sheet.showModal();
}

async function send(sheet, verb, content, done) {
  const error = $(".err", sheet);
  const buttons = sheet.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  try {
    await answer(current, verb, content);
    sheet.close();
    done?.();
  } catch (problem) {
    error.textContent = problem.message;
    error.hidden = false;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

// The browser would say this in its own language, whatever the page's is.
function needed(sheet, note) {
  const error = $(".err", sheet);
  error.textContent = say("form.needed");
  error.hidden = false;
  note.focus();
}

function content(sheet, verb) {
  const note = $("textarea", sheet);
  if (note?.required && !note.value.trim()) { needed(sheet, note); return null; }
  const found = { note: note?.value.trim() ?? "" };
  const chosen = $("input:checked", sheet);
  if (verb === "shelve") Object.assign(found, { until_ms: Number(chosen.value) });
  const repaired = $("[name=repaired]", sheet);
  if (repaired && repaired.value !== repaired.defaultValue) found.repaired = repaired.value;
  if (verb === "dismiss") found.reason = chosen.value;
  return found;
}

export function actions({ refreshRegions }) {
  const again = () => refreshRegions();
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const sheet = button.closest("dialog");
    const { act, reason, send: verb, alert } = button.dataset;
    if (button.dataset.open) open(button.dataset.open);
    else if ("close" in button.dataset) sheet.close();
    else if (act === "unshelve") { current = alert; answer(alert, "shelve", { undo: true }).then(again, (problem) => toast(problem.message)); }
    else if (act && alert) {
      sheet?.close();
      open(act, alert, button.closest("[data-row]")?.querySelector("a").textContent);
    }
    else if (reason) {
      const id = current;
      const note = $("textarea", sheet).value.trim();
      if (reason === "other" && !note) { needed(sheet, $("textarea", sheet)); return; }
      send(sheet, "ack", { reason, note }, () => {
        again();
        toast(say("ack.done", { reason: say("reason." + reason) }), { label: say("common.undo"), run: () => answer(id, "ack", { undo: true }).then(again, (problem) => toast(problem.message)) });
      });
    } else if (verb) {
      const filled = content(sheet, verb);
      if (filled) send(sheet, verb, filled, () => { again(); toast(say("done." + verb), { seconds: 5 }); });
    } else if ("chip" in button.dataset) {
      const note = $("textarea", sheet);
      note.value = note.value ? `${note.value}, ${button.textContent}` : button.textContent;
    }
  });
}
