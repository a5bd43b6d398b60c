// The timeline of a run: a bar for each process, ticks where it wrote, a mark where it ended.

const rowHeight = 16;
const axisHeight = 22;

// Shapes of exits, so that they can be told apart without their colours.
const exitShapes = {
  succeeded: (x, y) => draw("circle", { cx: x, cy: y, r: 4 }),
  stopped: (x, y) => draw("rect", { x: x - 3.5, y: y - 3.5, width: 7, height: 7 }),
  failed: (x, y) => draw("path", { d: `M${x - 4},${y - 4}l8,8m0,-8l-8,8`, "stroke-width": 2.5 }),
  killed: (x, y) => draw("path", { d: `M${x - 4.5},${y + 4}h9l-4.5,-8z` }),
  timed_out: (x, y) => draw("path", { d: `M${x},${y - 5}l5,5l-5,5l-5,-5z` }),
  lost: (x, y) => draw("circle", { cx: x, cy: y, r: 4, class: "hollow" }),
  not_started: (x, y) => draw("path", { d: `M${x - 4},${y}h8`, "stroke-width": 2.5 }),
};

function exitMark(outcome, x, y) {
  const mark = (exitShapes[outcome] ?? exitShapes.lost)(x, y);
  mark.setAttribute("class", `exit ${outcome} ${mark.getAttribute("class") ?? ""}`);
  return mark;
}

function processName(p) {
  return p.host + "/" + p.process;
}

// byHost groups the processes as the record lists the hosts.
function byHost(detail) {
  const groups = new Map(detail.hosts.map((host) => [host.host, { host, processes: [] }]));
  for (const p of detail.processes) groups.get(p.host)?.processes.push(p);
  return [...groups.values()];
}

// frame makes a drawing with room for labels, and the scale of its time axis.
function frame(box, height, low, high, labels) {
  const width = Math.max(box.clientWidth, 280);
  const longest = Math.max(...labels.map((label) => label.length), 4);
  const left = Math.min(longest * 6.6 + 14, width * 0.32, 260);
  const right = width - 14;
  const x = (us) => left + ((us - low) / (high - low)) * (right - left);
  const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group" });
  return { svg, width, height, left, right, x, low, high };
}

// cutLabel shortens a label to the room that there is.
function cutLabel(f, text) {
  const most = Math.max(Math.floor((f.left - 12) / 6.2), 4);
  return text.length > most ? text.slice(0, most - 1) + "…" : text;
}

// addAxis draws marks and numbers along the top, and lines down.
function addAxis(f, title) {
  const unit = unitFor(f.high - f.low);
  const { ticks, step } = niceTicks(f.low / unit.size, f.high / unit.size, (f.right - f.left) / 80);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (const tick of ticks) {
    const x = f.x(tick * unit.size);
    f.svg.append(
      draw("line", { class: "grid", x1: x, x2: x, y1: axisHeight - 4, y2: f.height }),
      draw("text", { class: "faint", x, y: 12, "text-anchor": "middle" }, tick.toFixed(digits)),
    );
  }
  const whole = `${title} (${unit.name})`;
  f.svg.append(draw("text", { class: "faint", x: 2, y: 12 }, cutLabel(f, whole) === whole ? whole : unit.name));
}

function processTitle(p) {
  const parts = [processName(p), words(p.outcome) + (p.reason ? ": " + p.reason : "")];
  if (p.start !== undefined) parts.push("started " + skewText(p.start, p.start_error ?? 0) + " after the release");
  if (p.start !== undefined && p.end !== undefined) parts.push("ran " + durationText(p.end - p.start));
  if (p.ready !== undefined) parts.push("ready " + durationText(p.ready) + " after the release");
  if (p.lives) parts.push(p.lives.length + " lives");
  parts.push(count(p.lines[0], "line") + " of output, " + count(p.lines[1], "line") + " of errors");
  return visible(parts.join("\n").replaceAll("\n", "; "));
}

// tickPath draws the ticks of one stream as one path.
function tickPath(f, detail, deltas, kind, y, height) {
  if (!deltas) return undefined;
  const d = expand(deltas).map((n) => `M${f.x((n + 0.5) * detail.tick_us).toFixed(1)},${y}v${height}`);
  return draw("path", { class: kind, d: d.join("") });
}

// lifeShapes draws one life of a process and, of each but the last, how it ended.
function lifeShapes(f, detail, life, y, p) {
  if (life.start === undefined) return [];
  const [from, to] = [f.x(life.start), f.x(life.end ?? detail.span_us)];
  const bar = draw("rect", { class: "span " + life.outcome, x: from, y: y + 3, width: Math.max(to - from, 1), height: rowHeight - 6 });
  const last = !p.lives || life === p.lives[p.lives.length - 1];
  return last ? [bar] : [bar, exitMark(life.outcome, to, y + rowHeight / 2)];
}

