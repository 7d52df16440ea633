// Single keys for people who watch all day. They can be switched off: localStorage["driftwatt.keys"] = "off".
const SECTIONS = { o: "/", m: "/meters", a: "/alerts", r: "/reports" };

export function keyboard() {
  let gone = -Infinity;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("driftwatt.keys") === "off") return;
    if (event.target.closest("input, textarea, select, dialog[open]")) return;
    if (event.key === "g") { gone = event.timeStamp; return; }
    if (event.timeStamp - gone < 1500 && SECTIONS[event.key]) { location.href = SECTIONS[event.key]; return; }
    const rows = [...document.querySelectorAll("[data-row]")];
    const row = document.activeElement.closest("[data-row]");
    const to = (index) => rows[Math.max(0, Math.min(rows.length - 1, index))]?.querySelector("a").focus();
    // On a page of many alerts a key means the one in focus, never the first.
    const press = (act) => (rows.length ? row : document)?.querySelector(`[data-act="${act}"]`)?.click();
    const run = {
      "/": () => { const box = document.querySelector('input[type="search"]'); box ? box.focus() : (location.href = "/meters"); },
      "?": () => document.getElementById("keys").showModal(),
      a: () => press("ack"),
      s: () => press("shelve"),
      f: () => press("fixed"),
      j: () => to(rows.indexOf(row) + 1),
      k: () => to(rows.indexOf(row) - 1),
    }[event.key];
    if (run) { event.preventDefault(); run(); }
  });
}
