// Turns that one side answers right and the other does not: each model against the baseline model, or a blessed run.

const FLIPS_SHOWN = 50;

// What can be compared with: a name, the outcome there by turn number, the models held against it, their differences.
function comparisons(data) {
  const { summary, blessed } = data;
  const models = Object.keys(summary.models);
  const base = models.indexOf(summary.baseline_model);
  const found = [];
  if (models.length > 1) {
    const others = models.filter((_, index) => index !== base);
    const differences = Object.fromEntries(others.map((model) => [model, summary.differences[model].turn_exact]));
    found.push({ name: summary.baseline_model, before: (number) => data.answers[number][base]?.outcome, models: others, differences });
  }
  if (blessed && !blessed.problem) {
    const name = `${blessed.model} of ${blessed.run_id}${blessed.name ? `, blessed as ${blessed.name}` : ""}`;
    found.push({ name, before: (number) => blessed.outcomes[data.turns[number].id], models, differences: blessed.differences });
  }
  return found;
}

function flipsSection(data, show, follow) {
  const found = comparisons(data);
  if (!found.length) return null;
  const title = h("h2", {}), body = h("div", {});
  const draw = (chosen) => {
    title.replaceChildren("Flips against ", ...visible(chosen.name));
    body.replaceChildren(...flipsOf(data, chosen, show, follow));
  };
  draw(found[0]);
  const choice = select("against", found.map(({ name }, index) => [index, name]), (index) => draw(found[index]));
  return h("section", {}, title, found.length > 1 && h("div", { class: "controls" }, choice), body);
}

function flipsOf(data, compared, show, follow) {
  const all = Object.keys(data.summary.models);
  const sorted = compared.models.map((model) => ({ model, index: all.indexOf(model), ...sortTurns(data, compared, all.indexOf(model)) }));
  const head = ["model", "right → wrong", "wrong → right", "right in both", "wrong in both"].map((name, place) => h("th", { class: place ? "number" : null }, name));
  const cell = (each, kind, words) => h("td", { class: "number" }, countButton(each[kind], `${each.model}: ${words} against ${compared.name}`, show));
  const rows = sorted.map((each) => h("tr", {}, h("th", { scope: "row" }, modelTag(each.model, each.index)),
    cell(each, "broken", "right → wrong"), cell(each, "mended", "wrong → right"), cell(each, "right", "right in both"), cell(each, "wrong", "wrong in both"),
    differenceCell(compared.differences[each.model], true)));
  const table = h("table", { class: "flips" }, h("thead", {}, h("tr", {}, head, h("th", { class: "number" }, "turn exact, difference"))), h("tbody", {}, rows));
  const lists = sorted.flatMap((each) => [flipList(data, compared, each, "broken", follow), flipList(data, compared, each, "mended", follow)]);
  return [stacked(table), h("div", { class: "flip-lists" }, lists.filter(Boolean)),
    h("p", { class: "note" }, "Turns. The difference is in percentage points, paired by turn, with a 95 % interval clustered by session; where that holds 0, the flips may be noise.")];
}

// The numbers of the turns by what became of them on both sides.
function sortTurns(data, compared, index) {
  const found = { broken: [], mended: [], right: [], wrong: [] };
  data.answers.forEach((answers, number) => {
    const before = compared.before(number), after = answers[index]?.outcome;
    if (!before || !after) return;
    if (before === "ok") found[after === "ok" ? "right" : "broken"].push(number);
    else found[after === "ok" ? "mended" : "wrong"].push(number);
  });
  return found;
}

function countButton(turns, title, show) {
  return turns.length ? showButton(turns.length.toLocaleString("en"), { turns }, title, show) : "0";
}

function flipList(data, compared, each, kind, follow) {
  const turns = each[kind];
  if (!turns.length) return null;
  const title = [modelTag(each.model, each.index), ` ${counted(turns.length, "turn")} ${kind === "broken" ? "right → wrong" : "wrong → right"}`];
  const rows = (numbers) => numbers.map((number) => flipRow(data, compared, each.index, number, follow));
  const build = () => {
    const list = h("ol", { class: "flip-list" }, rows(turns.slice(0, FLIPS_SHOWN)));
    return h("div", {}, list, moreButton(turns.slice(FLIPS_SHOWN), (rest) => list.append(...rows(rest))));
  };
  return h("div", { class: "panel" }, lazy(title, build));
}

function flipRow(data, compared, index, number, follow) {
  const { id } = data.turns[number], after = data.answers[number][index];
  const hash = `#turn=${encodeURIComponent(id)}`;
  const told = (outcome) => h("span", { class: "told" }, h("i", { class: `dot ${outcome}` }), words(outcome));
  return h("li", {}, h("a", { href: hash, onclick: () => follow(hash) }, visible(id)),
    h("span", { class: "change" }, told(compared.before(number)), " → ", told(after.outcome)),
    after.reasons && h("span", { class: "hint" }, visible(after.reasons[0].slice(0, 200))));
}
