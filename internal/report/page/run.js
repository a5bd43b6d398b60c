// One run: what is known of it, its timeline, the strips, the output.

let shownRun;
let shownDetail;
let shownUsage;

function fact(title, value, wide) {
  if (value === undefined || value === "") return undefined;
  return make("div", { class: wide && "wide" }, make("dt", {}, title), make("dd", {}, value));
}

function metricText(row, name) {
  const value = row.metrics?.[name];
  const window = row.windows?.[name];
  if (value !== undefined) return numberText(value) + basisText(row, name) + (window ? `, in ${visible(window)}` : "");
  return row.run ? "not found" : undefined;
}

function showFacts(row) {
  const outcome = make("span", { class: "word " + row.outcome }, words(row.outcome));
  byId("run-title").textContent = `Run ${row.n}` + (row.datapoint ? `: datapoint ${row.datapoint}, repetition ${row.repetition}, attempt ${row.attempt}` : "");
  byId("run-facts").replaceChildren(
    ...[
      fact("outcome", outcome),
      fact("reason", row.reason && visible(row.reason), true),
      fact("took", row.took_us && durationText(row.took_us)),
      fact("start skew", row.start_skew_us !== undefined && row.took_us ? skewText(row.start_skew_us, row.start_error_us) : undefined),
      fact("stop skew", row.stop_skew_us !== undefined ? skewText(row.stop_skew_us, row.stop_error_us) : undefined),
      ...Object.entries(row.parameters ?? {}).map(([name, value]) => fact(visible(name), visible(valueText(value)))),
      ...index.metrics.map((name) => fact(visible(withUnit(name)), metricText(row, name))),
      row.unmatched ? fact("not collected", `no host had a file for ${visible(row.unmatched.join(", "))}`, true) : undefined,
      ...Object.entries(row.notes ?? {}).map(([name, note]) => fact("about " + visible(name), visible(note), true)),
      fact("judged anew", row.judged && visible(row.judged), true),
      fact("run", row.run),
      fact("released", row.released),
      fact("directory", visible(row.dir)),
      fact("last words", row.words && visible(row.words), true),
      row.superseded ? fact("superseded", "a later run of the same datapoint counts instead", true) : undefined,
    ].filter(Boolean),
  );
}

function showHosts(detail) {
  const heads = ["host", "outcome", "clock offset", "± error", "compared", "lines", "output", "held by", "swept", "reason"];
  const cells = (h) => [
    make("td", { class: "text" }, visible(h.host)),
    make("td", { class: "text" }, make("span", { class: "word " + h.outcome }, words(h.outcome))),
    make("td", {}, durationText(h.offset)),
    make("td", {}, boundText(h.error)),
    make("td", { class: "text" }, { udp: "by UDP", broker: "through the queue" }[h.by] ?? "–"),
    make("td", {}, grouped.format(h.lines)),
    make("td", {}, sizeText(h.bytes)),
    make("td", { class: "text" }, h.hold ?? "–"),
    make("td", {}, h.swept ?? 0),
    make("td", { class: "reason" }, visible(h.reason ?? "")),
  ];
  const head = make("tr", {}, heads.map((title, n) => make("th", { scope: "col", class: n < 2 || n === 4 || n === 7 || n === 9 ? "text" : undefined }, title)));
  byId("run-hosts").replaceChildren(
    ...detail.hosts.filter((h) => h.missing).map((h) => make("p", { class: "missing" }, `Not collected from ${visible(h.host)}: ${visible(h.missing.join("; "))}`)),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Hosts" }, make("table", {}, make("thead", {}, head), make("tbody", {}, detail.hosts.map((h) => make("tr", {}, cells(h)))))),
  );
}

function showDrawings() {
  if (!shownDetail) return;
  showTimeline(shownDetail, state().get("process"));
  showCourse(shownDetail);
  showUsage(shownDetail, shownUsage);
  showRelease(shownRun, shownDetail);
  showStop(shownRun, shownDetail);
}

async function showRun(row, now) {
  const fresh = row !== shownRun;
  shownRun = row;
  byId("run-none").hidden = true;
  byId("run-body").hidden = false;
  if (fresh) {
    showFacts(row);
    byId("run-previous").disabled = row.n === 1;
    byId("run-next").disabled = row.n === rows.length;
  }
  const detail = await detailOf(row);
  const usage = await usageOf(row);
  if (shownRun !== row) return; // another one was chosen meanwhile
  shownDetail = detail;
  shownUsage = usage;
  for (const id of ["run-hosts", "timeline", "course-part", "usage-part", "release", "stop", "timeline-key", "log"]) byId(id).hidden = !detail;
  if (!detail) {
    byId("release-text").textContent = byId("stop-text").textContent = "There is no record of this run.";
    return;
  }
  if (fresh) showHosts(detail);
  if (fresh) showDrawings();
  else choose(now.get("process"));
  await showLog(row, detail, firstProcess(detail, now.get("process")));
}

// everybody stands in the address for the output of all processes; no process has that name.
// Without a process in the address, a run with a failed process shows that one.
const everybody = "*";

// firstProcess is the process in the address or, without one, the first that failed; otherwise
// all.
function firstProcess(detail, wanted) {
  const writers = writersOf(detail);
  if (wanted === everybody) return "";
  if (wanted !== null && writers.some((p) => processName(p) === wanted)) return wanted;
  const failed = writers.find((p) => ["failed", "killed", "timed_out", "lost"].includes(p.outcome));
  return wanted === null && failed ? processName(failed) : "";
}

function choose(process) {
  for (const link of document.querySelectorAll("#timeline a")) link.classList.toggle("chosen", link.dataset.process === process);
}

// initialRun is what to look at first: what went wrong, or else what came last.
function initialRun() {
  return rows.find((row) => !["succeeded", "incomplete"].includes(row.outcome) && !row.superseded) ?? rows.findLast((row) => row.outcome !== "incomplete") ?? rows[0];
}

function beginRun() {
  const move = (by) => {
    const next = rows[rows.indexOf(shownRun) + by];
    if (next) go({ run: next.link, process: "" }, true);
  };
  byId("run-previous").addEventListener("click", () => move(-1));
  byId("run-next").addEventListener("click", () => move(1));
  addEventListener("resize", later(showDrawings));
  matchMedia("print").addEventListener("change", showDrawings);
  let asked = state().get("run");
  listeners.push((now) => {
    const row = rowByLink.get(now.get("run")) ?? initialRun();
    if (!row) return;
    if (now.get("run") !== asked && now.get("run")) {
      byId("run-title").focus({ preventScroll: true });
      byId("run").scrollIntoView();
    }
    asked = now.get("run");
    showRun(row, now).catch((error) => {
      byId("run-none").hidden = false;
      byId("run-none").textContent = `This run can't be shown: ${error.message}. The browser has to know DecompressionStream.`;
    });
  });
}
