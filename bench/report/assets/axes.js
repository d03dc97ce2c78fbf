// Line charts with axes: data becomes SVG in a fixed coordinate system that scales with its box.

const PLOT = { width: 560, height: 300, left: 66, right: 16, top: 12, bottom: 48 };

function tidy(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return Number(value.toFixed(digits)).toLocaleString("en", { maximumFractionDigits: digits });
}

// Round steps from 0 to at least `most`.
function steps(most, count = 5) {
  if (!(most > 0)) return [0, 1];
  const rough = most / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const ticks = [];
  for (let at = 0; at < most + step * 0.999; at += step) ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

// A scale from 0: `ticks` in data units, `at` in fractions of the axis.
function linear(most) {
  const ticks = steps(most);
  return { ticks, at: (value) => value / ticks.at(-1) };
}

// One place for each of some values, evenly spaced.
function places(values) {
  const at = (value) => (values.length < 2 ? 0.5 : values.indexOf(value) / (values.length - 1)) * 0.92 + 0.04;
  return { ticks: values, at };
}

// A chart of lines and dots. series: [{ index, name, points: [[x, y, title]], dots }]
function lineChart({ x, y, xName, yName, series, label }) {
  const { width, height, left, right, top, bottom } = PLOT;
  const px = (value) => left + x.at(value) * (width - left - right);
  const py = (value) => height - bottom - y.at(value) * (height - top - bottom);
  const chart = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const tick of y.ticks) {
    chart.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: py(tick), y2: py(tick) }),
      svg("text", { class: "tick end", x: left - 8, y: py(tick) + 4 }, tidy(tick)));
  }
  for (const tick of x.ticks) chart.append(svg("text", { class: "tick middle", x: px(tick), y: height - bottom + 20 }, typeof tick === "number" ? tidy(tick) : String(tick)));
  chart.append(svg("text", { class: "axis middle", x: (left + width - right) / 2, y: height - 4 }, xName),
    svg("text", { class: "axis middle", x: 14, y: (height - bottom) / 2 + top / 2, transform: `rotate(-90 14 ${(height - bottom) / 2 + top / 2})` }, yName));
  for (const { index, points, dots, dash } of series) {
    const shown = points.filter(([, value]) => value !== null && value !== undefined);
    const path = shown.map(([a, b], number) => `${number ? "L" : "M"}${px(a).toFixed(1)} ${py(b).toFixed(1)}`).join("");
    chart.append(svg("path", { class: "line", d: path, color: modelColor(index), "stroke-dasharray": dash ?? null }));
    if (dots) for (const [a, b, title] of shown) chart.append(svg("circle", { class: "dot", cx: px(a), cy: py(b), r: 4, color: modelColor(index) }, svg("title", {}, title)));
  }
  return chart;
}

function legendOf(models) {
  return h("ul", { class: "legend models" }, models.map((model, index) => h("li", {}, modelTag(model, index))));
}

function chartCard(title, note, chart) {
  return h("article", { class: "card chart" }, h("h3", {}, title, note && h("small", {}, note)), chart);
}
