// What processes and hosts were using over the time of a run, on the axis of the timeline.

const usageHeight = 96;

// stackPath draws what lies between two sums, as steps.
function stackPath(f, c, below, above, y) {
  const x = (i) => f.x(c.first_us + i * c.step_us).toFixed(1);
  let d = "";
  above.forEach((v, i) => {
    if (v !== null) d += `M${x(i)},${y(below[i] ?? 0).toFixed(1)}V${y(v).toFixed(1)}H${x(i + 1)}V${y(below[i] ?? 0).toFixed(1)}z`;
  });
  return d;
}

// stacked gives the lines as sums of all up to them.
function stacked(lines) {
  let below = [];
  return lines.map((line) => {
    const above = line.values.map((v, i) => (v === null ? null : v + (below[i] ?? 0)));
    const layer = { name: line.name, below, above };
    below = above;
    return layer;
  });
}

function usageText(c, i) {
  const parts = c.lines.filter((line) => (line.values[i] ?? null) !== null).map((line) => `${visible(line.name)} ${numberText(line.values[i])}`);
  return parts.length ? `${durationText(c.first_us + i * c.step_us)}: ${parts.join(", ")} ${c.unit}` : "";
}

function addUsageReadout(f, c) {
  const text = draw("text", { class: "readout", x: f.right, y: courseTop - 5, "text-anchor": "end" });
  const area = draw("rect", { class: "row", x: f.left, y: courseTop, width: f.right - f.left, height: f.height - courseTop });
  area.addEventListener("pointermove", (event) => {
    const us = f.low + ((event.clientX - f.svg.getBoundingClientRect().left - f.left) / (f.right - f.left)) * (f.high - f.low);
    text.textContent = usageText(c, Math.floor((us - c.first_us) / c.step_us));
  });
  area.addEventListener("pointerleave", () => (text.textContent = ""));
  f.svg.append(text, area);
}

function usageChart(detail, c, box, bounds, labels) {
  const f = frame(box, usageHeight, ...bounds, labels);
  const layers = c.stacked ? stacked(c.lines) : [];
  const found = (c.stacked ? layers.map((l) => l.above) : c.lines.map((l) => l.values)).flat().filter((v) => v !== null);
  const high = c.stacked ? 100 : Math.max(...found, 1e-9) * 1.02;
  const bottom = f.height - 4;
  const y = (v) => bottom - (Math.min(v, high) / high) * (bottom - courseTop - 4);
  f.svg.setAttribute("aria-label", `${visible(c.title)}, up to ${numberText(Math.max(...found, 0))} ${c.unit}`);
  f.svg.append(...(detail.windows ?? []).map((w) => windowBand(f, w, courseTop)));
  for (const tick of niceTicks(0, high, 3).ticks) {
    f.svg.append(
      draw("line", { class: "grid", x1: f.left, x2: f.right, y1: y(tick), y2: y(tick) }),
      draw("text", { class: "faint", x: f.left - 6, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick || 0)),
    );
  }
  layers.forEach((l, n) => f.svg.append(draw("path", { class: "layer use-" + (n + 1), d: stackPath(f, c, l.below, l.above, y) })));
  if (!c.stacked) c.lines.forEach((l, n) => f.svg.append(draw("path", { class: "use use-" + (n + 1), d: stepPath(f, c, l.values, y) })));
  f.svg.append(draw("line", { class: "release", x1: f.x(0), x2: f.x(0), y1: courseTop, y2: f.height }));
  for (const host of detail.hosts) if (host.stopped !== undefined) f.svg.append(draw("line", { class: "term", x1: f.x(host.stopped), x2: f.x(host.stopped), y1: courseTop, y2: f.height }));
  addUsageReadout(f, c);
  for (const moment of detail.moments ?? []) f.svg.append(momentLine(f, moment, f.height, courseTop));
  return f.svg;
}

// usageKey names the lines by their colours, where there are several.
function usageKey(c) {
  const sample = (n) => draw("svg", { width: 14, height: 10, "aria-hidden": "true" }, draw("rect", { class: "layer use-" + n, y: c.stacked ? 0 : 4, width: 14, height: c.stacked ? 10 : 2.5 }));
  return c.lines.map((line, n) => make("span", { class: "drawing" }, sample(n + 1), visible(line.name)));
}

function showUsage(detail, usage) {
  byId("usage-part").hidden = !usage;
  const box = byId("usage");
  box.replaceChildren();
  if (!usage) return;
  if (usage.problem) box.append(make("p", { class: "notice" }, visible(usage.problem)));
  const { bounds, labels } = timelineFrame(detail);
  for (const c of usage.charts) {
    const note = make("span", { class: "note" }, [`for each ${widthText(c.step_us)}`, c.note].filter(Boolean).join("; "));
    const head = make("h4", {}, `${visible(c.title)} (${c.unit}) `, note);
    box.append(head, make("p", { class: "key" }, usageKey(c)), usageChart(detail, c, box, bounds, labels));
  }
}
