// Asking the page's own server, and what an answer looks like. Texts of models go through `visible` and `prose` only.

// Asks for the next message; `show` gets each state of the answer. Returns the last line, which has `message` and `problem`.
async function ask(asked, show, signal) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/answer", { method: "POST", headers, body: JSON.stringify(asked), signal });
  if (!response.ok) return { message: null, problem: (await response.json()).problem };
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", last = null;
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const lines = (rest + piece.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      last = JSON.parse(line);
      show(last);
    }
  }
  return last && "message" in last ? last : { message: null, problem: "the page's server broke off" };
}

function callBox(call) {
  const name = call.name === null ? "(malformed)" : call.name;
  const problems = call.problems.length ? h("ul", { class: "problems" }, call.problems.map((text) => h("li", {}, visible(text)))) : null;
  return h("div", { class: `call ${{ valid: "good", unchecked: "unchecked" }[call.verdict] ?? "bad"}` },
    h("code", { class: "call-name" }, visible(name)), h("span", { class: "verdict" }, call.verdict), problems, prose(call.text, "code"));
}

function formingBox(call) {
  return h("div", { class: "call forming" }, h("code", { class: "call-name" }, visible(call.name ?? "…")), h("span", { class: "verdict" }, "forming"), prose(call.arguments, "code"));
}

function answerBox(state, model) {
  const { thinking, text, calls, forming } = state.reading;
  return [h("span", { class: "role" }, visible(model)),
    thinking ? prose(thinking, "prose thinking") : null,
    text ? prose(text) : null,
    calls.map(callBox),
    forming ? formingBox(forming) : null,
    state.problem ? h("p", { class: "problem" }, visible(state.problem)) : null];
}

function spokenBox(role, text, note) {
  return h("div", { class: `message ${role}` }, h("span", { class: "role" }, visible(note)), prose(text, role === "tool" ? "code" : "prose"));
}
