// The requests of one level: percentile curves, the course of each, and what went wrong.

const CURVES = [["ttft_ms", "time to first token"], ["e2e_ms", "end to end"]];
const LANES = { width: 1160, left: 14, right: 20, top: 6, bottom: 34 };

function requestsSection(data) {
  const levels = data.levels.filter((level) => level.samples.length);
  if (!levels.length) return [null];
  const body = h("div", {});
  const draw = (number) => body.replaceChildren(...requestsOf(data, levels[Number(number)]));
  const seen = {};
  const options = levels.map((level, number) => {
    const name = level.load, block = (seen[name] = (seen[name] ?? 0) + 1);
    const repeated = levels.filter((other) => other.load === name).length > 1;
    return [String(number), `${name}${repeated ? `, block ${block}` : ""}`];
  });
  const controls = h("div", { class: "controls" }, select("level", options, draw));
  controls.querySelector("select").value = String(levels.length - 1);
  draw(levels.length - 1);
  return [h("section", {}, h("h2", {}, "Requests"), controls, legendOf(data.models), body)];
}

function requestsOf(data, level) {
  const curves = CURVES.map(([key, title]) => chartCard(title, "share of requests answered within", shareCurve(data, level, key)));
  const timeline = h("article", { class: "card chart wide" },
    h("h3", {}, "Timeline", h("small", {}, "a bar a request, in the lane it held; pale until the first token, red where it failed")),
    h("div", { class: "scroll", tabindex: "0" }, laneChart(data, level)));
  return [h("div", { class: "charts" }, curves), timeline];
}

function shareCurve(data, level, key) {
  const series = data.models.map((model, index) => {
    const values = level.samples.filter((each) => each.model === model && each[key] !== null).map((each) => each[key]).sort((a, b) => a - b);
    const points = values.map((value, number) => [value, (number + 1) / values.length]);
    return { index, points: points.length ? [[points[0][0], 0], ...points] : [] };
  });
  const most = Math.max(0, ...series.flatMap((each) => each.points.map(([value]) => value)));
  const shares = { ticks: [0, 0.25, 0.5, 0.75, 0.9, 1], at: (value) => value };
  return lineChart({ x: linear(most), y: shares, xName: "ms", yName: "share", series, label: `cumulative distribution of ${key}` });
}

// The lowest lane that is free when a request begins.
function lanesOf(samples) {
  const ends = [];
  return samples.map((sample) => {
    const begin = sample.started_s, end = begin + (sample.e2e_ms ?? 0) / 1000;
    let lane = ends.findIndex((at) => at <= begin + 1e-9);
    if (lane < 0) lane = ends.length;
    ends[lane] = Math.max(end, begin);
    return { sample, begin, end, lane };
  });
}

function laneChart(data, level) {
  const { width, left, right, top, bottom } = LANES;
  const bars = lanesOf([...level.samples].sort((a, b) => a.started_s - b.started_s));
  const lanes = 1 + Math.max(0, ...bars.map((bar) => bar.lane));
  const row = lanes > 8 ? 11 : 22;
  const scale = linear(Math.max(0.001, ...bars.map((bar) => bar.end)));
  const px = (seconds) => left + scale.at(seconds) * (width - left - right), height = top + lanes * row + bottom;
  const chart = svg("svg", { class: "plot lanes", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "timeline of requests" });
  for (const tick of scale.ticks) {
    chart.append(svg("line", { class: "grid", x1: px(tick), x2: px(tick), y1: top, y2: height - bottom }),
      svg("text", { class: "tick middle", x: px(tick), y: height - bottom + 16 }, tidy(tick)));
  }
  chart.append(svg("text", { class: "axis middle", x: width / 2, y: height - 4 }, "seconds"));
  for (const { sample, begin, end, lane } of bars) chart.append(barOf(data, sample, { x: px(begin), end: px(end), y: top + lane * row, height: row - 3, px }));
  return chart;
}

function barOf(data, sample, { x, end, y, height, px }) {
  const color = modelColor(data.models.indexOf(sample.model));
  const told = sample.error ?? `${sample.outcome ? words(sample.outcome) : "not judged"}, TTFT ${tidy(sample.ttft_ms)} ms, E2E ${tidy(sample.e2e_ms)} ms, ${counted(sample.output_tokens, "token")}${sample.delay_ms ? `, sent ${tidy(sample.delay_ms)} ms after it was due` : ""}`;
  const title = svg("title", {}, `${sample.model}, ${sample.turn_id}: ${told}`.replace(HIDDEN, spelled));
  if (sample.error !== null) return svg("rect", { class: "failed", x, y, width: 5, height }, title);
  const first = Math.min(end, px(sample.started_s + (sample.ttft_ms ?? 0) / 1000));
  return svg("g", { color }, title,
    svg("rect", { class: "waiting", x, y, width: Math.max(1, first - x), height }),
    svg("rect", { class: "answering", x: first, y, width: Math.max(1, end - first - 1), height }));
}

function errorsSection(data) {
  const found = new Map();
  for (const level of data.levels) {
    for (const { model, error } of level.samples) {
      if (error === null) continue;
      const key = JSON.stringify([level.load, model, error]);
      found.set(key, (found.get(key) ?? 0) + 1);
    }
  }
  const rows = [...found].sort((a, b) => b[1] - a[1]).map(([key, count]) => {
    const [name, model, error] = JSON.parse(key);
    return h("tr", {}, h("td", { class: "number" }, count.toLocaleString("en")), h("td", { class: "number" }, visible(name)), h("td", { class: "who" }, modelTag(model, data.models.indexOf(model))), h("td", { class: "error" }, prose(error, "prose")));
  });
  const head = h("tr", {}, h("th", { class: "number" }, "requests"), h("th", { class: "number" }, "load"), h("th", {}, "model"), h("th", {}, "error"));
  return h("section", {}, h("h2", {}, "Errors"), rows.length ? scrolling(h("table", { class: "errors" }, h("thead", {}, head), h("tbody", {}, rows))) : h("p", { class: "note" }, "No request failed."));
}
