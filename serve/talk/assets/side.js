// One of the conversations: its model, its messages as the server wrote them, and which calls wait for a result.

class Side {
  constructor(data, number) {
    this.number = number;
    this.model = data.sides[number];
    this.log = h("div", { class: "log", "aria-live": "polite" });
    const picker = select(data.sides.length === 1 ? "model" : number ? "right" : "left", data.served.map((name) => [name, name]), (name) => { this.model = name; });
    picker.querySelector("select").value = this.model;
    this.element = h("section", { class: "panel side" }, picker, this.log);
    this.clear();
  }

  clear() {
    this.stopping?.abort();
    this.messages = [];
    this.calls = [];
    this.next = 0;
    this.given = false;
    this.log.replaceChildren();
  }

  get waiting() {
    return this.calls[this.next] ?? null;
  }

  say(text) {
    this.calls = [];
    this.keep({ role: "user", content: text });
    this.log.append(spokenBox("user", text, "you"));
  }

  // The result of the call that waits; null leaves it without one.
  answerCall(text) {
    const name = this.waiting.name;
    if (text !== null) {
      this.keep({ role: "tool", name, content: text, answers: this.next });
      this.log.append(spokenBox("tool", text, `result of ${name}`));
      this.given = true;
    }
    this.next += 1;
  }

  keep(message) {
    this.messages.push(JSON.stringify(message));
  }

  // Has the model answer; resolves when it has.
  async ask(session) {
    const stopping = new AbortController();
    const box = h("div", { class: "message assistant" }), model = this.model;
    this.stopping = stopping;
    this.given = false;
    this.log.append(box);
    const show = (state) => box.replaceChildren(...answerBox(state, model).flat().filter(Boolean));
    const asked = { session_id: session, model, messages: this.messages };
    try {
      this.take(await ask(asked, show, stopping.signal), box, show);
    } catch (error) {
      if (!stopping.signal.aborted) this.take({ message: null, problem: `the page's server does not answer (${error.message})` }, box, show);
    }
  }

  take(last, box, show) {
    const nothing = { thinking: "", text: "", calls: [], forming: null };
    if (!last.reading) show({ ...last, reading: nothing });
    if (last.message === null) {
      box.classList.add("failed");
      return;
    }
    this.messages.push(last.message);
    this.calls = JSON.parse(last.message).tool_calls;
    this.next = 0;
    if (box.childElementCount === 1) box.append(h("p", { class: "hint" }, "(nothing)"));
  }
}
