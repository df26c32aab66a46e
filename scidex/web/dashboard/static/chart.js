// The chart of clearing prices. It draws what the page holds in `data-prices`, in the page's own colours.
"use strict";

const priceChart = (() => {
  let chart = null;
  let drawn = "";

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const tokens = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
  const short = (value) =>
    value >= 1e6 ? `${+(value / 1e6).toFixed(2)}M` : value >= 1e4 ? `${+(value / 1e3).toFixed(1)}k` : tokens(value);
  const clock = (seconds) => (seconds === null || seconds === undefined ? "–" : new Date(seconds * 1000).toLocaleString());

  const hours = (plot, splits) => {
    const brief = plot.scales.x.max - plot.scales.x.min < 900;
    const form = { hour: "2-digit", minute: "2-digit", ...(brief ? { second: "2-digit" } : {}) };
    return splits.map((seconds) => new Date(seconds * 1000).toLocaleTimeString([], form));
  };

  const axis = (more) => ({
    stroke: colour("--soft"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...more,
  });

  const options = (place) => ({
    width: place.clientWidth,
    height: place.clientHeight - 28,
    padding: [8, 28, 0, 0],
    cursor: { y: false, points: { size: 7 } },
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [axis({ grid: { show: false }, space: 80, values: hours }), axis({ size: 56, values: (_, values) => values.map(short) })],
    series: [
      { label: "Cleared", value: (_, value) => clock(value) },
      {
        label: "Price",
        value: (_, value) => (value === null || value === undefined ? "–" : `${tokens(value)} tokens`),
        stroke: colour("--demand"),
        width: 2,
        fill: `${colour("--demand")}1a`,
        paths: uPlot.paths.stepped({ align: 1 }),
        points: { show: (plot) => plot.data[0].length < 60, size: 5, fill: colour("--card") },
        spanGaps: false,
      },
    ],
  });

  function draw() {
    const holder = document.getElementById("price-chart");
    const place = document.getElementById("price-canvas");
    if (!holder || !place || !place.clientWidth || typeof uPlot === "undefined") return;
    const prices = holder.dataset.prices;
    if (chart && chart.root.parentNode !== place) chart = null;
    if (!chart) {
      place.replaceChildren();
      chart = new uPlot(options(place), JSON.parse(prices), place);
    } else if (prices !== drawn) {
      chart.setData(JSON.parse(prices));
    }
    if (chart.width !== place.clientWidth) chart.setSize({ width: place.clientWidth, height: chart.height });
    drawn = prices;
    if (chart.cursor.left < 0) chart.setLegend({ idx: chart.data[0].length - 1 });
  }

  function redraw() {
    if (chart) chart.destroy();
    chart = null;
    draw();
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.addEventListener("resize", draw);
  return { draw };
})();
