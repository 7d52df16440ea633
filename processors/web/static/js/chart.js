// Charts with uPlot: the server says what to draw (processors/web/charts.py), this file says with which pixels.
import { clock, day, number, power, say, weekday } from "./format.js";

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const FONT = '12px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const SIX_HOURS = 21600, HOUR = 3600;

function palette() {
  return Object.fromEntries(["ink", "ink2", "ink3", "line", "surface", "track", "band", "chartband", "series2", "waste", "waste-bg", "doubt"].map((name) => [name, token(name)]));
}

const seconds = (line) => [line[0].map((t) => t / 1000), ...line.slice(1)];

function hatch(ctx, x0, x1, top, height, colour) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x0, top, Math.max(2, x1 - x0), height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.globalAlpha = 0.75;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  const step = 7 * devicePixelRatio;
  for (let x = x0 - height; x < x1; x += step) { ctx.moveTo(x, top + height); ctx.lineTo(x + height, top); }
  ctx.stroke();
  ctx.restore();
}

function behind(data, c) {
  return (u) => {
    const { ctx, bbox } = u;
    const x = (ms) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(ms / 1000, "x", true)));
    for (const shut of data.shutdowns ?? []) {
      ctx.fillStyle = c.track;
      ctx.fillRect(x(shut.from), bbox.top, x(shut.to) - x(shut.from), bbox.height);
    }
    for (const event of data.events ?? []) {
      ctx.fillStyle = c["waste-bg"];
      ctx.fillRect(x(event.from), bbox.top, x(event.to) - x(event.from), bbox.height);
      ctx.fillStyle = c.waste;
      ctx.fillRect(x(event.from), bbox.top, x(event.to) - x(event.from), 3 * devicePixelRatio);
    }
  };
}

function above(data, c, live) {
  return (u) => {
    const { ctx, bbox } = u;
    const r = devicePixelRatio;
    const x = (ms) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(ms / 1000, "x", true)));
    const bottom = bbox.top + bbox.height;
    ctx.save();
    ctx.font = FONT.replace("12px", 12 * r + "px");
    for (const gap of data.gaps ?? []) {
      hatch(ctx, x(gap.from), x(gap.to), bbox.top, bbox.height, c.doubt);
      const width = ctx.measureText(gap.text).width + 10 * r;
      let left = gap.waiting ? x(gap.to) + 6 * r : (x(gap.from) + x(gap.to) - width) / 2;
      left = Math.max(bbox.left, Math.min(left, bbox.left + bbox.width - width));
      const y = bbox.top + bbox.height * (gap.waiting ? 0.5 : 0.14);
      ctx.fillStyle = c.surface;
      ctx.fillRect(left, y - 9 * r, width, 18 * r);
      ctx.fillStyle = c.doubt;
      ctx.textAlign = "left";
      ctx.textBaseline = "middle";
      ctx.fillText(gap.text, left + 5 * r, y);
    }
    if (data.limit) {
      const y = u.valToPos(data.limit.kw, "y", true);
      ctx.strokeStyle = c.ink2;
      ctx.lineWidth = 1.2 * r;
      ctx.setLineDash([6 * r, 4 * r]);
      ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
      ctx.setLineDash([]);
      ctx.fillStyle = c.ink2;
      ctx.textAlign = "left";
      ctx.textBaseline = "top";
      ctx.fillText(data.limit.text, bbox.left + 6 * r, y + 3 * r);
    }
    const colours = { off_peak: c.track, normal: c.band, peak: c.ink };
    for (const period of data.tariff ?? []) {
      ctx.fillStyle = colours[period.is] ?? c.band;
      ctx.fillRect(x(period.from), bottom - 1 * r, x(period.to) - x(period.from), 4 * r);
    }
    if (data.now) {
      const at = x(data.now);
      ctx.strokeStyle = c.ink3;
      ctx.lineWidth = r;
      ctx.setLineDash([2 * r, 3 * r]);
      ctx.beginPath(); ctx.moveTo(at, bbox.top); ctx.lineTo(at, bottom); ctx.stroke();
      ctx.setLineDash([]);
      const last = live.kw ?? lastOf(data.measured[1]);
      if (last != null && !(data.gaps ?? []).some((gap) => gap.waiting)) {
        ctx.fillStyle = (data.events ?? []).some((event) => event.to >= data.now) ? c.waste : c.ink;
        ctx.beginPath(); ctx.arc(at, u.valToPos(last, "y", true), 4.5 * r, 0, 7); ctx.fill();
        ctx.strokeStyle = c.surface; ctx.lineWidth = 1.5 * r; ctx.stroke();
      }
    }
    ctx.restore();
  };
}

