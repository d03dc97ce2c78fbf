const data = JSON.parse(document.getElementById("data").textContent);
const explorer = new Explorer(data);
const sections = [
  header(data),
  headlineCards(data),
  outcomeSection(data, (model, outcome) => explorer.pick(model, outcome)),
  metricsSection(data),
  sliceSection(data),
  explorer.element,
  identityFooter(data.run),
];
document.getElementById("page").replaceChildren(...sections.filter(Boolean));
explorer.draw();
addEventListener("hashchange", () => explorer.follow(location.hash));
addEventListener("resize", () => explorer.draw());
explorer.follow(location.hash);
