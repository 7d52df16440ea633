// The small half of the formatter: what the browser has to tell by itself. Rules as in processors/web/text.py.
export const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
const NBSP = "\u00a0";
const locale = document.documentElement.lang === "vi" ? "vi-VN" : "en-US";
const zone = document.body.dataset.zone || "UTC";
const formats = new Map();

const cached = (key, make) => formats.get(key) ?? (formats.set(key, make()), formats.get(key));

export function say(key, args = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => args[name] ?? whole);
}

export function number(value, decimals = 0) {
  const format = cached(`n${decimals}`, () => new Intl.NumberFormat(locale, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }));
  const text = format.format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? "−" + text : text;
}

export function power(kw) {
  if (kw == null) return "—";
  if (Math.abs(kw) >= 10000) return number(kw / 1000, 1) + NBSP + "MW";
  return number(kw, Math.abs(kw) < 99.95 ? 1 : 0) + NBSP + "kW";
}

const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];

export function age(seconds) {
  const s = Math.max(0, seconds);
  const [, size, unit] = STEPS.find(([limit]) => s < limit);
  return Math.floor(s / size) + NBSP + words["age." + unit];
}

export function ageText(seconds) {
  if (seconds < 1) return words["age.now"];
  const [limit, size, unit] = STEPS.find(([end]) => seconds < end);
  return limit === Infinity ? age(seconds) : say("age.ago_" + unit, { n: Math.floor(seconds / size) });
}

const part = (key, options) => cached(key, () => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }));
export const clock = (ms) => part("c", { hour: "2-digit", minute: "2-digit" }).format(ms);
export const clockSeconds = (ms) => part("cs", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
export const day = (ms) => part("d", { day: "2-digit", month: "2-digit" }).format(ms);
const WEEKDAYS = { vi: ["CN", "T2", "T3", "T4", "T5", "T6", "T7"], en: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] };
export function weekday(ms) {
  const [year, month, date] = part("ymd", { year: "numeric", month: "2-digit", day: "2-digit" }).format(ms).split("/").reverse().map(Number);
  return WEEKDAYS[locale === "vi-VN" ? "vi" : "en"][new Date(Date.UTC(year, month - 1, date)).getUTCDay()];
}
