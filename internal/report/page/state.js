// What the person looks at is kept behind the # of the address: it survives a
// reload while the experiment runs, and can be sent to somebody.

const listeners = [];

function state() {
  return new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
}

// go changes some of it; an empty value forgets. It adds no entry to the history
// unless a person would want to come back.
function go(changes, remember = false) {
  const next = state();
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const hash = "#" + next;
  if (hash === location.hash || (hash === "#" && !location.hash)) return;
  if (remember) location.hash = hash;
  else {
    history.replaceState(null, "", hash);
    notify();
  }
}

function notify() {
  const now = state();
  for (const listener of listeners) listener(now);
}

// linkTo is an address within the page that keeps the rest of the state.
function linkTo(changes) {
  const next = state();
  for (const [name, value] of Object.entries(changes)) next.set(name, value);
  return "#" + next;
}

addEventListener("hashchange", notify);
