// The table of datapoints.

const rowsAtOnce = 500; // more are drawn when asked for
let rowsShown = rowsAtOnce;

// A column has a key, a heading, a value to sort and filter by, and how it is shown.
const columns = [
  { key: "n", title: "#", value: (r) => r.n },
  { key: "datapoint", title: "datapoint", value: (r) => r.datapoint || undefined },
  { key: "repetition", title: "repetition", value: (r) => r.repetition || undefined },
  { key: "attempt", title: "attempt", value: (r) => r.attempt || undefined },
  { key: "outcome", title: "outcome", value: (r) => words(r.outcome), word: true },
  // Beside the outcome, where it can be seen without scrolling; only where there is one.
  ...(rows.some((r) => r.reason) ? [{ key: "reason", title: "reason", value: (r) => r.reason || undefined, reason: true }] : []),
  ...index.parameters.map((name) => ({ key: "p." + name, title: name, value: (r) => plain(r.parameters?.[name]) })),
  { key: "took", title: "took (s)", value: (r) => (r.took_us === undefined ? undefined : r.took_us / 1e6), digits: 3 },
  { key: "start_skew", title: "start skew (µs)", value: (r) => most(r.start_skew_us, r.start_error_us), bound: (r) => r.start_error_us, unsure: (r) => r.start_skew_us < r.start_error_us },
  { key: "stop_skew", title: "stop skew (µs)", value: (r) => most(r.stop_skew_us, r.stop_error_us), bound: (r) => r.stop_error_us, unsure: (r) => r.stop_skew_us < r.stop_error_us },
  { key: "clock_error", title: "clock error (±µs)", value: (r) => r.clock_error_us },
  ...index.metrics.map((name) => ({ key: "m." + name, title: withUnit(name), value: (r) => r.metrics?.[name], metric: name })),
  { key: "run", title: "run", value: (r) => r.run || undefined },
  { key: "directory", title: "directory", value: (r) => r.dir },
];
for (const column of columns) {
  column.text = rows.some((r) => typeof column.value(r) === "string");
}

// most is a skew or, where it is below the bound of its error, the bound: it sorts and
// filters as what it is at most.
function most(skew, bound) {
  return skew === undefined ? undefined : Math.max(skew, bound ?? 0);
}

// plain gives lists and objects as text, which can be sorted and searched.
function plain(value) {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : typeof value === "boolean" ? String(value) : value;
}

function cellText(column, row) {
  const value = column.value(row);
  if (value === undefined || value === null) return "";
  if (typeof value !== "number") return String(value);
  const text = column.digits !== undefined ? value.toFixed(column.digits) : numberText(value);
  if (column.unsure?.(row)) return "< " + text;
  const bound = column.bound?.(row);
  return bound ? `${text} ± ${numberText(bound)}` : text;
}

// makeTest turns what is written below a heading into a function of a value.
function makeTest(expression) {
  const text = expression.trim().toLowerCase();
  if (text === "") return undefined;
  if (text.startsWith("!")) {
    const rest = makeTest(text.slice(1));
    return rest && ((value, shown) => !rest(value, shown));
  }
  const range = /^(-?[\d.]+(?:e[+-]?\d+)?)\.\.(-?[\d.]+(?:e[+-]?\d+)?)$/.exec(text);
  if (range) return (value) => typeof value === "number" && value >= Number(range[1]) && value <= Number(range[2]);
  const comparison = /^(<=|>=|<|>|=)\s*(.+)$/.exec(text);
  if (comparison) return makeComparison(comparison[1], comparison[2]);
  return (value, shown) => shown.toLowerCase().includes(text) || String(value ?? "").toLowerCase().includes(text);
}

function makeComparison(operator, text) {
  const bound = Number(text);
  if (operator === "=") return (value, shown) => (typeof value === "number" ? value === bound : shown.toLowerCase() === text);
  if (Number.isNaN(bound)) return undefined;
  return (value) => {
    if (typeof value !== "number") return false;
    if (operator === "<") return value < bound;
    if (operator === "<=") return value <= bound;
    return operator === ">" ? value > bound : value >= bound;
  };
}

// chosenRows are those that the filters leave, in order.
function chosenRows(now) {
  const tests = columns.map((column) => [column, makeTest(now.get("f." + column.key) ?? "")]).filter(([, test]) => test);
  const search = (now.get("q") ?? "").toLowerCase();
  const hide = now.get("hide") === "superseded";
  const chosen = rows.filter(
    (row) =>
      !(hide && row.superseded) &&
      tests.every(([column, test]) => test(column.value(row), cellText(column, row))) &&
      (!search || columns.some((column) => cellText(column, row).toLowerCase().includes(search))),
  );
  return sortRows(chosen, now.get("sort") ?? "");
}

// sortRows sorts by a column's key, downwards with a - before it. What has no value
// comes last either way.
function sortRows(chosen, sort) {
  const down = sort.startsWith("-");
  const column = columns.find((c) => c.key === sort.replace(/^-/, ""));
  if (!column) return chosen;
  const missing = (value) => value === undefined || value === null;
  return chosen.toSorted((a, b) => {
    const x = column.value(a), y = column.value(b);
    if (missing(x) || missing(y)) return missing(x) - missing(y);
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return down ? -order : order;
  });
}

