// Every turn: filters, a list that draws only the rows in sight, and one turn in full.

const ROW = 54;
const MARGIN_ROWS = 8;
const NO_FILTER = { model: "", outcome: "", tool: "", tag: "", text: "", differ: false, turns: null, title: "" };

class Explorer {
  constructor(data) {
    this.data = data;
    this.models = Object.keys(data.summary.models);
    this.filter = { ...NO_FILTER };
    this.shown = [];
    this.current = null;
    this.inner = h("div", { class: "rows" });
    this.list = h("div", { class: "list panel", tabindex: "0", role: "listbox", "aria-label": "turns", onscroll: () => this.draw(), onkeydown: (event) => this.key(event) }, this.inner);
    this.detail = h("div", { class: "detail panel" });
    this.count = h("span", { class: "hint", role: "status" });
    this.element = this.build();
    this.apply();
  }

  build() {
    const { data } = this;
    const left = data.run.turns - data.turns.length;
    const title = h("h2", { id: "turns" }, "Turns ", this.count);
    const note = left > 0 ? h("p", { class: "note" }, `The first ${data.turns.length.toLocaleString("en")} turns of the run; ${left.toLocaleString("en")} more are in turns.jsonl.`) : null;
    return h("section", {}, title, note, this.controls(), h("div", { class: "explorer" }, this.list, this.detail));
  }

  controls() {
    const { data } = this;
    const set = (field) => (value) => { this.filter[field] = value; this.apply(); };
    const labels = data.labels.filter((label) => Object.values(data.summary.models).some((found) => found.outcomes[label]));
    const outcomes = [["", "any"], ["not ok", "not ok"], ...labels.map((label) => [label, words(label)])];
    const names = (values) => [["", "any"], ...[...new Set(values)].sort().map((value) => [value, value])];
    const tools = names(data.turns.flatMap((turn) => rightAnswers(turn).flat().map((call) => call.name)));
    this.pickers = {
      model: select("model", [["", "any"], ...this.models.map((model) => [model, model])], set("model")),
      outcome: select("outcome", outcomes, set("outcome")),
      tool: select("expected tool", [tools[0], ["no call", "no call"], ...tools.slice(1)], set("tool")),
      tag: select("tag", names(data.turns.flatMap((turn) => turn.tags)), set("tag")),
      text: h("label", { class: "field grow" }, h("span", {}, "text"), this.search(set("text"))),
    };
    this.differ = h("input", { type: "checkbox", onchange: (event) => set("differ")(event.target.checked) });
    this.chosen = h("div", { class: "chosen" });
    return h("div", { class: "controls" }, Object.values(this.pickers),
      this.models.length > 1 ? h("label", { class: "check" }, this.differ, "models differ") : null, this.chosen);
  }

