// The wall screen never scrolls: what does not fit folds, the calmest first. Abnormal tiles always stay.
import { say } from "./format.js";

const CALM = new Set(["good", "learning", "not_fit", "estimated"]);
const areas = [...document.querySelectorAll(".areas .area")].filter((area) => area.querySelector(".fold"));
const more = document.getElementById("wall-more");
const calm = (area) => [...area.querySelectorAll(".tile")].filter((tile) => CALM.has(tile.dataset.state) && !tile.dataset.open);
const over = () => document.body.getBoundingClientRect().bottom > innerHeight + 0.5;

function unfold(area) {
  area.hidden = false;
  area.style.gridColumn = area.style.order = "";
  area.querySelector(".fold").hidden = true;
  for (const tile of area.querySelectorAll(".tile")) tile.hidden = false;
}

function fold(area) {
  const quiet = calm(area);
  if (!quiet.length) return;
  for (const tile of quiet) tile.hidden = true;
  const line = area.querySelector(".fold");
  line.textContent = say("wall.calm", { n: quiet.length });
  line.hidden = false;
  const left = area.querySelectorAll(".tile:not([hidden])").length;
  area.style.gridColumn = `span ${Math.max(1, left)}`;
  area.style.order = left ? "" : 1;
}

function fit() {
  areas.forEach(unfold);
  more.hidden = true;
  const order = [...areas].sort((a, b) => calm(b).length - calm(a).length);
  const folded = [];
  for (const area of order) if (over()) { fold(area); folded.push(area); }
  for (const area of folded.reverse()) { unfold(area); if (over()) fold(area); }
  const whole = order.filter((area) => !area.querySelector(".tile:not([hidden])"));
  let away = 0;
  while (over() && away < whole.length) {
    whole[whole.length - 1 - away].hidden = true;
    away += 1;
    more.textContent = say("wall.areas", { n: away });
    more.hidden = false;
  }
}

let asked = 0;
export function wall() {
  const soon = () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(fit); };
  const watch = new MutationObserver(soon);
  for (const tile of document.querySelectorAll(".areas .tile")) watch.observe(tile, { attributes: true, attributeFilter: ["data-state", "data-open"] });
  addEventListener("resize", soon);
  fit();
}
