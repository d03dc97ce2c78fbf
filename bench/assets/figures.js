// The figures: what was measured, latency and throughput against concurrency, the table of all levels.

const LONG = { ttft: "time to first token", tpot: "time per output token", itl: "time between tokens", e2e: "end to end" };
const RATES = [["req_per_s", "requests/s"], ["tokens_per_s", "tokens/s"], ["correct_per_s", "goodput: correct turns/s"]];

function benchHeader(data) {
  const { run } = data;
  const facts = [
    ["device", run.device],
    ["endpoint", run.endpoint],
    ["server version", run.versions.server],
    ["loop", run.loop],
    ["prefix cache", run.prefix_cache],
    ["requests", data.levels.reduce((sum, level) => sum + level.overall.requests, 0).toLocaleString("en")],
  ];
  return h("header", {}, h("p", { class: "mark" }, "callproof bench"), h("h1", {}, visible(data.made)),
    h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, visible(String(value)))))));
}

function benchWarnings(data) {
  const drawn = data.levels.reduce((sum, level) => sum + level.samples.length, 0);
  const held = data.levels.reduce((sum, level) => sum + level.requests, 0);
  const found = [
    data.run.note && `Figures of a CPU: ${data.run.note}.`,
    data.run.partial && "The bench was interrupted: its last level is not whole.",
    drawn < held && `Of ${counted(held, "request")} only the first ${drawn.toLocaleString("en")} are drawn; the figures are of all.`,
  ].filter(Boolean);
  if (!found.length) return null;
  return h("section", { class: "warnings", "aria-label": "warnings" }, h("ul", { class: "panel" }, found.map((text) => h("li", {}, visible(text)))));
}

function levelName(level) {
  return level.concurrency === null ? "not told" : String(level.concurrency);
}

// Points of a model's figure: the median over the blocks of each concurrency.
function pointsOf(data, model, key) {
  return namesOf(data).map((name) => {
    const values = data.levels.filter((level) => levelName(level) === name).map((level) => level.models[model]?.[key]).filter((value) => value !== null && value !== undefined);
    const value = values.length ? values.sort((a, b) => a - b)[values.length >> 1] : null;
    return [name, value, `${model}, ${name} in flight: ${tidy(value)}${values.length > 1 ? ` (median of ${values.length} blocks)` : ""}`];
  });
}

function namesOf(data) {
  return [...new Set(data.levels.map(levelName))];
}

function againstConcurrency(data, series, unit) {
  const most = Math.max(0, ...series.flatMap((each) => each.points.map(([, value]) => value ?? 0)));
  return lineChart({ x: places(namesOf(data)), y: linear(most), xName: "requests in flight", yName: unit, series, label: `${unit} against concurrency` });
}

function curvesSection(data) {
  const rates = RATES.map(([key, title]) => {
    const series = data.models.map((model, index) => ({ index, dots: true, points: pointsOf(data, model, key) }));
    const known = series.some((each) => each.points.some(([, value]) => value !== null));
    return known && chartCard(title, "higher is better", againstConcurrency(data, series, title.replace(/^.*: /, "")));
  });
  const latencies = data.latencies.map((name) => {
    const series = data.models.flatMap((model, index) => [["p50"], ["p99", "5 4"]].map(([point, dash]) => ({ index, dots: true, dash, points: pointsOf(data, model, `${name}_${point}_ms`).map(([a, b, title]) => [a, b, `${point}, ${title} ms`]) })));
    const known = series.some((each) => each.points.some(([, value]) => value !== null));
    return known && chartCard(`${name.toUpperCase()}, ${LONG[name]}`, "p50, dashed p99", againstConcurrency(data, series, "ms"));
  });
  return [
    h("section", {}, h("h2", {}, "Throughput and goodput"), legendOf(data.models), h("div", { class: "charts three" }, rates)),
    h("section", {}, h("h2", {}, "Latency"), h("div", { class: "charts" }, latencies)),
  ];
}

function levelsSection(data) {
  const head = h("tr", {}, h("th", {}, "in flight"), h("th", {}, "model"), ["requests", "errors", "exact %", "req/s", "tokens/s", "correct/s"].map((name) => h("th", { class: "number" }, name)),
    data.latencies.map((name) => h("th", { class: "number" }, `${name.toUpperCase()} ms`)));
  const rows = data.levels.flatMap((level) => data.models.filter((model) => model in level.models).map((model) => [model, level.models[model]]).map(([model, row]) => h("tr", {},
    h("th", { scope: "row" }, levelName(level), level.partial && " (partial)"), h("td", { class: "who" }, modelTag(model, data.models.indexOf(model))),
    h("td", { class: "number" }, tidy(row.requests)), h("td", { class: `number ${row.errors ? "worse" : ""}` }, h("b", {}, tidy(row.errors))),
    h("td", { class: "number" }, percent(row.turn_exact)), RATES.map(([key]) => h("td", { class: "number" }, tidy(row[key]))),
    data.latencies.map((name) => h("td", { class: "number" }, data.percentiles.map((point) => tidy(row[`${name}_p${point}_ms`])).join(" / "))))));
  return h("section", {}, h("h2", {}, "All levels"), scrolling(h("table", {}, h("thead", {}, head), h("tbody", {}, rows))),
    h("p", { class: "note" }, `Latencies are ${data.percentiles.map((point) => `p${point}`).join(" / ")} of answered requests.`));
}

function benchFooter(run) {
  const facts = { ...run.sampling, ...run.versions, ...Object.fromEntries(Object.entries(run.turns).map(([model, hash]) => [`turns of ${model}`, hash])) };
  return h("footer", {}, visible(Object.entries(facts).map(([name, value]) => `${name} ${value}`).join("  ·  ") || "callproof bench"));
}