const lastOf = (values) => values.findLast((value) => value != null);

function axes(data, c, { narrow, top }) {
  const long = data.to - data.from > 2 * 86400e3;
  const hours = (data.to - data.from) / 3600e3;
  const every = narrow ? (hours > 14 ? SIX_HOURS : 3 * HOUR) : hours > 14 ? 2 * HOUR : HOUR;
  const base = { stroke: c.ink2, font: FONT, ticks: { show: true, size: 4, stroke: c.line, width: 1 }, grid: { show: false } };
  const splits = (u, axis, min, max) => {
    const found = [];
    if (long) {
      for (let t = data.from / 1000 + 43200; t < max; t += 86400 * Math.max(1, Math.ceil(hours / 24 / (narrow ? 5 : 16)))) found.push(t);
    } else for (let t = data.from / 1000; t <= max + 1; t += every) found.push(t);
    return found;
  };
  const label = (t) => (long ? (hours > 240 ? day(t * 1000) : `${weekday(t * 1000)} ${day(t * 1000)}`) : clock(t * 1000));
  return [
    { ...base, size: 26, gap: 7, splits, values: (u, ticks) => ticks.map(label) },
    { ...base, size: (narrow ? 32 : 34) + (top >= 1000 ? 8 : 0), gap: 6, ticks: { show: false }, grid: { stroke: c.line, width: 1 }, splits: (u, axis, min, max) => ticksTo(max), values: (u, ticks) => ticks.map((v) => number(v, v % 1 ? 1 : 0)) },
  ];
}

function ticksTo(max) {
  const rough = max / 4.5;
  const size = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((f) => f * size).find((s) => s >= rough) ?? size;
  const found = [];
  for (let v = 0; v <= max * 1.0001; v += step) found.push(v);
  return found;
}

function lines(data, c) {
  const tables = [seconds(data.band), seconds(data.measured)];
  const series = [{}, { label: "hi", stroke: c.band, width: 0.75, points: { show: false }, spanGaps: true }, { label: "lo", stroke: c.band, width: 0.75, points: { show: false }, spanGaps: true }];
  tables[0] = [tables[0][0], tables[0][2], tables[0][1]];
  series.push({ label: "measured", stroke: c.ink, width: 1.75, points: { show: false } });
  if (data.estimated[0].length) { tables.push(seconds(data.estimated)); series.push({ label: "estimated", stroke: c.doubt, width: 1.5, dash: [5, 4], points: { show: false } }); }
  data.compare.forEach((line, i) => {
    tables.push(seconds(line.line));
    series.push({ label: line.text, stroke: c.series2, width: 1.25, dash: i ? [2, 3] : [5, 3], points: { show: false } });
  });
  return { series, table: uPlot.join(tables) };
}

