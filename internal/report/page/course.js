// Metrics over the time of a run, on the axis of the timeline.

const courseHeight = 120;
const courseTop = 16;

// windowBand shades a window over the height of a drawing.
function windowBand(f, w, top) {
  const [from, to] = [f.x(w.from), f.x(w.to)];
  const title = `window ${visible(w.window)}: from ${durationText(w.from)} to ${durationText(w.to)} after the release` + (w.note ? "; " + visible(w.note) : "");
  return draw("rect", { class: "window", x: from, y: top, width: Math.max(to - from, 1), height: f.height - top }, draw("title", {}, title));
}

// windowNames names the windows along the top, as far as there is room.
function windowNames(f, windows) {
  let free = f.left;
  return windows.map((w) => {
    const x = Math.max(f.x(w.from), free) + 2;
    const room = Math.floor((Math.min(f.x(w.to), f.right) - x) / 6.2);
    if (room < 3) return undefined;
    const name = visible(w.window);
    const text = name.length > room ? name.slice(0, room - 1) + "…" : name;
    free = x + text.length * 6.2 + 8;
    return draw("text", { class: "faint", x, y: courseTop - 5 }, text);
  });
}

// stepPath draws values as steps, broken where there is none.
function stepPath(f, s, values, y) {
  let d = "";
  let on = false;
  values.forEach((v, i) => {
    if (v === null) {
      on = false;
      return;
    }
    const [from, to] = [f.x(s.first_us + i * s.step_us).toFixed(1), f.x(s.first_us + (i + 1) * s.step_us).toFixed(1)];
    d += `${on ? "L" : "M"}${from},${y(v).toFixed(1)}H${to}`;
    on = true;
  });
  return d;
}

// tickText fits beside an axis, whatever the size of the number.
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
function tickText(value) {
  return Math.abs(value) < 100_000 ? numberText(value) : compact.format(value);
}

function courseChart(detail, s, box, bounds, labels) {
  const f = frame(box, courseHeight, ...bounds, labels);
  const found = [s.all, ...(s.processes ?? []).map((p) => p.values)].flat().filter((v) => v !== null);
  const low = Math.min(0, ...found);
  const high = Math.max(...found, low === 0 && !found.some((v) => v > 0) ? 1 : low);
  const bottom = f.height - 4;
  const y = (v) => bottom - ((v - low) / (high - low)) * (bottom - courseTop - 4);
  f.svg.setAttribute("aria-label", `${visible(s.metric)} over the time of the run, from ${numberText(Math.min(...found))} to ${numberText(Math.max(...found))}`);
  f.svg.append(...(detail.windows ?? []).map((w) => windowBand(f, w, courseTop)), ...windowNames(f, detail.windows ?? []).filter(Boolean));
  for (const tick of niceTicks(low, high, 4).ticks) {
    f.svg.append(
      draw("line", { class: "grid", x1: f.left, x2: f.right, y1: y(tick), y2: y(tick) }),
      draw("text", { class: "faint", x: f.left - 6, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick || 0)),
    );
  }
  for (const p of s.processes ?? []) f.svg.append(draw("path", { class: "course one", d: stepPath(f, s, p.values, y) }, draw("title", {}, visible(p.process))));
  f.svg.append(draw("path", { class: "course", d: stepPath(f, s, s.all, y) }));
  f.svg.append(draw("line", { class: "release", x1: f.x(0), x2: f.x(0), y1: courseTop, y2: f.height }));
  for (const host of detail.hosts) if (host.stopped !== undefined) f.svg.append(draw("line", { class: "term", x1: f.x(host.stopped), x2: f.x(host.stopped), y1: courseTop, y2: f.height }));
  addReadout(f, s);
  for (const moment of detail.moments ?? []) f.svg.append(momentLine(f, moment, f.height, courseTop));
  return f.svg;
}

// addReadout says what the value is where the pointer is.
function addReadout(f, s) {
  const text = draw("text", { class: "readout", x: f.right, y: courseTop - 5, "text-anchor": "end" });
  const area = draw("rect", { class: "row", x: f.left, y: courseTop, width: f.right - f.left, height: f.height - courseTop });
  area.addEventListener("pointermove", (event) => {
    const us = f.low + ((event.clientX - f.svg.getBoundingClientRect().left - f.left) / (f.right - f.left)) * (f.high - f.low);
    const i = Math.floor((us - s.first_us) / s.step_us);
    const value = s.all[i];
    const when = `${durationText(s.first_us + i * s.step_us)} to ${durationText(s.first_us + (i + 1) * s.step_us)}: `;
    text.textContent = value === undefined ? "" : when + (value === null ? "no value" : numberText(value) + (s.unit ? " " + visible(s.unit) : ""));
  });
  area.addEventListener("pointerleave", () => (text.textContent = ""));
  f.svg.append(text, area);
}

function widthText(us) {
  return us % 1e6 === 0 ? us / 1e6 + " s" : us / 1000 + " ms";
}

function showCourse(detail) {
  const box = byId("course");
  const all = detail.series ?? [];
  const problem = detail.series_problem;
  byId("course-part").hidden = all.length === 0 && !problem;
  box.replaceChildren(...(problem ? [make("p", { class: "notice" }, visible(problem))] : []));
  const { bounds, labels } = timelineFrame(detail);
  for (const s of all) {
    const title = visible(s.metric) + (s.unit ? ` (${visible(s.unit)})` : "");
    const of = s.processes ? `; thin: each of the ${processes(s.processes.length)}` : "";
    const each = `for each ${widthText(s.width_us)}${of}` + (s.thinned ? "; the least and the largest of several at each place" : "");
    box.append(make("h4", {}, title, " ", make("span", { class: "note" }, each)), courseChart(detail, s, box, bounds, labels));
  }
}
