// Starts the parts of the page. The drawings of a single run come after everything else is
// visible.

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
