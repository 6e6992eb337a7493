"use strict";
(() => {
  const root = document.documentElement;
  const themes = document.querySelector(".themes");
  const buttons = [...themes.querySelectorAll("button")];

  const remembered = () => {
    try { return localStorage.getItem("assay-theme"); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem("assay-theme", theme); } catch { /* a file: page may have no storage */ }
  };
  const choose = (theme) => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.theme === theme));
    }
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      choose(button.dataset.theme);
      remember(button.dataset.theme);
    });
  }
  const wanted = location.hash.startsWith("#theme=") ? location.hash.slice(7) : remembered();
  choose(buttons.some((button) => button.dataset.theme === wanted) ? wanted : "auto");
  themes.hidden = false;

  const charts = [...document.querySelectorAll("svg.chart")];
  const readout = document.querySelector(".readout");
  if (!charts.length || !readout) return;
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const [first, last] = data.steps;
  const steps = [...new Set(data.series.flatMap((one) => one.points.map((point) => point[0])))];
  steps.sort((a, b) => a - b);
  const atRest = readout.textContent;
  let index = -1;

  const nearest = (points, step) =>
    points.reduce((best, point) =>
      Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best);
  const spell = (value) =>
    value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2) : String(+value.toPrecision(4));
  const show = (at) => {
    index = Math.min(Math.max(at, 0), steps.length - 1);
    const step = steps[index];
    const x = data.left + (step - first) / (last - first) * (data.right - data.left);
    for (const chart of charts) {
      const cross = chart.querySelector(".cross");
      cross.setAttribute("x1", x);
      cross.setAttribute("x2", x);
      chart.classList.add("read");
    }
    const parts = data.series.map((one) => {
      const [own, value] = nearest(one.points, step);
      const other = own === step ? "" : ` (step ${own})`;
      return `${one.label} ${spell(value)}${other}`;
    });
    readout.textContent = `Step ${step}: ${parts.join(" · ")}`;
  };
  const rest = () => {
    for (const chart of charts) chart.classList.remove("read");
    readout.textContent = atRest;
    index = -1;
  };
  for (const chart of charts) {
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * data.width;
      const step = first + (x - data.left) / (data.right - data.left) * (last - first);
      show(steps.indexOf(steps.reduce((best, one) =>
        Math.abs(one - step) < Math.abs(best - step) ? one : best)));
    });
    chart.addEventListener("pointerleave", rest);
    chart.addEventListener("blur", rest);
    chart.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10 }[event.key];
      if (!move) return;
      event.preventDefault();
      show(index < 0 ? (move > 0 ? 0 : steps.length - 1) : index + move);
    });
  }
})();
