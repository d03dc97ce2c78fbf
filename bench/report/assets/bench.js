const data = JSON.parse(document.getElementById("data").textContent);
const sections = [
  benchHeader(data),
  benchWarnings(data),
  searchSection(data.run.find_rate),
  ...curvesSection(data),
  levelsSection(data),
  ...requestsSection(data),
  errorsSection(data),
  benchFooter(data.run),
];
document.getElementById("page").replaceChildren(...sections.filter(Boolean));
