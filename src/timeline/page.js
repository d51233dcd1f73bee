"use strict";

// The run as html.cc wrote it: {slots, duration, kinds, names, outcomes, failures (outcomes that are
// one), steps: [time, slots in use, ...], sessions: [{name, lanes: [{name, spans: [begin, duration, kind, name, outcome, ...]}]}]}.
// Times are microseconds; the last three of a span are indexes.
const run = JSON.parse(document.getElementById("run").textContent);
const canvas = document.getElementById("picture");
const tip = document.getElementById("tip");
const cursor = document.getElementById("cursor");
const context = canvas.getContext("2d");
const [STARTING, WAITING, TEST, FINISHING] = [0, 1, 2, 3];
const FIELDS = 5;
const COLORS = ["paper", "band", "text", "muted", "grid", "run", "on-run", "other", "wait", "fail", "area", "limit"];
const FONT = '"Segoe UI", system-ui, -apple-system, Roboto, "Noto Sans", sans-serif';
const failed = run.outcomes.map((outcome) => run.failures.includes(outcome));
const end = Math.max(run.duration, 1);

let view = { begin: 0, end };
let layout, colors, hatches, pending, pointerAt;

// What is where, in CSS pixels.
function place() {
  const width = canvas.clientWidth;
  const small = width < 600;
  const lanes = run.sessions.flatMap((session) => session.lanes);
  context.font = `12px ${FONT}`;
  const widest = Math.max(...lanes.map((lane) => Math.min(context.measureText(lane.name).width, 200)));
  const left = Math.ceil(Math.min(Math.max(widest, 28), width * (small ? 0.2 : 0.14))) + 10;
  const height = lanes.length > 40 ? 14 : small ? 18 : 22;
  const curve = { top: 24, bottom: small ? 104 : 134 };
  const rows = [];
  let y = curve.bottom + 16;
  for (const session of run.sessions) {
    rows.push({ session, y: y + 4, height: 22 });
    y += 28;
    for (const lane of session.lanes) {
      rows.push({ lane, session, y, height });
      y += height + (height > 14 ? 4 : 2);
    }
    y += 8;
  }
  layout = { width, left, right: width - 4, curve, rows, axis: y, height: y + 26 };
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = `${layout.height}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(layout.height * scale);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const style = getComputedStyle(document.documentElement);
  colors = Object.fromEntries(COLORS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  hatches = { [STARTING]: hatch(1, scale), [FINISHING]: hatch(-1, scale) };
  draw();
}

// Stripes that rise to the right (1) or fall (-1).
function hatch(direction, scale) {
  const size = 6;
  const tile = new OffscreenCanvas(size * scale, size * scale);
  const pen = tile.getContext("2d");
  pen.scale(scale, scale);
  pen.strokeStyle = colors.run;
  pen.lineWidth = 1.6;
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, direction > 0 ? size + 1 : -1);
    pen.lineTo(shift + size + 1, direction > 0 ? -1 : size + 1);
  }
  pen.stroke();
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  return pattern;
}

const xOf = (time) => layout.left + ((time - view.begin) / (view.end - view.begin)) * (layout.right - layout.left);
const timeOf = (x) => view.begin + ((x - layout.left) / (layout.right - layout.left)) * (view.end - view.begin);

// The index of the last of the items of `size` numbers that begins at or before time, or 0.
function lastBefore(items, size, time) {
  let low = 0;
  let high = items.length / size;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (items[middle * size] <= time) low = middle;
    else high = middle;
  }
  return low * size;
}

function fitted(text, width) {
  if (context.measureText(text).width <= width) return text;
  let [low, high] = [0, Math.min(text.length, 200)];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle;
  }
  return low > 0 ? `${text.slice(0, low)}…` : "";
}

function label(text, x, y, { color = colors.text, align = "left", font = `12px ${FONT}` } = {}) {
  context.font = font;
  context.fillStyle = color;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillText(text, x, y);
}

function request() {
  pending ??= requestAnimationFrame(draw);
}

function draw() {
  pending = undefined;
  context.fillStyle = colors.paper;
  context.fillRect(0, 0, layout.width, layout.height);
  for (const row of layout.rows) {
    if (!row.lane) continue;
    context.fillStyle = colors.band;
    context.fillRect(layout.left, row.y, layout.right - layout.left, row.height);
  }
  drawAxis();
  drawCurve();
  for (const row of layout.rows) {
    const middle = row.y + row.height / 2;
    if (row.lane) {
      drawLane(row);
      context.font = `12px ${FONT}`;
      label(fitted(row.lane.name, layout.left - 8), layout.left - 8, middle, { align: "right" });
    } else {
      const font = `600 13px ${FONT}`;
      context.fillStyle = colors.paper; // No grid behind the heading.
      context.fillRect(0, row.y, layout.width, row.height);
      context.font = font;
      label(fitted(row.session.name, layout.right), 0, middle, { font });
    }
  }
}

function drawAxis() {
  const rough = (90 / (layout.right - layout.left)) * (view.end - view.begin);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const digits = Math.max(0, Math.ceil(6 - Math.log10(step) - 1e-9));
  for (let i = Math.ceil(view.begin / step); i * step <= view.end; i++) {
    const x = Math.round(xOf(i * step));
    context.fillStyle = colors.grid;
    context.fillRect(x, layout.curve.top, 1, layout.axis - layout.curve.top + 4);
    const text = `${((i * step) / 1e6).toFixed(digits)} s`;
    context.font = `12px ${FONT}`;
    const half = context.measureText(text).width / 2;
    label(text, Math.min(x, layout.right - half), layout.axis + 14, { color: colors.muted, align: "center" });
  }
}

// Slots in use: the most, and added up over the time from the run's begin.
let most = run.slots;
const sums = [0];
for (let i = 1; i < run.steps.length; i += 2) most = Math.max(most, run.steps[i]);
for (let i = 2; i < run.steps.length; i += 2) {
  sums.push(sums.at(-1) + run.steps[i - 1] * (run.steps[i] - run.steps[i - 2]));
}

function inUseUpTo(time) {
  const i = lastBefore(run.steps, 2, time);
  return sums[i / 2] + run.steps[i + 1] * (time - run.steps[i]);
}

function drawCurve() {
  const { top, bottom } = layout.curve;
  const yOf = (count) => bottom - (count / Math.max(most, 1)) * (bottom - top - 8);
  // The average of each pixel column: handing a slot over takes less than one can see.
  const line = new Path2D();
  const lineEnd = Math.min(Math.max(xOf(run.duration), layout.left), layout.right);
  for (let x = layout.left; x < lineEnd; x++) {
    const [begin, end] = [timeOf(x), Math.min(timeOf(x + 1), run.duration)];
    const y = yOf((inUseUpTo(end) - inUseUpTo(begin)) / (end - begin));
    line.lineTo(x, y);
    line.lineTo(Math.min(x + 1, lineEnd), y);
  }
  const area = new Path2D(line);
  area.lineTo(lineEnd, bottom);
  area.lineTo(layout.left, bottom);
  context.fillStyle = colors.area;
  context.fill(area);
  context.strokeStyle = colors.run;
  context.lineWidth = 1.5;
  context.stroke(line);
  context.fillStyle = colors.muted;
  context.fillRect(layout.left, bottom, layout.right - layout.left, 1);
  label("slots in use", 0, 8, { font: `600 13px ${FONT}` });
  label("0", layout.left - 8, bottom - 2, { color: colors.muted, align: "right" });
  if (run.slots === 0 || yOf(run.slots) - yOf(most) > 14) {
    label(most, layout.left - 8, yOf(most), { color: colors.muted, align: "right" });
  }
  if (run.slots === 0) return;
  const y = Math.round(yOf(run.slots)) + 0.5;
  context.strokeStyle = colors.limit;
  context.lineWidth = 1;
  context.setLineDash([6, 4]);
  context.beginPath();
  context.moveTo(layout.left, y);
  context.lineTo(layout.right, y);
  context.stroke();
  context.setLineDash([]);
  label(`-j${run.slots}`, layout.left - 8, y, { align: "right", font: `600 12px ${FONT}` });
}

function drawLane({ lane, y, height }) {
  const spans = lane.spans;
  const marks = [];
  // Spans narrower than a pixel are summed up: one bar a pixel column, as strong as its share.
  const column = { x: 0, bars: 0, waits: 0 };
  const flush = () => {
    if (column.waits > 0) fillFaint(colors.wait, column.waits, column.x, y + height / 2 - 1, 2);
    if (column.bars > 0) fillFaint(colors.run, column.bars, column.x, y, height);
    column.bars = column.waits = 0;
  };
  let first = lastBefore(spans, FIELDS, view.begin);
  while (first > 0 && spans[first - FIELDS] + spans[first - FIELDS + 1] > view.begin) first -= FIELDS;
  for (let i = first; i < spans.length && spans[i] <= view.end; i += FIELDS) {
    const kind = spans[i + 2];
    const from = Math.max(xOf(spans[i]), layout.left);
    const to = Math.min(xOf(spans[i] + spans[i + 1]), layout.right);
    if (to < layout.left) continue;
    if (kind === TEST && failed[spans[i + 4]]) marks.push({ x: (from + to) / 2, from, to });
    if (to - from < 1) {
      if (Math.floor(from) !== column.x) flush();
      column.x = Math.floor(from);
      column[kind === WAITING ? "waits" : "bars"] += Math.max(to - from, 0.1);
    } else if (kind === WAITING) {
      context.fillStyle = colors.wait;
      context.fillRect(from, y + height / 2 - 1, to - from, 2);
      if (to - from > 4) {
        context.fillRect(from, y + height / 2 - 4, 1.5, 8);
        context.fillRect(to - 1.5, y + height / 2 - 4, 1.5, 8);
      }
    } else {
      drawBar(kind, from, to, y, height, spans[i + 3]);
    }
  }
  flush();
  let free = -Infinity;
  for (const { from, to } of marks) {
    context.fillStyle = colors.fail;
    context.fillRect(from, y, Math.max(to - from - (to - from > 3 ? 1 : 0), 1.5), height);
  }
  for (const { x } of marks) {
    if (x < free) continue;
    free = x + 14;
    drawMark(Math.min(Math.max(x, layout.left + 7), layout.right - 7), y + height / 2);
  }
}

function fillFaint(color, strength, x, y, height) {
  context.globalAlpha = Math.min(strength, 1);
  context.fillStyle = color;
  context.fillRect(x, y, 1, height);
  context.globalAlpha = 1;
}

function drawBar(kind, from, to, y, height, name) {
  const width = to - from > 3 ? to - from - 1 : to - from;
  if (kind === STARTING || kind === FINISHING) {
    context.fillStyle = hatches[kind];
    context.fillRect(from, y, width, height);
    context.strokeStyle = colors.run;
    context.lineWidth = 1;
    if (width > 3) context.strokeRect(from + 0.5, y + 0.5, width - 1, height - 1);
    return;
  }
  context.fillStyle = kind === TEST ? colors.run : colors.other;
  context.fillRect(from, y, width, height);
  if (width < 90 || height < 16) return;
  const full = run.names[name];
  context.font = `12px ${FONT}`;
  const text = fitted(kind === TEST ? full.split("::").pop() : full, width - 10);
  label(text, from + 5, y + height / 2 + 0.5, { color: colors["on-run"] });
}

// A cross on a disc.
function drawMark(x, y) {
  context.beginPath();
  context.arc(x, y, 6.5, 0, 2 * Math.PI);
  context.fillStyle = colors.fail;
  context.fill();
  context.strokeStyle = colors.paper;
  context.lineWidth = 1.5;
  context.stroke();
  context.beginPath();
  for (const slope of [-1, 1]) {
    context.moveTo(x - 2.5, y - 2.5 * slope);
    context.lineTo(x + 2.5, y + 2.5 * slope);
  }
  context.stroke();
}
