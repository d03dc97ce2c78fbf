// The figures: what was measured, latency and throughput against load, the table of all levels.

const LONG = { ttft: "time to first token", ttfc: "time to first content", tpot: "time per output token", itl: "time between tokens", e2e: "end to end", ttfvc: "time to first valid call", e2e_from_schedule: "end to end, from when it was due" };
const RATES = [["req_per_s", "requests/s", "req/s"], ["tokens_per_s", "tokens/s", "tokens/s"], ["correct_per_s", "goodput: correct turns/s", "correct/s"]];
const IN_TIME = [["request_goodput", "within the service level: requests/s", "in time/s"], ["correct_goodput", "within it and correct: turns/s", "correct in time/s"]];

function benchHeader(data) {
  const { run } = data;
  const facts = [
    ["device", run.device],
    ["endpoint", run.endpoint],
    ["server version", run.versions.server],
    ["loop", [run.loop, run.arrival, run.max_in_flight && `at most ${run.max_in_flight} in flight`].filter(Boolean).join(", ")],
    ["mix", run.mix && settings(run.mix, "")],
    ["service level", run.slo && settings(run.slo, " ms")],
    ["highest rate", run.find_rate && run.find_rate.words],
    ["prefix cache", run.prefix_cache],
    ["requests", data.levels.reduce((sum, level) => sum + level.overall.requests, 0).toLocaleString("en")],
  ];
  return h("header", {}, h("p", { class: "mark" }, "callproof bench"), h("h1", {}, visible(data.made)),
    h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, visible(String(value)))))));
}

function settings(values, unit) {
  return Object.entries(values).map(([name, value]) => `${name} ${tidy(value)}${unit}`).join(", ");
}

function benchWarnings(data) {
  const drawn = data.levels.reduce((sum, level) => sum + level.samples.length, 0);
  const held = data.levels.reduce((sum, level) => sum + level.requests, 0);
  const found = [
    data.run.note && `Figures of a CPU: ${data.run.note}.`,
    data.run.partial && `The bench was not finished (${data.run.stopped ?? "some requests are missing"}): its last level may not be whole.`,
    data.run.failures.errors > 0 && `${data.run.failures.words}.`,
    ...data.run.warnings,
    drawn < held && `Of ${counted(held, "request")} only the first ${drawn.toLocaleString("en")} are drawn; the figures are of all.`,
  ].filter(Boolean);
  if (!found.length) return null;
  return h("section", { class: "warnings", "aria-label": "warnings" }, h("ul", { class: "panel" }, found.map((text) => h("li", {}, visible(text)))));
}

// A level on an axis: its concurrency or rate; `load` has it in words.
function levelName(level) {
  const name = String(level.concurrency ?? level.rate ?? level.load);
  return level.live === null ? name : `${name}, ${level.live} live`;
}

function axisName(run) {
  return run.loop === "open" ? "requests/s asked for" : "requests in flight";
}

// Points of a model's figure: the median over the blocks of each load.
function pointsOf(data, model, key) {
  return loadsOf(data).map((one) => {
    const values = data.levels.filter((level) => level.load === one.load).map((level) => level.models[model]?.[key]).filter((value) => value !== null && value !== undefined);
    const value = values.length ? values.sort((a, b) => a - b)[values.length >> 1] : null;
    return [levelName(one), value, `${model}, ${one.load}: ${tidy(value)}${values.length > 1 ? ` (median of ${values.length} blocks)` : ""}`];
  });
}

// The first level of each load, lowest first; without the one in flight that a search compares with.
function loadsOf(data) {
  const own = data.levels.filter((level) => data.run.loop === "closed" || level.concurrency === null);
  const first = [...new Map(own.toReversed().map((level) => [level.load, level])).values()];
  return first.sort((a, b) => (a.concurrency ?? a.rate ?? 0) - (b.concurrency ?? b.rate ?? 0) || (a.live ?? 0) - (b.live ?? 0));
}

function againstLoad(data, series, unit) {
  const most = Math.max(0, ...series.flatMap((each) => each.points.map(([, value]) => value ?? 0)));
  return lineChart({ x: places(loadsOf(data).map(levelName)), y: linear(most), xName: axisName(data.run), yName: unit, series, label: `${unit} against load` });
}

