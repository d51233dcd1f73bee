// Moving and zooming, and what is under the pointer. Goes on from page.js.

function show(begin, length) {
  length = Math.min(Math.max(length, 50), end);
  begin = Math.min(Math.max(begin, 0), end - length);
  view = { begin, end: begin + length };
  tip.hidden = true;
  request();
}

function zoom(factor, x = (layout.left + layout.right) / 2) {
  const at = timeOf(Math.max(x, layout.left));
  show(at - (at - view.begin) * factor, (view.end - view.begin) * factor);
}

const move = (share) => show(view.begin + share * (view.end - view.begin), view.end - view.begin);
const whole = () => view.end - view.begin >= end;

canvas.addEventListener("wheel", (event) => {
  const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  const amount = (event.deltaX || event.deltaY) * (event.deltaMode === 1 ? 16 : 1);
  if (whole() && (sideways || event.deltaY > 0) && !event.ctrlKey) return; // The page scrolls.
  event.preventDefault();
  if (sideways) move(amount / layout.width);
  else zoom(Math.exp(Math.min(Math.max(event.deltaY * (event.deltaMode === 1 ? 16 : 1), -200), 200) * 0.0025), event.offsetX);
}, { passive: false });

const pointers = new Map();
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event.offsetX);
  canvas.classList.add("dragged");
});
canvas.addEventListener("pointermove", (event) => {
  pointerAt = { x: event.offsetX, y: event.offsetY };
  if (!pointers.has(event.pointerId)) return hover();
  const before = [...pointers.values()];
  pointers.set(event.pointerId, event.offsetX);
  const after = [...pointers.values()];
  const scale = (view.end - view.begin) / (layout.right - layout.left);
  if (after.length === 1) return show(view.begin - (after[0] - before[0]) * scale, view.end - view.begin);
  const distance = ([a, b]) => Math.max(Math.abs(a - b), 10);
  zoom(distance(before) / distance(after), (after[0] + after[1]) / 2);
});
for (const type of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(type, (event) => {
    pointers.delete(event.pointerId);
    canvas.classList.remove("dragged");
    if (type === "pointerup") hover();
  });
}
canvas.addEventListener("pointerleave", () => {
  pointerAt = undefined;
  hover();
});
canvas.addEventListener("keydown", (event) => {
  const actions = {
    ArrowLeft: () => move(-0.1), ArrowRight: () => move(0.1),
    PageUp: () => move(-0.9), PageDown: () => move(0.9),
    "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7),
    0: () => show(0, end), Home: () => show(0, end), Escape: () => { tip.hidden = true; },
  };
  if (!(event.key in actions) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  actions[event.key]();
});
document.getElementById("in").onclick = () => zoom(0.6);
document.getElementById("out").onclick = () => zoom(1 / 0.6);
document.getElementById("all").onclick = () => show(0, end);

// What is under the pointer.

function hover() {
  tip.hidden = true;
  cursor.hidden = !pointerAt || pointerAt.x < layout.left;
  if (cursor.hidden) return;
  cursor.style.transform = `translateX(${Math.round(pointerAt.x)}px)`;
  const time = timeOf(pointerAt.x);
  if (pointerAt.y < layout.curve.bottom + 8) {
    const inUse = time > run.duration ? 0 : run.steps[lastBefore(run.steps, 2, time) + 1];
    return tell(`${inUse}${run.slots ? ` of ${run.slots}` : ""} slots in use`, [`at ${seconds(time)}`]);
  }
  const row = layout.rows.find(({ lane, y, height }) => lane && pointerAt.y >= y - 2 && pointerAt.y <= y + height + 2);
  const i = row && spanAt(row.lane.spans, time);
  if (i === undefined) return;
  const [begin, duration, kind, name, outcome] = row.lane.spans.slice(i, i + FIELDS);
  const title = kind === WAITING ? "waiting for a slot" : run.names[name] || run.kinds[kind];
  const what = kind === TEST ? run.outcomes[outcome] : kind < run.kinds.length - 1 && kind !== WAITING ? run.kinds[kind] : "";
  tell(title, [what, row.lane.name, `${seconds(begin)} + ${seconds(duration)}`]);
}

// The last span that holds the time, or one within two pixels of it.
function spanAt(spans, time) {
  const slack = (2 / (layout.right - layout.left)) * (view.end - view.begin);
  const from = lastBefore(spans, FIELDS, time + slack);
  let near;
  for (let i = from; i >= 0 && i > from - 50 * FIELDS; i -= FIELDS) {
    if (spans[i] <= time && spans[i] + spans[i + 1] >= time) return i;
    if (spans[i] <= time + slack && spans[i] + spans[i + 1] >= time - slack) near ??= i;
  }
  return near;
}

const seconds = (time) => (time < 10000 ? `${(time / 1000).toFixed(2)} ms` : `${(time / 1e6).toFixed(3)} s`);

function tell(title, facts) {
  const bold = document.createElement("b");
  bold.textContent = title;
  const rest = document.createElement("span");
  rest.textContent = facts.filter(Boolean).join(" · ");
  tip.replaceChildren(bold, rest);
  tip.hidden = false;
  const left = Math.min(pointerAt.x + 14, layout.width - tip.offsetWidth);
  const below = pointerAt.y + 18;
  tip.style.left = `${Math.max(left, 0)}px`;
  tip.style.top = `${below + tip.offsetHeight > layout.height ? pointerAt.y - tip.offsetHeight - 12 : below}px`;
}

new ResizeObserver(() => {
  if (canvas.clientWidth !== layout?.width) place();
}).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", place);
