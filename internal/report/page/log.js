// The output of a process, or of all of a run in the order of time. Only the lines
// that can be seen are elements, so any number of them scrolls smoothly.

const lineHeight = 18;
const longestLine = 4000; // characters that are shown of one
const log = { row: undefined, lines: [], shown: [], matches: [], at: -1, name: "" };

// writersOf gives all that wrote something: the processes, and the commands of setups and teardowns.
function writersOf(detail) {
  return [...detail.processes, ...(detail.steps ?? [])];
}

// linesOf gives the lines of one process's log, with a line that says where some were left out.
function linesOf(row, p, part) {
  if (!part) return [];
  const texts = part.text.split("\n").slice(0, -1);
  const times = expand(part.times), stderr = new Set(expand(part.stderr));
  const who = processName(p);
  const lines = texts.map((text, i) => ({ who, at: times[i], stderr: stderr.has(i), text: visible(text) }));
  if (part.skipped) {
    const head = part.head ?? 0;
    const at = times[Math.max(head - 1, 0)];
    const files = [p.bytes[0] ? ".out" : "", p.bytes[1] ? ".err" : ""].filter(Boolean).join(" and ");
    lines.splice(head, 0, { who, at, gap: true, text: `… ${sizeText(part.skipped)} left out here; the whole is in ${row.dir}/${p.host}/${p.process}${files}` });
  }
  return lines;
}

async function showLog(row, detail, name) {
  const logs = await logsOf(row);
  if (log.row === row && log.name === name) return;
  const same = log.row === row;
  log.row = row;
  log.name = name;
  if (!same) showProcesses(detail);
  byId("log-process").value = name;
  const writers = writersOf(detail);
  const numbers = writers.map((p, n) => n).filter((n) => name === "" || processName(writers[n]) === name);
  log.lines = numbers.flatMap((n) => linesOf(row, writers[n], logs?.[n]));
  if (numbers.length > 1) log.lines.sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
  log.many = numbers.length > 1;
  showAbout(row, numbers.length === 1 ? writers[numbers[0]] : undefined, detail);
  find(state());
  byId("log-box").scrollTop = 0;
}

function showProcesses(detail) {
  const option = (value, text) => make("option", { value }, text);
  byId("log-process").replaceChildren(
    option("", "all, by time"),
    ...writersOf(detail).map((p) => option(processName(p), visible(processName(p)) + " – " + words(p.outcome))),
  );
}

function showAbout(row, p, detail) {
  const about = byId("log-about");
  if (!p) {
    const cut = log.lines.some((line) => line.gap) ? " Of long outputs only both ends are kept here." : "";
    return about.replaceChildren(`${count(log.lines.length, "line")} of all that was printed, by the time of reading.${cut} Times are seconds since ${detail.base}.`);
  }
  const exit = p.signal ? p.signal : p.exit >= 0 ? "exit status " + p.exit : "";
  const parts = [words(p.outcome), p.reason, exit, p.pid ? "pid " + p.pid : "", "CPU " + durationText(p.cpu), p.rss ? "memory " + sizeText(p.rss) : "", `${sizeText(p.bytes[0])} of output, ${sizeText(p.bytes[1])} of errors`];
  about.replaceChildren(
    make("code", {}, visible(p.argv.join(" "))), make("br"), visible(parts.filter(Boolean).join(" · ")),
    make("br"), "Whole in ", make("code", {}, `${row.dir}/${p.host}/${p.process}.out`), " and ", make("code", {}, ".err"),
  );
}