function curvesSection(data) {
  const rates = [...RATES, ...IN_TIME].map(([key, title]) => {
    const series = data.models.map((model, index) => ({ index, dots: true, points: pointsOf(data, model, key) }));
    const shown = series.some((each) => each.points.some(([, value]) => value !== null));
    return shown && chartCard(title, "higher is better", againstLoad(data, series, title.replace(/^.*: /, "")));
  });
  const latencies = data.latencies.map((name) => {
    const series = data.models.flatMap((model, index) => [["p50"], ["p99", "5 4"]].map(([point, dash]) => ({ index, dots: true, dash, points: pointsOf(data, model, `${name}_${point}_ms`).map(([a, b, title]) => [a, b, `${point}, ${title} ms`]) })));
    const shown = series.some((each) => each.points.some(([, value]) => value !== null));
    return shown && chartCard(nameOf(name, LONG[name]), "p50, dashed p99", againstLoad(data, series, "ms"));
  });
  return [
    h("section", {}, h("h2", {}, "Throughput and goodput"), legendOf(data.models), h("div", { class: "charts three" }, rates)),
    h("section", {}, h("h2", {}, "Latency"), h("div", { class: "charts" }, latencies)),
  ];
}

// TTFT, time to first token; the longest names stand for themselves.
function nameOf(name, long) {
  return name.includes("_") ? long : `${name.toUpperCase()}, ${long}`;
}

function known(data, key) {
  return data.levels.some((level) => (level.overall[key] ?? null) !== null);
}

function levelsSection(data) {
  const rates = [...RATES, ...IN_TIME.filter(([key]) => known(data, key))];
  const latencies = data.latencies.filter((name) => known(data, `${name}_p50_ms`));
  const compared = data.levels.some((level) => level.turn_exact_vs_lowest);
  const head = h("tr", {}, h("th", {}, "load"), h("th", {}, "model"), ["requests", "errors", "exact %", ...(compared ? ["against the lowest load"] : []), ...rates.map(([, , short]) => short)].map((name) => h("th", { class: "number" }, name)),
    latencies.map((name) => h("th", { class: "number" }, name.includes("_") ? `${LONG[name]}, ms` : `${name.toUpperCase()} ms`)));
  const rows = data.levels.flatMap((level) => data.models.filter((model) => model in level.models).map((model) => [model, level.models[model]]).map(([model, row]) => h("tr", {},
    h("th", { scope: "row", class: "load" }, visible(level.load), level.partial && " (partial)"), h("td", { class: "who" }, modelTag(model, data.models.indexOf(model))),
    h("td", { class: "number" }, tidy(row.requests)), h("td", { class: `number ${row.errors ? "worse" : ""}` }, h("b", {}, tidy(row.errors))),
    h("td", { class: "number" }, percent(row.turn_exact)), compared && h("td", { class: "number" }, points(level.turn_exact_vs_lowest?.models[model])), rates.map(([key]) => h("td", { class: "number" }, tidy(row[key]))),
    latencies.map((name) => h("td", { class: "number" }, data.percentiles.map((point) => tidy(row[`${name}_p${point}_ms`]) + (point === 99 && row.p99_of_few.includes(name) ? "*" : "")).join(" / "))))));
  return h("section", {}, h("h2", {}, "All levels"), scrolling(h("table", {}, h("thead", {}, head), h("tbody", {}, rows))),
    h("p", { class: "note" }, `Latencies are ${data.percentiles.map((point) => `p${point}`).join(" / ")} of answered requests. * p99 of fewer than 100 values: little more than the largest of them.`));
}

// A difference with its 95 % limits.
function points(found) {
  return found ? `${signed(found.value)} [${signed(found.low)}, ${signed(found.high)}]` : "–";
}

// The rates of a search, lowest first.
function searchSection(search) {
  if (!search) return null;
  const number = (text) => h("td", { class: "number" }, text);
  const row = ({ rate, share, low, high, quality }) => h("tr", {}, h("th", { scope: "row", class: "load" }, tidy(rate)),
    number(`${percent(share)} [${percent(low)}, ${percent(high)}]`),
    quality && [number(percent(quality.turn_exact)), number(percent(quality.alone)), number(points({ value: quality.gain, low: quality.lower, high: quality.upper })), h("td", {}, quality.verdict), number(tidy(quality.sessions)), number(tidy(quality.sessions_needed))]);
  const heads = ["req/s", "in time %", ...(search.margin === null ? [] : ["exact %", "alone %", "difference", "answers", "sessions", "needed"])];
  return h("section", {}, h("h2", {}, "Rates tried"), scrolling(h("table", {}, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { class: name === "answers" ? "" : "number" }, name)))), h("tbody", {}, search.trials.toSorted((a, b) => a.rate - b.rate).map(row)))),
    search.margin !== null && h("p", { class: "note" }, `Answers are held to those with one request in flight, less ${tidy(100 * search.margin)} points; limits of the difference are one-sided, 95 %.`));
}

function benchFooter(run) {
  const facts = { ...run.sampling, ...run.versions, ...Object.fromEntries(Object.entries(run.turns).map(([model, hash]) => [`turns of ${model}`, hash])) };
  return h("footer", {}, visible(Object.entries(facts).map(([name, value]) => `${name} ${value}`).join("  ·  ") || "callproof bench"));
}
