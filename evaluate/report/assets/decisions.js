// Calls and abstentions: what gold expects against what each model did, and both error rates.

const DECISIONS = ["called", "malformed", "abstained", "no answer"];

function decision(answer) {
  if (answer.outcome === "infra_error") return "no answer";
  if (!answer.calls) return "abstained";
  return answer.calls.some((call) => !("reason" in call)) ? "called" : "malformed";
}

function decisionSection(data, show) {
  const models = Object.entries(data.summary.models);
  const tags = [...new Set(models.flatMap(([, found]) => Object.keys(found.slices).filter((key) => key.startsWith("tag="))))];
  const cards = h("div", { class: "cards decisions" });
  const draw = (tag) => cards.replaceChildren(...models.map(([model, found], index) => decisionCard(data, { model, found, index, tag }, show)));
  draw("");
  const choice = select("turns", [["", "all"], ...tags.map((tag) => [tag, `tagged ${tag.slice(4)}`])], draw);
  const keys = tags.map((tag) => [tag, tag.slice(4)]);
  const byTag = (metric, title) => [h("h3", { class: "over" }, title), sliceTable(models, keys, { group: "tag", metric })];
  return h("section", {}, h("h2", {}, "Calls and abstentions"), tags.length > 0 && h("div", { class: "controls" }, choice), cards,
    h("p", { class: "note" }, decisionNote(data)),
    tags.length > 0 && [...byTag("hallucination_rate", "False-call rate by tag"), ...byTag("false_abstention", "Missed-call rate by tag")]);
}

function decisionNote({ run, turns }) {
  const shown = turns.length < run.turns ? `The table is of the first ${counted(turns.length, "turn")}, the rates are of all.` : "";
  return `Turns, with per cent of their row. Malformed: every attempt failed to parse. The rates count malformed attempts as calls and leave out turns without an answer. ${shown}`;
}

function decisionCard(data, { model, found, index, tag }, show) {
  const cells = decisionCells(data, index, tag.slice(4));
  const used = DECISIONS.filter((name) => name !== "no answer" || Object.values(cells).some((cell) => cell[name].length));
  const row = (expected, words, right) => {
    const total = DECISIONS.reduce((sum, name) => sum + cells[expected][name].length, 0);
    return h("tr", {}, h("th", { scope: "row" }, words), used.map((name) => {
      const turns = cells[expected][name];
      const cell = h("td", { class: `number ${right.includes(name) ? "fits" : "fails"}` }, countButton(turns, `${model}: ${words}, ${name}${tag && `, tagged ${tag.slice(4)}`}`, show), h("small", {}, total ? percent(turns.length / total, 0) : "–"));
      cell.style.setProperty("--share", `${total ? Math.round((60 * turns.length) / total) : 0}%`);
      return cell;
    }));
  };
  const metrics = tag ? found.slices[tag] : found.metrics;
  return h("article", { class: "card" }, h("h3", {}, modelTag(model, index)),
    h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}), used.map((name) => h("th", { class: "number" }, name)))),
      h("tbody", {}, row("call", "call expected", ["called"]), row("none", "none expected", ["abstained"]),
        Object.values(cells.either).some((turns) => turns.length) ? row("either", "both are right", ["called", "abstained"]) : null))),
    rateLine("false-call rate", metrics?.hallucination_rate, index), rateLine("missed-call rate", metrics?.false_abstention, index));
}

// Turn numbers by what is expected and what was done.
function decisionCells(data, index, tag) {
  const empty = () => Object.fromEntries(DECISIONS.map((name) => [name, []]));
  const cells = { call: empty(), none: empty(), either: empty() };
  data.turns.forEach((turn, number) => {
    const answer = data.answers[number][index];
    if (!answer || (tag && !turn.tags.includes(tag))) return;
    cells[expectation(turn)][decision(answer)].push(number);
  });
  return cells;
}

// Whether every right answer calls, none does, or both are right; as Turn.expects_call and Turn.allows_call.
function expectation(turn) {
  if (turn.any_call || rightAnswers(turn).every((calls) => calls.some((call) => !call.optional_call))) return "call";
  return rightAnswers(turn).some((calls) => calls.length) ? "either" : "none";
}

function rateLine(name, estimate, index) {
  if (!estimate || estimate.value === null) return null;
  return h("div", { class: "rate" }, h("span", {}, name), h("b", {}, percent(estimate.value)), intervalPlot(estimate, modelColor(index)),
    h("small", {}, `${percent(estimate.low)} – ${percent(estimate.high)}, n ${estimate.n.toLocaleString("en")}`));
}
