// How models, counts and wide tables look on every page.

const MODEL_COLORS = ["--model-1", "--model-2", "--model-3", "--model-4", "--model-5", "--model-6"];

function modelColor(index) {
  return `var(${MODEL_COLORS[index % MODEL_COLORS.length]})`;
}

function modelTag(model, index) {
  return h("span", { class: "model", color: modelColor(index) }, visible(model));
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// A table whose rows become cards on a narrow screen, each cell under the name of its column.
function stacked(table) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) [...row.cells].forEach((cell, place) => cell.setAttribute("data-name", names[place]));
  return h("div", { class: "panel stack" }, table);
}

function scrolling(table) {
  return h("div", { class: "panel scroll", tabindex: "0" }, table);
}