function draw(holder, data, live) {
  const c = palette();
  const narrow = holder.clientWidth < 500;
  holder.replaceChildren();
  const { series, table } = lines(data, c);
  const peaks = table.slice(1).flat().filter((value) => value != null);
  const top = !peaks.length ? data.limit?.kw ?? 10 : Math.max(1e-3, data.limit && Math.max(...peaks) > 0.3 * data.limit.kw ? data.limit.kw : 0, ...peaks) * 1.09;
  const tip = document.createElement("output");
  tip.className = "tip";
  tip.hidden = true;
  const chart = new uPlot({
    width: holder.clientWidth,
    height: holder.clientHeight,
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { show: false } },
    scales: { x: { time: false, range: [data.from / 1000, data.to / 1000] }, y: { range: [0, top] } },
    axes: axes(data, c, { narrow, top }),
    series,
    bands: [{ series: [1, 2], fill: c.chartband }],
    padding: [6, 18, 0, 0],
    hooks: {
      drawClear: [behind(data, c)],
      draw: [above(data, c, live)],
      setCursor: [(u) => {
        const i = u.cursor.idx;
        tip.hidden = i == null;
        if (i == null) return;
        const near = (row) => { for (let d = 0; d < 4; d++) { if (row[i - d] != null) return row[i - d]; if (row[i + d] != null) return row[i + d]; } return null; };
        const [hi, lo, kw] = [near(u.data[1]), near(u.data[2]), u.data[3][i] ?? near(u.data[3])];
        const t = u.data[0][i] * 1000;
        const when = data.to - data.from > 2 * 86400e3 ? `${weekday(t)} ${day(t)} ${clock(t)}` : clock(t);
        tip.textContent = [when, power(kw), hi == null ? "" : `${say("chart.expected_short")} ${number(lo, hi < 10 ? 1 : 0)}–${number(hi, hi < 10 ? 1 : 0)}`].filter(Boolean).join(" · ");
      }],
    },
  }, table, holder);
  holder.append(tip);
  walk(holder, chart);
  return chart;
}

// ←/→ one point, Shift ten, Home/End: the cursor by keyboard. It begins at the newest measured point.
function walk(holder, chart) {
  holder.tabIndex = 0;
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const last = chart.data[0].length - 1;
    if (!step && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    const newest = chart.data[3].findLastIndex((kw) => kw != null);
    const from = chart.cursor.idx ?? (newest < 0 ? last : newest - step);
    const at = event.key === "Home" ? 0 : event.key === "End" ? last : Math.min(last, Math.max(0, from + step * (event.shiftKey ? 10 : 1)));
    chart.setCursor({ left: chart.valToPos(chart.data[0][at], "x"), top: 10 });
  });
}

function bars(holder, data) {
  const c = palette();
  holder.replaceChildren();
  const canvas = document.createElement("canvas");
  const [w, h, r] = [holder.clientWidth, holder.clientHeight, devicePixelRatio];
  [canvas.width, canvas.height] = [w * r, h * r];
  canvas.style.width = w + "px";
  canvas.style.height = h + "px";
  holder.append(canvas);
  const ctx = canvas.getContext("2d");
  ctx.scale(r, r);
  ctx.font = FONT;
  const [left, right, top, bottom] = [30, 8, 16, 24];
  const max = Math.max(...data.bars.map((bar) => bar.kw ?? 0), data.hi ?? 0) * 1.05 || 1;
  const y = (kw) => h - bottom - ((h - top - bottom) * kw) / max;
  const slot = (w - left - right) / data.bars.length;
  ctx.textBaseline = "middle";
  for (const tick of ticksTo(max).filter((v, i, all) => all.length < 5 || i % 2 === 0)) {
    ctx.strokeStyle = c.line;
    ctx.beginPath(); ctx.moveTo(left, y(tick)); ctx.lineTo(w - right, y(tick)); ctx.stroke();
    ctx.fillStyle = c.ink2; ctx.textAlign = "right";
    ctx.fillText(number(tick, tick % 1 ? 1 : 0), left - 6, y(tick));
  }
  if (data.hi != null) { ctx.fillStyle = c.chartband; ctx.fillRect(left, y(data.hi), w - left - right, Math.max(2, y(data.lo) - y(data.hi))); }
  const narrow = slot < 38;
  data.bars.forEach((bar, i) => {
    const x = left + slot * (i + 0.5);
    ctx.textAlign = "center";
    if (bar.off) { /* a day without the pattern's hours has no bar, and nothing is missing */ }
    else if (bar.kw == null) hatch(ctx, x - slot * 0.3, x + slot * 0.3, top, h - top - bottom, c.doubt);
    else {
      ctx.fillStyle = bar.event ? c.waste : c.ink3;
      ctx.fillRect(x - slot * 0.3, y(bar.kw), slot * 0.6, h - bottom - y(bar.kw));
      if (bar.event && (!narrow || i === data.bars.length - 1)) {
        ctx.font = "600 " + FONT; ctx.fillStyle = c.ink;
        ctx.fillText(number(bar.kw, bar.kw < 99.95 ? 1 : 0), x, y(bar.kw) - 8);
        ctx.font = FONT;
      }
    }
    ctx.fillStyle = c.ink2;
    if (!narrow || i % 3 === 1) ctx.fillText(bar.text, x, h - bottom + 13);
  });
}

