// What a reader should know before trusting the figures: warnings of the run, and answers that are not whole.

function warningList(data, show) {
  const found = [...[...data.run.warnings, ...data.summary.warnings].map((text) => ({ text })), ...modelWarnings(data), ...blessedWarnings(data.blessed)];
  if (!data.run.finished && !data.run.until) found.push({ text: "The run is unfinished." });
  if (!found.length) return null;
  const item = ({ text, filter, title }) => h("li", {}, visible(text), filter && [" ", showButton("show", filter, title, show)]);
  return h("section", { class: "warnings", "aria-label": "warnings" }, h("ul", { class: "panel" }, found.map(item)));
}

// A button that shows some turns in the explorer.
function showButton(content, filter, title, show, name = "quiet") {
  return h("button", { class: name, onclick: () => show(filter, title) }, content);
}

function modelWarnings(data) {
  const { run, summary } = data;
  return Object.entries(summary.models).flatMap(([model, found], index) => {
    const told = [];
    if (found.turns < run.turns) told.push({ text: `${model}: ${counted(run.turns - found.turns, "turn")} of ${run.turns} were not asked; they are left out.` });
    const lost = found.outcomes.infra_error;
    if (lost) told.push({ text: `${model}: ${counted(lost, "answer")} never came after retries; they count as wrong.`, filter: { model, outcome: "infra_error" } });
    const retried = turnsWhere(data, index, (answer) => answer.requests > 1);
    if (found.retried) told.push({ text: `${model}: ${counted(found.retried, "answer")} took more than one request.`, filter: { model, turns: retried }, title: `${model}: more than one request` });
    const cut = turnsWhere(data, index, (answer) => answer.finish === "length");
    if (cut.length) told.push({ text: `${model}: ${counted(cut.length, "answer")} stopped at the token limit.`, filter: { model, turns: cut }, title: `${model}: stopped at the token limit` });
    const differ = summary.disagreement[model];
    if (differ?.value) told.push({ text: `${model}: the server's parser made other calls than ours of ${percent(differ.value)} % of ${counted(differ.n, "answer")}.` });
    return told;
  });
}

function blessedWarnings(blessed) {
  if (!blessed?.problem) return [];
  const name = blessed.name ? `blessed baseline ${blessed.name}` : `baseline ${blessed.run_id}`;
  return [{ text: `The ${name} is not compared: ${blessed.problem}.` }];
}

// The numbers of the turns whose answer of one model fits.
function turnsWhere(data, index, fits) {
  const found = [];
  data.answers.forEach((answers, number) => answers[index] && fits(answers[index], number) && found.push(number));
  return found;
}
