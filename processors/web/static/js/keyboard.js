// Single keys for people who watch all day. They can be switched off: localStorage["driftwatt.keys"] = "off".
const SECTIONS = { o: "/", m: "/meters", a: "/alerts", r: "/reports" };

export function keyboard() {
  let gone = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("driftwatt.keys") === "off") return;
    if (event.target.closest("input, textarea, select, dialog[open]")) return;
    if (event.key === "g") { gone = event.timeStamp; return; }
    if (event.timeStamp - gone < 1500 && SECTIONS[event.key]) { location.href = SECTIONS[event.key]; return; }
    const rows = [...document.querySelectorAll("[data-row] a")];
    const at = rows.indexOf(document.activeElement);
    const run = {
      "/": () => document.querySelector('input[type="search"]')?.focus() ?? (location.href = "/meters#search"),
      "?": () => document.getElementById("keys").showModal(),
      a: () => document.querySelector('[data-act="ack"]')?.click(),
      s: () => document.querySelector('[data-act="shelve"]')?.click(),
      f: () => document.querySelector('[data-act="fixed"]')?.click(),
      j: () => rows[Math.min(rows.length - 1, at + 1)]?.focus(),
      k: () => rows[Math.max(0, at - 1)]?.focus(),
    }[event.key];
    if (run) { event.preventDefault(); run(); }
  });
}