function curve(holder, data) {
  const c = palette();
  holder.replaceChildren();
  const top = Math.max(1e-3, ...data.lines.flatMap((line) => line.kw)) * 1.08;
  const x = data.share;
  return new uPlot({
    width: holder.clientWidth, height: holder.clientHeight, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false, range: [0, 100] }, y: { range: [0, top] } },
    axes: [
      { stroke: c.ink2, font: FONT, size: 26, gap: 6, grid: { show: false }, ticks: { show: false }, splits: () => [0, 25, 50, 75, 100], values: (u, v) => v.map((n) => n + "%") },
      { stroke: c.ink2, font: FONT, size: 34, gap: 6, grid: { stroke: c.line, width: 1 }, ticks: { show: false }, splits: (u, a, min, max) => ticksTo(max), values: (u, v) => v.map((n) => number(n, n % 1 ? 1 : 0)) },
    ],
    padding: [6, 16, 0, 0],
    series: [{}, ...data.lines.map((line, i) => ({ stroke: i ? c.series2 : c.ink, width: i ? 1.25 : 1.75, dash: i ? [5, 3] : [], points: { show: false } }))],
  }, [x, ...data.lines.map((line) => line.kw)], holder);
}

const chartOf = new WeakMap();

// A chart follows the plant: its point every second, its line when the server has more of it.
function follow(all) {
  let fetched = performance.now();
  document.addEventListener("live", ({ detail }) => {
    for (const { holder, data, live } of all) {
      const kw = detail[holder.dataset.live];
      if (!data.now) continue;
      const filling = document.getElementById("banner").dataset.state === "fill";
      if (filling) live.kw = null;
      else if (kw !== undefined) live.kw = kw === "" ? null : kw;
      if (!filling) data.now = Math.min(nowMs(), data.to);
      for (const event of data.events ?? []) if (event.open) event.to = data.now;
      chartOf.get(holder)?.redraw(false, false);
    }
    const pause = document.getElementById("banner").dataset.state === "fill" ? 2500 : 30000;
    if (performance.now() - fetched < pause || document.hidden) return;
    fetched = performance.now();
    again(all);
  });
}

async function again(all) {
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const entry of all) {
      const text = fresh.querySelector(`[data-chart="${entry.holder.id}"]`)?.textContent;
      if (!text || text === entry.text) continue;
      entry.text = text;
      Object.assign(entry.data, JSON.parse(text));
      if (entry.holder.matches(":hover, :focus")) continue;
      if (entry.data.bars) bars(entry.holder, entry.data);
      else if (entry.data.share) curve(entry.holder, entry.data);
      else if (entry.holder.clientWidth) { chartOf.get(entry.holder)?.destroy(); chartOf.set(entry.holder, draw(entry.holder, entry.data, entry.live)); }
    }
  } catch { /* the stream tells when the connection is back */ }
}

let nowMs = () => Date.now();

export function drawAll(clock) {
  nowMs = clock ?? nowMs;
  const all = [...document.querySelectorAll("[data-chart]")].map((script) => {
    const holder = document.getElementById(script.dataset.chart);
    return { holder, text: script.textContent, data: JSON.parse(script.textContent), live: { kw: null } };
  });
  const paint = () => all.forEach(({ holder, data, live }) => {
    if (!holder.clientWidth) return;
    if (data.bars) bars(holder, data);
    else if (data.share) curve(holder, data);
    else chartOf.set(holder, draw(holder, data, live));
  });
  paint();
  follow(all);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; paint(); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}