// find looks for what is searched for in all lines, and shows those that are to be seen.
function find(now) {
  const text = (now.get("find") ?? "").toLowerCase();
  const only = now.get("only") === "matches" && text !== "";
  const matching = text ? log.lines.filter((line) => line.text.toLowerCase().includes(text) || (log.many && line.who.toLowerCase().includes(text))) : [];
  log.shown = only ? matching : log.lines;
  const place = new Map(log.shown.map((line, n) => [line, n]));
  log.matches = matching.map((line) => place.get(line));
  log.at = -1;
  log.text = text;
  byId("log-count").textContent = text ? `${count(matching.length, "matching line")} of ${grouped.format(log.lines.length)}` : count(log.lines.length, "line");
  byId("log-previous").disabled = byId("log-next").disabled = matching.length === 0;
  if (document.activeElement !== byId("log-search")) byId("log-search").value = now.get("find") ?? "";
  byId("log-only").checked = now.get("only") === "matches";
  const widest = log.shown.reduce((most, line) => Math.max(most, Math.min(line.text.length, longestLine + 30)), 0);
  byId("log-lines").style.height = log.shown.length * lineHeight + "px";
  byId("log-lines").style.width = `calc(${widest + (log.many ? 44 : 16)}ch + 1.2rem)`;
  if (log.matches.length) step(1);
  else showLines();
}

// step goes to the next match, or to the one before.
function step(by) {
  if (!log.matches.length) return;
  log.at = (log.at + by + log.matches.length) % log.matches.length;
  const box = byId("log-box"), top = log.matches[log.at] * lineHeight;
  if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - lineHeight) box.scrollTop = top - box.clientHeight / 2;
  byId("log-count").textContent = `match ${log.at + 1} of ${grouped.format(log.matches.length)}`;
  showLines();
}

// showLines makes elements of the lines in view, and of a few around them.
function showLines() {
  const box = byId("log-box");
  const first = Math.max(Math.floor(box.scrollTop / lineHeight) - 10, 0);
  const last = Math.min(first + Math.ceil(box.clientHeight / lineHeight) + 20, log.shown.length);
  const piece = make("div", { class: "piece", style: `top:${first * lineHeight}px` });
  for (let n = first; n < last; n++) piece.append(lineElement(log.shown[n], n === log.matches[log.at]));
  if (!log.shown.length) piece.append(make("div", { class: "row" }, log.lines.length ? "No line matches." : "Nothing was written."));
  byId("log-lines").replaceChildren(piece);
}

function lineElement(line, now) {
  const kind = ["row", line.stderr && "stderr", line.gap && "gap", now && "now"].filter(Boolean).join(" ");
  const at = line.at === undefined ? "".padStart(12) : (line.at / 1e6).toFixed(6).padStart(12);
  return make(
    "div", { class: kind },
    make("span", { class: "at" }, at + "  "),
    log.many ? make("span", { class: "who" }, visible(line.who).slice(0, 24).padEnd(25)) : undefined,
    make("span", { class: "said" }, marked(line.text)),
  );
}

// marked highlights the matches of the search.
function marked(text) {
  let rest = text.length > longestLine ? text.slice(0, longestLine) + `… ${count(text.length - longestLine, "more character")}` : text;
  if (!log.text) return [rest];
  const parts = [];
  for (let at; (at = rest.toLowerCase().indexOf(log.text)) >= 0 && parts.length < 200; rest = rest.slice(at + log.text.length)) {
    parts.push(rest.slice(0, at), make("mark", {}, rest.slice(at, at + log.text.length)));
  }
  return [...parts, rest];
}

function beginLog() {
  byId("log-process").addEventListener("change", (e) => go({ process: e.target.value || everybody }));
  byId("log-search").addEventListener("input", later(() => go({ find: byId("log-search").value })));
  byId("log-search").addEventListener("keydown", (e) => {
    if (e.key === "Enter") step(e.shiftKey ? -1 : 1);
  });
  byId("log-only").addEventListener("change", (e) => go({ only: e.target.checked ? "matches" : "" }));
  byId("log-previous").addEventListener("click", () => step(-1));
  byId("log-next").addEventListener("click", () => step(1));
  let waiting = false;
  byId("log-box").addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      showLines();
    });
  });
  let searched = "";
  listeners.push((now) => {
    const wanted = now.get("find") + "\n" + now.get("only");
    if (wanted !== searched && log.row) find(now);
    searched = wanted;
  });
}