function nextSort(key) {
  const sort = state().get("sort");
  if (sort === key) return "-" + key;
  return sort === "-" + key ? "" : key;
}

function makeHead() {
  const titles = columns.map((column) => {
    const button = make("button", { type: "button" }, column.title);
    button.addEventListener("click", () => go({ sort: nextSort(column.key) }));
    return make("th", { scope: "col", class: column.text && "text", "data-key": column.key }, button);
  });
  const filters = columns.map((column) => {
    const input = make("input", { type: "text", "aria-label": "Filter " + column.title, "data-key": column.key, autocomplete: "off" });
    input.addEventListener("input", later(() => go({ ["f." + column.key]: input.value })));
    return make("th", {}, input);
  });
  return make("thead", {}, make("tr", {}, titles), make("tr", { class: "filters" }, filters));
}

function makeRow(row, chosen) {
  const tr = make("tr", { class: row.superseded && "superseded", "aria-current": row.link === chosen && "true", "data-link": row.link });
  for (const column of columns) {
    const text = visible(cellText(column, row));
    const kind = column.reason ? "reason" : column.text ? "text" : undefined;
    if (column.key === "n") tr.append(make("td", {}, make("a", { href: linkTo({ run: row.link }) }, text)));
    else if (column.word) tr.append(make("td", { class: "text" }, make("span", { class: "word " + row.outcome }, text), row.superseded ? " (superseded)" : ""));
    else if (column.metric !== undefined) tr.append(makeMetric(row, column, text));
    else tr.append(make("td", { class: text === "" ? "missing" : kind }, text === "" ? "–" : text));
  }
  return tr;
}

// makeMetric is a number, with how many processes or files it is based on.
function makeMetric(row, column, text) {
  const [values, expected] = row.basis?.[column.metric] ?? [];
  const note = row.notes?.[column.metric];
  const title = [expected === undefined ? undefined : `based on ${values} of ${processes(expected)} or files`, row.windows?.[column.metric] && `in window ${visible(row.windows[column.metric])}`, note && visible(note)].filter(Boolean).join("; ");
  const basis = make("span", { class: "basis" }, basisText(row, column.metric));
  return make("td", { class: text === "" ? "missing" : undefined, title: title || undefined }, text === "" ? "–" : text, expected === undefined ? "" : basis);
}

function showTable(now) {
  const chosen = chosenRows(now);
  const body = make("tbody", {}, chosen.slice(0, rowsShown).map((row) => makeRow(row, now.get("run"))));
  byId("table").tBodies[0]?.remove();
  byId("table").append(body);
  byId("table-count").textContent = chosen.length === rows.length ? count(rows.length, "run") : `${chosen.length} of ${count(rows.length, "run")}`;
  byId("table-more").hidden = chosen.length <= rowsShown;
  byId("table-more").textContent = `Show ${count(chosen.length - rowsShown, "more run")}`;
  showControls(now);
}

// showControls brings headings and fields up to date, but not the field being written in.
function showControls(now) {
  const sort = now.get("sort") ?? "";
  for (const th of document.querySelectorAll("#table th[data-key]")) {
    const order = sort === th.dataset.key ? "ascending" : sort === "-" + th.dataset.key ? "descending" : undefined;
    if (order) th.setAttribute("aria-sort", order);
    else th.removeAttribute("aria-sort");
    th.firstChild.textContent = columns.find((c) => c.key === th.dataset.key).title + (order ? (order === "ascending" ? " ▲" : " ▼") : "");
  }
  const set = (input, value) => {
    if (input !== document.activeElement || value === "") input.value = value;
  };
  for (const input of document.querySelectorAll("#table input")) set(input, now.get("f." + input.dataset.key) ?? "");
  set(byId("table-search"), now.get("q") ?? "");
  byId("table-superseded").checked = now.get("hide") === "superseded";
}

function resetTable() {
  const changes = { q: "", sort: "", hide: "" };
  for (const column of columns) changes["f." + column.key] = "";
  rowsShown = rowsAtOnce;
  go(changes);
}

function beginTable() {
  byId("table").append(make("caption", { hidden: true }, "All runs"), makeHead());
  byId("table-search").addEventListener("input", later(() => go({ q: byId("table-search").value })));
  byId("table-superseded").addEventListener("change", (e) => go({ hide: e.target.checked ? "superseded" : "" }));
  byId("table-reset").addEventListener("click", resetTable);
  byId("table-more").addEventListener("click", () => {
    rowsShown = Infinity;
    showTable(state());
  });
  byId("table").addEventListener("click", (e) => {
    const row = e.target.closest("tbody tr");
    if (row && !e.target.closest("a")) go({ run: row.dataset.link, process: "" }, true);
  });
  let shown;
  listeners.push((now) => {
    const relevant = [...now].filter(([name]) => name !== "process" && name !== "find" && name !== "only").join("&");
    if (relevant !== shown) showTable(now);
    shown = relevant;
  });
}