  search(set) {
    let timer = null;
    return h("input", { type: "search", placeholder: "in conversations and answers", oninput: (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => set(event.target.value.toLowerCase()), 120);
    } });
  }

  // Show the turns that fit a filter and no others; `turns` are numbers, `title` says which they are.
  show(filter, title = "") {
    this.filter = { ...NO_FILTER, ...filter, turns: filter.turns ? new Set(filter.turns) : null, title };
    for (const [name, picker] of Object.entries(this.pickers)) picker.querySelector("select, input").value = this.filter[name];
    this.differ.checked = this.filter.differ;
    this.apply();
    this.element.scrollIntoView();
  }

  // What the turns were chosen by elsewhere in the report, with a button that undoes it.
  chip() {
    const { turns, title } = this.filter;
    const undo = () => { Object.assign(this.filter, { turns: null, title: "" }); this.apply(); };
    this.chosen.replaceChildren(...(turns ? [h("span", {}, visible(title)), h("button", { class: "quiet", onclick: undo }, "show all turns")] : []));
  }

  apply() {
    const { data } = this;
    this.shown = data.turns.map((_, number) => number).filter((number) => this.accepts(number));
    this.chip();
    this.count.textContent = `${this.shown.length.toLocaleString("en")} of ${data.turns.length.toLocaleString("en")}`;
    this.inner.style.height = `${this.shown.length * ROW}px`;
    this.list.scrollTop = 0;
    this.draw();
    if (!this.shown.includes(this.current)) this.open(this.shown[0] ?? null);
  }

  accepts(number) {
    const { filter, data } = this;
    const turn = data.turns[number];
    if (filter.turns && !filter.turns.has(number)) return false;
    if (filter.tag && !turn.tags.includes(filter.tag)) return false;
    if (filter.tool === "no call" ? expectation(turn) === "call" : filter.tool && !rightAnswers(turn).flat().some((call) => call.name === filter.tool)) return false;
    const answers = data.answers[number];
    if (filter.outcome || filter.model) {
      const looked = filter.model ? [answers[this.models.indexOf(filter.model)]] : answers;
      if (!looked.some((answer) => answer && this.outcomeFits(answer.outcome))) return false;
    }
    if (filter.differ && new Set(answers.map((answer) => answer?.outcome === "ok")).size < 2) return false;
    return !filter.text || this.haystack(number).includes(filter.text);
  }

  outcomeFits(outcome) {
    const wanted = this.filter.outcome;
    return !wanted || (wanted === "not ok" ? outcome !== "ok" : outcome === wanted);
  }

  haystack(number) {
    this.haystacks ??= [];
    return this.haystacks[number] ??= this.words(number).join("\n").toLowerCase();
  }

  words(number) {
    const { data } = this;
    const turn = data.turns[number];
    const asked = turnMessages(data, turn).filter((message) => message.role !== "system").map((message) => messageText(data, message));
    const answered = data.answers[number].filter(Boolean).flatMap((answer) => [data.texts[answer.text], ...(answer.reasons ?? [])]);
    return [turn.id, ...asked, JSON.stringify(rightAnswers(turn)), ...answered];
  }

  draw() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - MARGIN_ROWS);
    const last = Math.min(this.shown.length, first + Math.ceil((this.list.clientHeight || 600) / ROW) + 2 * MARGIN_ROWS);
    const rows = [];
    for (let place = first; place < last; place += 1) rows.push(this.row(place));
    this.inner.replaceChildren(...rows);
  }

  row(place) {
    const { data } = this;
    const number = this.shown[place];
    const turn = data.turns[number];
    const asked = turnMessages(data, turn).filter((message) => message.role === "user").at(-1);
    const expected = rightAnswers(turn).map((calls) => calls.map((call) => call.name).join(", ") || (turn.any_call ? "any call" : "no call")).join(" or ");
    const dots = data.answers[number].map((answer, index) => h("span", { class: `dot ${answer?.outcome ?? "none"}`, title: `${this.models[index]}: ${words(answer?.outcome ?? "not asked")}` }));
    const row = h("div", { class: "row", role: "option", "aria-selected": String(number === this.current), onclick: () => this.open(number, true) },
      h("div", { class: "row-head" }, h("span", { class: "row-text" }, visible(asked ? messageText(data, asked).slice(0, 160) : turn.id)), h("span", { class: "dots" }, dots)),
      h("div", { class: "row-foot" }, h("span", { class: "row-id" }, visible(turn.id)), h("span", { class: "row-gold" }, visible(expected))));
    row.style.top = `${place * ROW}px`;
    return row;
  }

  open(number, wanted = false) {
    this.current = number;
    this.draw();
    if (number === null) return this.detail.replaceChildren(h("p", { class: "hint" }, "No turn fits these filters."));
    const content = turnView(this.data, number, (by) => this.step(by)).filter(Boolean);
    this.detail.replaceChildren(...content);
    this.detail.scrollTop = 0;
    if (!wanted) return undefined;
    history.replaceState(null, "", `#turn=${encodeURIComponent(this.data.turns[number].id)}`);
    if (this.detail.getBoundingClientRect().top > innerHeight * 0.6) this.detail.scrollIntoView();
    return undefined;
  }

  step(by) {
    const place = this.shown.indexOf(this.current) + by;
    if (place < 0 || place >= this.shown.length) return;
    this.open(this.shown[place], true);
    const top = place * ROW;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    if (top + ROW > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + ROW - this.list.clientHeight;
  }

  key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.step(by);
  }

  // The turn that the address names, if it names one.
  follow(hash) {
    const id = hash.startsWith("#turn=") ? decodeURIComponent(hash.slice(6)) : null;
    const number = this.data.turns.findIndex((turn) => turn.id === id);
    if (number < 0) return;
    this.open(number);
    this.list.scrollTop = Math.max(0, this.shown.indexOf(number) * ROW - ROW);
    this.element.scrollIntoView();
  }
}
