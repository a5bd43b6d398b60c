// The strips around release and stop: microseconds wide, with the error of each
// time, so that it can be seen what of a skew is sure.

const stripRow = 8;
const stripGap = 10;

// fromFirst counts instants, and the bracket, from the first of some.
function fromFirst(first, lanes) {
  return lanes.map((lane) => ({ ...lane, instants: lane.instants.map((i) => ({ ...i, at: i.at - first })) }));
}

// showStrip draws lanes of instants; each has a host, a time, the error of its
// clock, and how it is drawn.
function showStrip(box, title, lanes, low, high, bracket) {
  const room = Math.max((high - low) * 0.05, 1);
  const height = axisHeight + 16 + lanes.reduce((sum, lane) => sum + Math.max(lane.instants.length * stripRow, 14) + stripGap, 0);
  const f = frame(box, height, low - room, high + room, lanes.map((lane) => lane.name));
  f.svg.setAttribute("aria-label", title);
  addAxis(f, "time");
  addBracket(f, bracket);
  let y = axisHeight + 16;
  for (const lane of lanes) {
    const tall = Math.max(lane.instants.length * stripRow, 14);
    f.svg.append(
      draw("rect", { class: "band", x: f.left, y, width: f.right - f.left, height: tall }),
      draw("text", { class: "host", x: 2, y: y + Math.min(tall / 2 + 4, 14) }, cutLabel(f, visible(lane.name))),
    );
    lane.instants.forEach((instant, n) => f.svg.append(instantMark(f, instant, y + (n + 0.5) * (tall / lane.instants.length))));
    y += tall + stripGap;
  }
  box.replaceChildren(f.svg);
}

function instantMark(f, instant, y) {
  const clip = (us) => Math.min(Math.max(f.x(us), f.left), f.right);
  const from = clip(instant.at - instant.error), to = clip(instant.at + instant.error);
  const bar = `M${from},${y}H${to}M${from},${y - 2}v4M${to},${y - 2}v4`;
  return draw(
    "g",
    {},
    draw("title", {}, visible(`${instant.name}: ${durationText(instant.at)} ± ${durationText(instant.error)}`)),
    draw("path", { class: "error", d: bar }),
    instant.outcome ? exitMark(instant.outcome, f.x(instant.at), y) : draw("circle", { class: instant.kind, cx: f.x(instant.at), cy: y, r: 2.6 }),
  );
}

// addBracket spans what the skew is measured between.
function addBracket(f, bracket) {
  if (!bracket) return;
  const from = f.x(bracket.from), to = f.x(bracket.to), y = axisHeight + 10;
  f.svg.append(draw("path", { class: "bracket", d: `M${from},${y + 4}v-6H${to}v6` }));
  const middle = (from + to) / 2;
  const anchor = middle < f.left + 90 ? "start" : middle > f.right - 90 ? "end" : "middle";
  const x = anchor === "start" ? Math.max(from, f.left) : anchor === "end" ? Math.min(to, f.right) : middle;
  f.svg.append(draw("text", { x, y: y - 5, "text-anchor": anchor, "paint-order": "stroke", stroke: "var(--paper)", "stroke-width": 3 }, bracket.text));
}

function range(instants) {
  return [Math.min(...instants.map((i) => i.at - i.error)), Math.max(...instants.map((i) => i.at + i.error))];
}

function spread(instants) {
  const times = instants.map((i) => i.at);
  return { from: Math.min(...times), to: Math.max(...times) };
}

// boundOf is by how much the spread of instants may be wrong: the errors of two hosts
// count, and within one they cancel out.
function boundOf(instants) {
  const errors = new Map();
  for (const i of instants) errors.set(i.host, Math.max(errors.get(i.host) ?? 0, i.error));
  const [first, second] = [...errors.values()].toSorted((a, b) => b - a);
  return second === undefined ? 1 : first + second;
}