// momentLine draws a release, a mark or an action across all processes.
function momentLine(f, moment, height, top = axisHeight - 4) {
  const x = f.x(moment.at);
  const when = "at " + skewText(moment.at, moment.error ?? 0);
  return draw(
    "g",
    { class: "moment", "data-kind": moment.kind },
    draw("title", {}, visible(moment.text) + "; " + when),
    draw("line", { class: "hit", x1: x, x2: x, y1: top, y2: height }),
    draw("line", { class: moment.kind === "beat" ? "release" : moment.kind, x1: x, x2: x, y1: top, y2: height }),
  );
}

function timelineRow(f, detail, p, y, chosen) {
  const middle = y + rowHeight / 2;
  const end = p.end ?? (p.start === undefined ? undefined : detail.span_us);
  const link = draw(
    "a",
    { href: linkTo({ process: processName(p) }), class: processName(p) === chosen && "chosen", "data-process": processName(p) },
    draw("title", {}, processTitle(p)),
    draw("rect", { class: "row", x: 0, y, width: f.width, height: rowHeight }),
    draw("text", { x: 10, y: y + 12 }, cutLabel(f, visible(p.process))),
  );
  if (p.start !== undefined) {
    for (const life of p.lives ?? [{ start: p.start, end, outcome: p.outcome }]) link.append(...lifeShapes(f, detail, life, y, p));
    if (p.ready !== undefined) link.append(draw("line", { class: "ready", x1: f.x(p.ready), x2: f.x(p.ready), y1: y + 1, y2: y + rowHeight - 1 }));
    const out = tickPath(f, detail, p.out, "out", y + 5, rowHeight - 10);
    const err = tickPath(f, detail, p.err, "err", y + 2, rowHeight - 4);
    link.append(...[out, err].filter(Boolean));
  }
  link.append(exitMark(p.outcome, f.x(end ?? 0), middle));
  return link;
}

// timelineFrame gives the bounds of a run's time axis, and the labels beside it.
function timelineFrame(detail) {
  const last = Math.max(detail.span_us, ...detail.processes.map((p) => p.end ?? 0));
  return {
    bounds: [Math.min(0, ...detail.processes.map((p) => p.start ?? 0)), last * 1.01],
    labels: [...detail.hosts.map((host) => host.host), ...detail.processes.map((p) => p.process)],
  };
}

function showTimeline(detail, chosen) {
  const box = byId("timeline");
  const groups = byHost(detail);
  const height = axisHeight + (groups.length + detail.processes.length) * rowHeight + 4;
  const { bounds, labels } = timelineFrame(detail);
  const f = frame(box, height, ...bounds, labels);
  f.svg.setAttribute("aria-label", `Timeline of ${processes(detail.processes.length)} on ${count(groups.length, "host")}`);
  f.svg.append(...(detail.windows ?? []).map((w) => windowBand(f, w, axisHeight)));
  addAxis(f, "since release");
  let y = axisHeight;
  for (const { host, processes } of groups) {
    f.svg.append(draw("text", { class: "host", x: 2, y: y + 12 }, cutLabel(f, visible(host.host))));
    y += rowHeight;
    const from = y;
    for (const p of processes) {
      f.svg.append(timelineRow(f, detail, p, y, chosen));
      y += rowHeight;
    }
    if (host.stopped !== undefined) f.svg.append(draw("line", { class: "term", x1: f.x(host.stopped), x2: f.x(host.stopped), y1: from, y2: y }));
  }
  if (detail.processes.some((p) => p.start !== undefined)) {
    f.svg.append(draw("line", { class: "release", x1: f.x(0), x2: f.x(0), y1: axisHeight - 4, y2: height }));
  }
  for (const moment of detail.moments ?? []) f.svg.append(momentLine(f, moment, height));
  box.replaceChildren(f.svg);
  showKey(detail);
}

// showKey says what the marks in this timeline mean.
function showKey(detail) {
  const sample = (shape) => draw("svg", { width: 14, height: 12, "aria-hidden": "true" }, shape);
  const items = [...new Set(detail.processes.map((p) => p.outcome))].map((outcome) => [exitMark(outcome, 7, 6), words(outcome)]);
  const line = (kind) => draw("line", { class: kind, x1: 7, x2: 7, y1: 0, y2: 12 });
  if (detail.processes.some((p) => p.out)) items.push([line("out"), "standard output"]);
  if (detail.processes.some((p) => p.err)) items.push([line("err"), "standard error"]);
  if (detail.processes.some((p) => p.ready !== undefined)) items.push([line("ready"), "ready"]);
  items.push([line("release"), "release"]);
  for (const kind of ["mark", "action"]) if ((detail.moments ?? []).some((m) => m.kind === kind)) items.push([line(kind), kind]);
  if (detail.hosts.some((h) => h.stopped !== undefined)) items.push([line("term"), "stop"]);
  if (detail.windows) items.push([draw("rect", { class: "window", width: 14, height: 12 }), "window"]);
  const key = byId("timeline-key");
  key.replaceChildren(...items.map(([shape, text]) => make("span", { class: "drawing" }, sample(shape), text)));
}
