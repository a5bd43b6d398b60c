// Numbers and words for people, as internal/terminal gives them.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const measured = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

function words(outcome) {
  return outcome.replaceAll("_", " ");
}

function count(n, noun) {
  return grouped.format(n) + " " + noun + (n === 1 ? "" : "s");
}

function processes(n) {
  return n === 1 ? "1 process" : grouped.format(n) + " processes";
}

// numberText gives a metric or parameter. Very large and very small ones get an exponent.
function numberText(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e12 || size < 1e-4)) return value.toExponential(4);
  return measured.format(value);
}

function valueText(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return numberText(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

// durationText gives microseconds with the unit that fits.
function durationText(us) {
  const size = Math.abs(us);
  if (size < 1000) return Math.round(us) + " µs";
  if (size < 10_000) return (us / 1000).toFixed(2) + " ms";
  if (size < 1_000_000) return (us / 1000).toFixed(1) + " ms";
  if (size < 60_000_000) return (us / 1e6).toFixed(2) + " s";
  const s = Math.round(us / 1e6);
  if (s < 3600) return Math.floor(s / 60) + "m" + String(s % 60).padStart(2, "0") + "s";
  const m = Math.round(s / 60);
  return Math.floor(m / 60) + "h" + String(m % 60).padStart(2, "0") + "m";
}

// boundText gives the bound of an error, never less than it is.
function boundText(us) {
  const size = us < 1000 ? 1 : us < 10_000 ? 10 : us < 1_000_000 ? 100 : us < 60_000_000 ? 10_000 : 1_000_000;
  return durationText(Math.ceil(us / size) * size);
}

// skewText formats a skew with the bound of its error. One below its bound can't be told from
// 0, and reads as "less than" the bound.
function skewText(us, bound) {
  return us < bound ? `< ${boundText(bound)}` : `${durationText(us)} ± ${boundText(bound)}`;
}

function sizeText(bytes) {
  if (bytes < 1000) return bytes + " B";
  let unit = -1;
  while (bytes >= 999.5 && unit < 5) {
    bytes /= 1000;
    unit++;
  }
  return bytes.toFixed(bytes < 9.95 ? 1 : 0) + " " + "kMGTPE"[unit] + "B";
}

// visible shows control characters as symbols. Terminal colours are left out, because they are
// not text.
function visible(text) {
  return text
    .replace(/\x1b\[[0-9;]*m/g, "")
    .replace(/[\x00-\x08\x0a-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/\x7f/g, "\u2421");
}

// niceTicks are about n marks of round numbers from low to high.
function niceTicks(low, high, n) {
  const raw = (high - low) / Math.max(n, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return { ticks, step };
}

// unitFor picks the unit for an axis of so many microseconds.
function unitFor(us) {
  if (us < 10_000) return { name: "µs", size: 1 };
  if (us < 10_000_000) return { name: "ms", size: 1000 };
  return { name: "s", size: 1e6 };
}