function showRelease(row, detail) {
  const box = byId("release");
  const beat = Math.max(0, ...detail.processes.filter((p) => p.start !== undefined).map((p) => p.beat ?? 0)); // the last: the skew is its
  const instants = (p) => (p.start === undefined || (p.beat ?? 0) !== beat ? [] : [{ name: processName(p), at: p.start - (p.delay ?? 0), error: p.start_error ?? 0, kind: "start" }]);
  const lanes = byHost(detail).map(({ host, processes }) => ({ name: host.host, instants: processes.flatMap(instants) })).filter((lane) => lane.instants.length);
  const all = lanes.flatMap((lane) => lane.instants);
  if (!all.length) {
    byId("release-text").textContent = "Nothing was started.";
    return box.replaceChildren();
  }
  const skew = spread(all);
  byId("release-text").textContent =
    `The start of each process${beat ? ` of the last beat, ${beat}` : ""}, with the error of its time: within ${skewText(row.start_skew_us, row.start_error_us)}.` +
    (detail.processes.some((p) => p.delay) ? " Delays that the file asks for are taken off." : "");
  showStrip(box, "Starts of the processes", lanes, ...range(all), { ...skew, text: `start skew ${skewText(row.start_skew_us, row.start_error_us)}` });
}

function exitsOf(processes) {
  return processes
    .filter((p) => p.end !== undefined && p.outcome !== "not_started")
    .map((p) => ({ name: processName(p) + " " + words(p.outcome), host: p.host, at: p.end, error: p.end_error ?? 0, outcome: p.outcome }));
}

function showStop(row, detail) {
  const box = byId("stop");
  const stops = detail.hosts.filter((h) => h.stopped !== undefined).map((h) => ({ name: h.host + " stopped", host: h.host, at: h.stopped, error: h.stopped_error ?? 0, kind: "stopdot" }));
  const exits = exitsOf(detail.processes);
  if (!stops.length) return showEnds(box, detail, exits);
  const [low, widest] = range(stops);
  const skew = spread(stops);
  const first = skew.from;
  const inSteps = skew.to - skew.from > row.stop_skew_us + 1; // the skew is that of the widest step
  const lastExit = Math.max(widest, ...exits.map((e) => e.at));
  const high = Math.min(lastExit, low + 8 * Math.max(widest - low, 1));
  const inside = (e) => e.at >= low && e.at <= high;
  const lanes = byHost(detail).map(({ host, processes }) => ({
    name: host.host,
    instants: [...stops.filter((s) => s.host === host.host), ...exitsOf(processes).filter(inside)],
  })).filter((lane) => lane.instants.length);
  const after = exits.filter((e) => e.at > high).length, before = exits.filter((e) => e.at < low).length;
  byId("stop-text").textContent =
    `The stop signals of each host (dots), with the error of their time: ${inSteps ? "sent in steps, each " : ""}within ${skewText(row.stop_skew_us, row.stop_error_us)}; the time is that since the first. Then the exits` +
    (before ? `; ${before} earlier than this` : "") + (after ? `; ${after} later, the last ${skewText(lastExit - skew.from, boundOf([...stops, ...exits]))} after the first stop signal` : "") + ".";
  const bracket = !inSteps && { from: 0, to: skew.to - first, text: `stop skew ${skewText(row.stop_skew_us, row.stop_error_us)}` };
  showStrip(box, "Stops of the hosts and exits of the processes", fromFirst(first, lanes), low - first, high - first, bracket);
}

// showEnds draws a run in which nobody had to be stopped.
function showEnds(box, detail, exits) {
  if (!exits.length) {
    byId("stop-text").textContent = "No process has ended.";
    return box.replaceChildren();
  }
  const skew = spread(exits);
  byId("stop-text").textContent = `No host was told to stop: the processes ended by themselves, from the first to the last within ${skewText(skew.to - skew.from, boundOf(exits))}. The time is that since the first.`;
  const lanes = byHost(detail).map(({ host, processes }) => ({ name: host.host, instants: exitsOf(processes) })).filter((lane) => lane.instants.length);
  const [low, high] = range(exits);
  const bracket = { from: 0, to: skew.to - skew.from, text: skewText(skew.to - skew.from, boundOf(exits)) };
  showStrip(box, "Exits of the processes", fromFirst(skew.from, lanes), low - skew.from, high - skew.from, bracket);
}
