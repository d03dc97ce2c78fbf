const data = JSON.parse(document.getElementById("data").textContent);
const sides = data.sides.map((_, number) => new Side(data, number));
const both = sides.length > 1;
let session = newSession();
let busy = false;

function newSession() {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return `chat-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

const input = h("textarea", { id: "input", rows: 3, "aria-label": "message" });
const send = h("button", { type: "submit", class: "send" }, "send");
const skip = h("button", { type: "button", id: "skip", class: "quiet", onclick: () => results(null) }, "skip");
const retry = h("button", { type: "button", id: "retry", class: "quiet", onclick: () => answer(sides.filter(unanswered)) }, "ask again");
const clear = h("button", { type: "button", id: "clear", class: "quiet", onclick: startAnew }, "clear");
const form = h("form", { class: "panel ask", onsubmit: submitted }, h("label", { class: "hint", for: "input", id: "wanted" }), input, h("div", { class: "buttons" }, send, skip, retry, clear));
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submitted(event);
});

function unanswered(side) {
  return side.messages.length > 0 && JSON.parse(side.messages.at(-1)).role !== "assistant" && !side.waiting;
}

function submitted(event) {
  event.preventDefault();
  const text = input.value;
  if (busy || !text.trim()) return;
  input.value = "";
  if (sides.some((side) => side.waiting)) {
    results(text);
    return;
  }
  sides.forEach((side) => side.say(text));
  answer(sides);
}

// One pasted result goes to both sides; a side whose calls all have theirs is asked when no side waits any more.
function results(text) {
  sides.filter((side) => side.waiting).forEach((side) => side.answerCall(text));
  if (sides.some((side) => side.waiting)) draw();
  else answer(sides.filter((side) => side.given));
}

async function answer(asked) {
  const own = session;
  busy = asked.length > 0;
  draw();
  await Promise.all(asked.map((side) => side.ask(own)));
  if (own !== session) return;
  busy = false;
  draw();
  input.focus();
}

function startAnew() {
  session = newSession();
  busy = false;
  sides.forEach((side) => side.clear());
  draw();
}

function draw() {
  const waiting = sides.filter((side) => side.waiting);
  const names = [...new Set(waiting.map((side) => side.waiting.name))];
  const wanted = waiting.length ? `result of ${names.join(" and of ")}` : both ? "message to both" : "message";
  document.getElementById("wanted").replaceChildren(...visible(wanted));
  document.getElementById("session").textContent = session;
  send.disabled = busy;
  skip.hidden = busy || !waiting.length;
  retry.hidden = busy || !sides.some(unanswered);
  send.textContent = !waiting.length ? "send" : both ? "give to both" : "give";
}

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
document.getElementById("page").replaceChildren(
  h("h1", {}, visible(data.name)),
  h("dl", { class: "facts" }, fact("endpoint", visible(data.endpoint)), fact("tools", String(data.tools)), fact("session", h("code", { id: "session" }))),
  h("div", { class: both ? "sides" : "sides single" }, sides.map((side) => side.element)),
  form,
  h("footer", {}, "Each side is sent its own conversation; calls are checked against the catalog of the configuration."),
);
draw();
