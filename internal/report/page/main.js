// Brings the parts to life. What is drawn of a single run waits until the rest can be seen.

beginTable();
beginLog();
showTable(state());
performance.mark("table"); // for the benchmark
requestAnimationFrame(() =>
  setTimeout(() => {
    beginRun();
    notify();
    document.documentElement.dataset.ready = "true";
  }),
);
