// Argument confusion: which arguments a model gets wrong, how, and what it writes in their place.

const ARGUMENTS_SHOWN = 12;
const PAIRS_SHOWN = 3;

function confusionSection(data, show) {
  const { rows } = data.confusion;
  if (!rows.length) return null;
  const models = Object.keys(data.summary.models);
  const chosen = models.includes(data.run.name) ? models.indexOf(data.run.name) : models.length - 1;
  const body = h("div", {});
  const draw = (index) => body.replaceChildren(confusionTable(data, models, Number(index), show));
  const choice = select("model", models.map((model, index) => [index, model]), draw);
  choice.querySelector("select").value = chosen;
  draw(chosen);
  return h("section", {}, h("h2", {}, "Arguments"), models.length > 1 && h("div", { class: "controls" }, choice), body,
    h("p", { class: "note" }, confusionNote(data)));
}

function confusionNote({ confusion, run, turns }) {
  const parts = ["Per cent of the calls that were paired with a gold call of the same name and where either writes the argument, with 95 % intervals clustered by session. A count leads to its turns."];
  if (confusion.right) parts.push(`${counted(confusion.right, "argument")} more ${confusion.right === 1 ? "is" : "are"} right in every call.`);
  if (confusion.left_out) parts.push(`${counted(confusion.left_out, "argument")} with fewer mistakes left out.`);
  if (turns.length < run.turns) parts.push(`Of the first ${counted(turns.length, "turn")}.`);
  return parts.join(" ");
}

function confusionTable(data, models, index, show) {
  const rows = data.confusion.rows.map((row) => ({ ...row, rate: row.rates[index], found: mistakesOf(row, index) })).filter(({ found }) => found.length);
  if (!rows.length) return h("p", { class: "hint" }, visible(`${models[index]} got every argument right.`));
  rows.sort((one, other) => total(other.found) - total(one.found));
  const draw = (some) => some.map((row) => argumentRow(data, row, models[index], index, show));
  const body = h("tbody", {}, draw(rows.slice(0, ARGUMENTS_SHOWN)));
  const head = [["argument"], ["wrong", "plot"], ["n", "number dim"], ["how"], ["expected → got"]].map(([name, kind]) => h("th", { class: kind }, name));
  const table = scrolling(h("table", { class: "confusion" }, h("thead", {}, h("tr", {}, head)), body));
  const more = moreButton(rows.slice(ARGUMENTS_SHOWN), (rest) => body.append(...draw(rest)), "more arguments");
  return more ? h("div", {}, table, h("p", {}, more)) : table;
}

// What one model got wrong, the most frequent first.
function mistakesOf(row, index) {
  return row.mistakes.map((mistake) => ({ ...mistake, turns: mistake.turns[index] })).filter(({ turns }) => turns.length)
    .sort((one, other) => other.turns.length - one.turns.length);
}

function total(mistakes) {
  return mistakes.reduce((sum, { turns }) => sum + turns.length, 0);
}

function argumentRow(data, row, model, index, show) {
  const { tool, argument, rate, found } = row;
  const place = `${model}: ${tool}.${argument}`;
  const kinds = data.confusion.kinds.map((kind) => [kind, found.filter((mistake) => mistake.kind === kind)]).filter(([, some]) => some.length);
  const kindButton = ([kind, some]) => showButton([words(kind), " ", h("b", {}, total(some).toLocaleString("en"))], { turns: some.flatMap(({ turns }) => turns) }, `${place}, ${words(kind)}`, show);
  const pairs = h("div", { class: "pairs" });
  const draw = (some) => pairs.append(...some.map((mistake) => pairButton(mistake, argument, place, show)));
  draw(found.slice(0, PAIRS_SHOWN));
  const more = moreButton(found.slice(PAIRS_SHOWN), draw);
  if (more) pairs.append(more);
  return h("tr", {}, h("th", { scope: "row" }, h("code", { class: "name" }, visible(argument)), h("code", { class: "tool" }, visible(tool))),
    h("td", { class: "plot", title: intervalText(rate) }, h("div", { class: "plot-row" }, h("b", {}, percent(rate.value)), intervalPlot(rate, modelColor(index)))),
    h("td", { class: "number dim" }, rate.n.toLocaleString("en")),
    h("td", {}, h("div", { class: "kinds" }, kinds.map(kindButton))), h("td", {}, pairs));
}

function pairButton({ path, expected, got, turns }, argument, place, show) {
  const content = [path !== argument && h("small", {}, visible(`${path}:`)), h("code", {}, visible(expected)), h("span", {}, "→"), h("code", {}, visible(got)), h("b", {}, `× ${turns.length.toLocaleString("en")}`)];
  return showButton(content, { turns }, `${place}: ${expected} → ${got}`, show, "pair");
}
