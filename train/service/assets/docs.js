// The interface of the service: its operations, and the settings of the part `config`.

function code(text) {
  return h("code", {}, visible(text));
}

function table(heads, rows) {
  return scrolling(h("table", {},
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, head)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}

const about = JSON.parse(document.getElementById("data").textContent);
document.getElementById("page").append(
  h("h1", {}, "callproof train service"),
  h("p", {}, "Every operation, and what it answers; ", h("a", { href: "/openapi.json" }, "openapi.json"), " has their schemas."),
  table(["operation", "what it does", "answers"],
    about.operations.map((one) => [code(`${one.method} ${one.path}`), visible(one.summary), one.codes.join(", ")])),
  h("h2", {}, "POST /train: the part config"),
  h("p", {}, "These settings, or a whole configuration of callproof; beside it the sessions as the part file."),
  table(["setting", "default", "meaning"],
    about.settings.map((one) => [code(one.name), code(one.default), visible(one.meaning)])));
