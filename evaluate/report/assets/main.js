const data = JSON.parse(document.getElementById("data").textContent);
const explorer = new Explorer(data);
const show = (filter, title) => explorer.show(filter, title);
const sections = [
  header(data),
  warningList(data, show),
  verdictSection(data, show),
  headlineCards(data),
  outcomeSection(data, (model, outcome) => show({ model, outcome })),
  flipsSection(data, show, (hash) => explorer.follow(hash)),
  decisionSection(data, show),
  confusionSection(data, show),
  metricsSection(data),
  sliceSection(data),
  trainingSection(data),
  explorer.element,
  identityFooter(data.run),
];
document.getElementById("page").replaceChildren(...sections.filter(Boolean));
explorer.draw();
addEventListener("hashchange", () => explorer.follow(location.hash));
addEventListener("resize", () => explorer.draw());
explorer.follow(location.hash);
