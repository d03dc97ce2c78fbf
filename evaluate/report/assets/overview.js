// The figures: headline, outcomes, all metrics, slices.

function header(data) {
  const { run, summary } = data;
  const facts = [
    ["turns", run.turns.toLocaleString("en")],
    ["sessions", run.sessions.toLocaleString("en")],
    ["models", String(Object.keys(summary.models).length)],
    ["server version", run.server_version],
    ["tools in the prompt", run.endpoints.length ? { true: "yes", false: "no" }[run.catalog_in_prompt] ?? "not told" : null],
    ["finished", run.finished ? run.finished.replace("T", " ").replace("+00:00", " UTC") : "no"],
  ];
  return h("header", {},
    h("p", { class: "mark" }, "callproof evaluation"),
    h("h1", {}, visible(run.name), " ", h("small", {}, visible(run.run_id))),
    h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, visible(value))))));
}

function headlineCards(data) {
  const models = Object.entries(data.summary.models);
  const cards = data.headline.map((name) => {
    const rows = models.map(([model, found], index) => {
      const estimate = found.metrics[name];
      return h("div", { class: "figure", color: modelColor(index) },
        modelTag(model, index),
        h("span", { class: "value", title: intervalText(estimate) }, percent(estimate.value)),
        intervalPlot(estimate, modelColor(index)),
        h("span", { class: "range-text" }, estimate.low === null ? "" : `${percent(estimate.low)} – ${percent(estimate.high)}`));
    });
    const direction = data.metrics[name].higher ? "higher is better" : "lower is better";
    return h("article", { class: "card", title: data.metrics[name].description },
      h("h3", {}, words(name), h("small", {}, direction)), rows);
  });
  return h("section", {}, h("div", { class: "cards" }, cards),
    h("p", { class: "note" }, "Per cent, with 95 % intervals clustered by session. A turn without an answer counts as wrong."));
}

function outcomeSection(data, pick) {
  const used = data.labels.filter((label) => Object.values(data.summary.models).some((found) => found.outcomes[label]));
  const order = ["ok", ...used.filter((label) => label !== "ok")];
  const bars = Object.entries(data.summary.models).map(([model, found], index) =>
    h("div", { class: "bar-row" }, modelTag(model, index), outcomeBar(found.outcomes, order, found.turns, (label) => pick(model, label))));
  const legend = order.map((label) => h("li", { class: label }, words(label)));
  return h("section", {}, h("h2", {}, "Outcomes"), h("div", { class: "panel" }, bars, h("ul", { class: "legend" }, legend)));
}

function metricsSection(data) {
  const { summary } = data;
  const models = Object.keys(summary.models);
  const compared = Object.keys(summary.differences);
  const head = h("tr", {}, h("th", {}, "metric"),
    models.map((model, index) => [h("th", { class: "number" }, modelTag(model, index)), h("th", { class: "number dim" }, "n")]),
    compared.map((model) => h("th", { class: "number" }, visible(model), " − ", visible(summary.baseline_model))));
  const row = (name) => h("tr", { class: data.headline.includes(name) ? "strong" : null },
    h("th", { scope: "row", title: data.metrics[name].description }, h("span", { class: "name" }, words(name)), h("span", { class: "hint" }, data.metrics[name].description)),
    models.map((model) => estimateCells(summary.models[model].metrics[name])),
    compared.map((model) => differenceCell(summary.differences[model][name], data.metrics[name].higher)));
  const names = Object.keys(data.metrics);
  const rest = names.filter((name) => !data.primary.includes(name));
  const more = h("tbody", { hidden: true }, rest.map(row));
  const toggle = h("button", { class: "quiet", onclick: () => { more.hidden = false; toggle.remove(); } }, `${rest.length} more metrics`);
  const table = h("table", { class: "metrics" }, h("thead", {}, head), h("tbody", {}, data.primary.map(row)), more);
  return h("section", {}, h("h2", {}, "Metrics"), stacked(table), h("p", {}, toggle));
}

function estimateCells(estimate) {
  const interval = estimate.low === null ? "" : `[${percent(estimate.low)}, ${percent(estimate.high)}]`;
  return [
    h("td", { class: "number" }, h("b", {}, percent(estimate.value)), h("span", { class: "range-text" }, interval)),
    h("td", { class: "number dim" }, estimate.n.toLocaleString("en")),
  ];
}

function differenceCell(found, higher) {
  const sure = found.low !== null && (found.low > 0 || found.high < 0);
  const verdict = !sure ? "" : (found.value > 0) === higher ? "better" : "worse";
  const interval = found.low === null ? "" : `[${signed(found.low)}, ${signed(found.high)}]`;
  return h("td", { class: `number ${verdict}`, title: evidenceText(found) }, h("b", {}, signed(found.value)), h("span", { class: "range-text" }, interval),
    h("span", { class: "range-text" }, `${found.discordant.toLocaleString("en")} of ${counted(found.n, "turn")} differ`));
}

// What a difference rests on.
function evidenceText({ n, clusters, discordant, discordant_clusters }) {
  return `${counted(discordant, "turn")} of ${n.toLocaleString("en")} in ${discordant_clusters.toLocaleString("en")} of ${counted(clusters, "session")} differ`;
}

// Slices are keyed `group=value`; one group and one metric at a time.
function sliceSection(data) {
  const models = Object.entries(data.summary.models);
  const groups = {};
  for (const [, found] of models) {
    for (const key of Object.keys(found.slices)) {
      const cut = key.indexOf("=");
      (groups[key.slice(0, cut)] ??= new Map()).set(key, key.slice(cut + 1));
    }
  }
  const names = Object.keys(groups);
  if (!names.length) return null;
  const chosen = { group: names[0], metric: "turn_exact" };
  const body = h("div", {});
  const draw = () => body.replaceChildren(sliceTable(models, groups[chosen.group], chosen));
  const metrics = Object.keys(data.metrics).map((name) => [name, words(name)]);
  const controls = h("div", { class: "controls" },
    select("slice", names.map((name) => [name, words(name)]), (value) => { chosen.group = value; draw(); }),
    select("metric", metrics, (value) => { chosen.metric = value; draw(); }));
  controls.querySelectorAll("select")[1].value = chosen.metric;
  draw();
  return h("section", {}, h("h2", {}, "Slices"), controls, body);
}

function sliceTable(models, keys, chosen) {
  const head = h("tr", {}, h("th", {}, words(chosen.group)),
    models.map(([model], index) => [h("th", { class: "plot" }, modelTag(model, index)), h("th", { class: "number dim" }, "n")]));
  const rows = [...keys].map(([key, value]) => h("tr", {}, h("th", { scope: "row" }, h("span", { class: "name" }, visible(value))),
    models.map(([, found], index) => {
      const estimate = found.slices[key]?.[chosen.metric] ?? { value: null, low: null, high: null, n: 0 };
      return [
        h("td", { class: "plot", title: intervalText(estimate) }, h("div", { class: "plot-row" }, h("b", {}, percent(estimate.value)), intervalPlot(estimate, modelColor(index)))),
        h("td", { class: "number dim" }, String(estimate.n)),
      ];
    })));
  return stacked(h("table", { class: "slices" }, h("thead", {}, head), h("tbody", {}, rows)));
}

function identityFooter(run) {
  const { sampling, ...hashes } = run.identity;
  const facts = Object.entries({ ...hashes, ...sampling }).map(([name, value]) => `${name} ${value}`);
  return h("footer", {}, visible(facts.join("  ·  ")));
}
