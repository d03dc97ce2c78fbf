// Charts, drawn from the data as SVG; lengths are fractions of the width in per cent, so they fit any screen.

function intervalPlot(estimate, color, scale = 1) {
  const at = (value) => `${Math.min(100, (100 * value) / scale)}%`;
  const chart = svg("svg", { class: "interval", color, role: "img", "aria-label": intervalText(estimate) });
  chart.append(svg("line", { class: "track", x1: "0%", x2: "100%", y1: 8, y2: 8 }));
  if (estimate.value === null) return chart;
  if (estimate.low !== null) {
    const width = `${Math.max(0.5, (100 * (Math.min(estimate.high, scale) - estimate.low)) / scale)}%`;
    chart.append(svg("rect", { class: "range", x: at(estimate.low), width, y: 3, height: 10, rx: 3 }));
  }
  chart.append(svg("circle", { class: "dot", cx: at(estimate.value), cy: 8, r: 3.5 }));
  return chart;
}

function intervalText(estimate) {
  if (estimate.value === null) return "undefined";
  return `${percent(estimate.value)} %, 95 % interval ${percent(estimate.low)} to ${percent(estimate.high)}`;
}

// One bar of all outcomes of a model; a segment calls `pick` with its label.
function outcomeBar(counts, labels, total, pick) {
  const segments = labels.filter((label) => counts[label]).map((label) => {
    const share = counts[label] / total;
    const title = `${words(label)}: ${counts[label]} (${percent(share)} %)`;
    const text = share > 0.06 ? String(counts[label]) : "";
    const segment = h("button", { class: `segment ${label}`, title, "aria-label": title, onclick: () => pick(label) }, text);
    segment.style.flexGrow = counts[label];
    return segment;
  });
  return h("div", { class: "bar" }, segments);
}
