// One turn in full: what the model was asked, what was expected, and what each model answered.

function messageText(data, message) {
  if (message.lines) return message.lines.map((line) => data.lines[line]).join("\n");
  if (typeof message.content === "string") return message.content;
  return message.content === null || message.content === undefined ? "" : JSON.stringify(message.content, null, 2);
}

function turnMessages(data, turn) {
  return turn.messages.map((number) => data.messages[number]);
}

function turnTools(data, turn) {
  return data.catalogs[turn.catalog].map((number) => data.tools[number].function);
}

function callBlock(name, value, note) {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? {}, null, 2);
  return h("div", { class: "call" }, h("code", { class: "call-name" }, visible(name)), note && h("span", { class: "hint" }, note), text !== "{}" && prose(text, "code"));
}

function goldCall(call) {
  const notes = [];
  if (call.optional_call) notes.push("may be made, and need not");
  if (call.any_of) notes.push(`also accepted: ${JSON.stringify(call.any_of)}`);
  if (call.optional) notes.push(`may be left out: ${call.optional.join(", ")}`);
  if (call.ignore) notes.push(`not compared: ${call.ignore.join(", ")}`);
  return callBlock(call.name, call.arguments, notes.length ? visible(notes.join("; ")) : null);
}

// Every right answer of a turn, the recorded one first, each a list of calls.
function rightAnswers(turn) {
  return [turn.gold, ...turn.alternatives];
}

function goldAnswer(turn, calls, number) {
  const none = turn.any_call ? "any call" : "no call";
  return [number ? h("p", { class: "hint" }, `or alternative ${number}`) : null, ...(calls.length ? calls.map(goldCall) : [h("p", { class: "hint" }, none)])];
}

function comparedWith(answer) {
  const right = answer.alternative ? `alternative ${answer.alternative}` : "the recorded answer";
  return answer.outcome === "ok" ? `as ${right}` : `compared with ${right}`;
}

function answeredCall(call) {
  return "reason" in call ? callBlock(`malformed: ${words(call.reason)}`, call.text) : callBlock(call.name, call.arguments);
}

function wireCall(call) {
  return callBlock(String(call.function?.name), call.function?.arguments ?? "");
}

function messageBlock(data, message) {
  const [inside, text] = message.role === "assistant" ? unthought(messageText(data, message)) : ["", messageText(data, message)];
  const thought = inside || message.reasoning_content || message.thinking;
  const calls = (message.tool_calls ?? []).map(wireCall);
  if (message.role === "system") {
    return h("div", { class: "message system" }, lazy("system prompt", () => prose(text)));
  }
  return h("div", { class: `message ${message.role}` }, h("span", { class: "role" }, visible(String(message.role))), thought ? lazy("thinking", () => prose(thought)) : null, text ? prose(text, message.role === "tool" ? "code" : "prose") : null, calls);
}

function catalogBlock(data, turn) {
  const tools = turnTools(data, turn);
  const tool = (each) => lazy([h("code", {}, visible(each.name)), " ", h("span", { class: "hint" }, visible(each.description ?? ""))],
    () => prose(JSON.stringify(each.parameters ?? {}, null, 2), "code"));
  return h("div", { class: "message system" }, lazy(`catalog of ${tools.length} tools`, () => h("div", { class: "tools" }, tools.map(tool))));
}

function pill(label) {
  return h("span", { class: `pill ${label}` }, words(label));
}

function duration(seconds) {
  return seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`;
}

// Thinking that a text begins with, and the rest.
function unthought(text) {
  const end = text.trimStart().startsWith("<think>") ? text.indexOf("</think>") : -1;
  return end < 0 ? ["", text] : [text.slice(text.indexOf("<think>") + 7, end).trim(), text.slice(end + 8).trimStart()];
}

function answerBlock(data, model, index, answer) {
  const head = h("div", { class: "answer-head" }, modelTag(model, index), answer ? pill(answer.outcome) : h("span", { class: "hint" }, "not asked"),
    answer?.seconds ? h("span", { class: "hint" }, duration(answer.seconds)) : null,
    answer?.requests ? h("span", { class: "hint" }, `${answer.requests} requests`) : null,
    answer?.finish && answer.finish !== "stop" ? h("span", { class: "hint" }, visible(`finish: ${answer.finish}`)) : null);
  if (!answer) return h("article", { class: "answer" }, head);
  const [thought, text] = unthought(data.texts[answer.text]);
  return h("article", { class: "answer" }, head,
    "alternative" in answer ? h("p", { class: "hint alternative" }, comparedWith(answer)) : null,
    answer.labels ? h("p", { class: "hint" }, `also: ${answer.labels.slice(1).map(words).join(", ")}`) : null,
    answer.reasons ? h("ul", { class: "reasons" }, answer.reasons.map((reason) => h("li", {}, visible(reason)))) : null,
    answer.calls ? answer.calls.map(answeredCall) : answer.error ? null : h("p", { class: "hint" }, "no call"),
    thought ? lazy("thinking", () => prose(thought)) : null,
    "thinking" in answer ? lazy("thinking", () => prose(data.texts[answer.thinking])) : null,
    answer.error ? null : lazy("raw answer", () => prose(text || "(empty)", "code"), !answer.calls),
    answer.served ? lazy("calls as the server parsed them", () => prose(JSON.stringify(answer.served, null, 2), "code")) : null);
}

// The system prompt, the catalog and all before the last user message are folded away.
function conversation(data, turn) {
  const messages = turnMessages(data, turn);
  const system = messages.filter((message) => message.role === "system");
  const rest = messages.filter((message) => message.role !== "system");
  const last = Math.max(0, rest.findLastIndex((message) => message.role === "user"));
  const blocks = (some) => some.map((message) => messageBlock(data, message));
  const earlier = () => h("div", { class: "conversation" }, blocks(rest.slice(0, last)));
  return h("div", { class: "conversation" }, catalogBlock(data, turn), blocks(system),
    last ? h("div", { class: "message system" }, lazy(`earlier: ${last} message${last > 1 ? "s" : ""}`, earlier)) : null,
    blocks(rest.slice(last)));
}

function turnView(data, number, go) {
  const turn = data.turns[number];
  const models = Object.keys(data.summary.models);
  const link = h("a", { href: `#turn=${encodeURIComponent(turn.id)}`, title: "link to this turn" }, visible(turn.id));
  const step = (by, text, title) => h("button", { class: "quiet", title, onclick: () => go(by) }, text);
  return [
    h("div", { class: "turn-head" }, h("h3", {}, link), h("span", {}, step(-1, "↑", "previous turn"), step(1, "↓", "next turn"))),
    turn.tags.length ? h("p", { class: "tags" }, turn.tags.map((tag) => h("span", { class: "tag" }, visible(tag)))) : null,
    conversation(data, turn),
    h("h4", {}, "Expected", turn.order === "strict" ? " in this order" : ""),
    h("div", { class: "gold" }, rightAnswers(turn).map((calls, index) => goldAnswer(turn, calls, index))),
    h("h4", {}, "Answers"),
    h("div", { class: "answers" }, models.map((model, index) => answerBlock(data, model, index, data.answers[number][index]))),
  ];
}
