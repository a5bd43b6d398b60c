// The data of the page: the index, read at once, and details and logs, read on demand.

const index = JSON.parse(byId("index").textContent);
const rows = index.rows;
const rowByLink = new Map(rows.map((row) => [row.link, row]));
const unpacked = new Map(); // the newest few, by the id of their element
const unpackedMost = 8;

// withUnit is the name of a metric as a heading.
function withUnit(metric) {
  const unit = index.units?.[metric];
  return unit ? `${metric} (${unit})` : metric;
}

// basisText says on how many processes a metric is based, and out of how many.
function basisText(row, metric) {
  const basis = row.basis?.[metric];
  return basis ? ` (${basis[0]} of ${basis[1]})` : "";
}

// unpack reads the blob in an element; undefined where there is none.
async function unpack(id) {
  if (unpacked.has(id)) return unpacked.get(id);
  const element = byId(id);
  if (!element) return undefined;
  const bytes = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const value = await new Response(stream).json();
  if (unpacked.size >= unpackedMost) unpacked.delete(unpacked.keys().next().value);
  unpacked.set(id, value);
  return value;
}

function detailOf(row) {
  return unpack("detail-" + row.n);
}

function logsOf(row) {
  return unpack("log-" + row.n);
}

function usageOf(row) {
  return unpack("usage-" + row.n);
}

// expand undoes the distances between neighbours.
function expand(deltas) {
  let at = 0;
  return (deltas ?? []).map((delta) => (at += delta));
}
