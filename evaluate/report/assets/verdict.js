// The first screen in words: is it better, by how much, how sure, and what broke.

const TOOLS_NAMED = 5;

function verdictSection(data, show) {
  const compared = comparisons(data).pop();
  const { blessed, run } = data;
  const itself = (model) => blessed && blessed.run_id === run.run_id && blessed.model === model;
  const own = (model) => (model === run.name ? 0 : 1);
  const models = (compared?.models ?? Object.keys(data.summary.models)).filter((model) => !itself(model)).sort((one, other) => own(one) - own(other));
  const told = models.map((model) => (compared ? comparedWords(data, compared, model, show) : aloneWords(data, model, show)));
  const beside = [...Object.entries(data.summary.restraint).map(([model, words]) => `${model}: restraint: ${words}.`), ...Object.entries(data.summary.verdicts ?? {}).map(([model, words]) => `${model}: ${words}.`)];
  return h("section", { class: "verdict", "aria-label": "in words" }, told, beside.map((words) => h("p", { class: "note" }, ...visible(words))));
}

function comparedWords(data, compared, model, show) {
  const index = Object.keys(data.summary.models).indexOf(model);
  const change = compared.differences[model], exact = data.summary.models[model].metrics.turn_exact;
  const { broken, mended } = sortTurns(data, compared, index);
  const better = change.value === null ? "cannot be compared with" : change.value > 0 ? "is better than" : change.value < 0 ? "is worse than" : "is as good as";
  const sure = change.low !== null && (change.low > 0 || change.high < 0);
  const size = change.value ? ` by ${percent(Math.abs(change.value))} points` : "";
  return h("p", { class: `panel ${sure ? (change.value > 0 ? "better" : "worse") : "unsure"}`, color: modelColor(index) },
    modelTag(model, index), ` ${better} `, ...visible(compared.name), h("b", {}, size), `: ${percent(exact.value)} % of ${counted(exact.n, "turn")} are exactly right. `,
    sureness(change, sure), " ", flipWords(broken, mended, `${model} against ${compared.name}`, show), " ", toolWords(data, model, index, show));
}

function sureness(change, sure) {
  if (change.low === null) return "Nothing is known of how sure that is.";
  const range = `the true difference lies between ${signed(change.low)} and ${signed(change.high)} points (95 %)`;
  return sure ? `That is more than chance: ${range}.` : `That may be chance: ${range}.`;
}

function flipWords(broken, mended, title, show) {
  const button = (turns, words) => (turns.length ? showButton(`${counted(turns.length, "turn")} ${words}`, { turns }, `${title}, ${words}`, show) : `0 turns ${words}`);
  return h("span", {}, button(broken, "broke"), ", ", button(mended, "mended"), ".");
}

function aloneWords(data, model, show) {
  const index = Object.keys(data.summary.models).indexOf(model), exact = data.summary.models[model].metrics.turn_exact;
  const range = exact.low === null ? "" : ` (${percent(exact.low)} to ${percent(exact.high)}, 95 %)`;
  return h("p", { class: "panel unsure", color: modelColor(index) }, modelTag(model, index), ` answers ${percent(exact.value)} % of ${counted(exact.n, "turn")} exactly right${range}. `,
    "There is nothing to compare it with: bless a run, or give --baseline. ", toolWords(data, model, index, show));
}

// The expected tools whose turns fail most, each a link to them; a turn that expects no call counts as `no call`.
function toolWords(data, model, index, show) {
  const failing = {};
  data.turns.forEach((turn, number) => {
    const answer = data.answers[number][index];
    if (!answer || answer.outcome === "ok") return;
    const names = new Set(rightAnswers(turn).flat().map((call) => call.name));
    for (const name of names.size ? names : ["no call"]) (failing[name] ??= []).push(number);
  });
  const worst = Object.entries(failing).sort((one, other) => other[1].length - one[1].length);
  if (!worst.length) return "No turn is wrong.";
  const links = worst.slice(0, TOOLS_NAMED).flatMap(([name, turns]) => [" ", showButton([name, " ", h("b", {}, String(turns.length))], { turns }, `${model}: wrong where ${name} is expected`, show)]);
  return h("span", {}, "Wrong where this is expected:", links, worst.length > TOOLS_NAMED && ` and ${worst.length - TOOLS_NAMED} more`);
}

// `turn_exact` at each evaluation of the training, where its manifest has some.
function trainingSection({ training }) {
  if (!training) return null;
  const last = training.points[training.points.length - 1][0];
  const at = ([step, value]) => [(100 * step) / last, 100 - 100 * value];
  const line = svg("polyline", { points: training.points.map((point) => at(point).join(",")).join(" "), "vector-effect": "non-scaling-stroke" });
  const chart = svg("svg", { class: "training", viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": training.points.map(([step, value]) => `step ${step}: ${percent(value)} %`).join(", ") }, line);
  const dots = training.points.map((point) => {
    const dot = h("i", { title: `step ${point[0]}: ${percent(point[1])} %` });
    [dot.style.left, dot.style.top] = at(point).map((place) => `${place}%`);
    return dot;
  });
  const [first, end] = [training.points[0], training.points[training.points.length - 1]];
  return h("section", {}, h("h2", {}, "Training"), h("div", { class: "panel course" }, h("div", { class: "plane" }, chart, dots)),
    h("p", { class: "note" }, `turn exact from 0 to 100 % over training steps: ${percent(first[1])} % at step ${first[0]}, ${percent(end[1])} % at step ${end[0]}; of `, ...visible(training.path), ", as it was when this report was written."));
}
