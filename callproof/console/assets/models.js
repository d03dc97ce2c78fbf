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

function scrolling(table) {
  return h("div", { class: "panel scroll", tabindex: "0" }, table);
}
