// Building blocks. Every text goes through text nodes; nothing is ever parsed as markup.

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const SHOWN_AT_ONCE = 6000;
const SVG = "http://www.w3.org/2000/svg";

function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "color") element.style.setProperty("--color", value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// A control, bidi or invisible character by its number.
function spelled(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// Text in which such characters are spelled out.
function visible(text) {
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > last) parts.push(text.slice(last, found.index));
    parts.push(h("span", { class: "control", title: "a character that is not shown" }, spelled(found[0])));
    last = found.index + found[0].length;
  }
  if (last < text.length) parts.push(text.slice(last));
  return parts;
}

// Preformatted text, of which only the beginning is drawn until asked for.
function prose(text, name = "prose") {
  const box = h("div", { class: name, dir: "auto" }, visible(text.slice(0, SHOWN_AT_ONCE)));
  if (text.length <= SHOWN_AT_ONCE) return box;
  const label = `show all ${text.length.toLocaleString("en")} characters`;
  const more = h("button", { class: "quiet", onclick: () => box.replaceChildren(...visible(text)) }, label);
  box.append("… ", more);
  return box;
}

// A disclosure whose inside is made when it is first opened.
function lazy(summary, make, open = false) {
  const box = h("details", { open }, h("summary", {}, summary));
  const build = () => box.childElementCount === 1 && box.append(make());
  box.addEventListener("toggle", build);
  if (open) build();
  return box;
}

// A button that has the rest drawn and goes; null where there is no rest.
function moreButton(rest, draw, noun = "more") {
  if (!rest.length) return null;
  const button = h("button", { class: "quiet", onclick: () => { button.remove(); draw(rest); } }, `${rest.length} ${noun}`);
  return button;
}

function select(label, options, onchange) {
  const choices = options.map(([value, text]) => h("option", { value }, text.replace(HIDDEN, spelled)));
  return h("label", { class: "field" }, h("span", {}, label), h("select", { onchange: (event) => onchange(event.target.value) }, choices));
}

function percent(value, digits = 1) {
  return value === null || value === undefined ? "–" : (100 * value).toFixed(digits);
}

function signed(value) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(100 * value).toFixed(1);
  if (text === "0.0") return text;
  return `${value > 0 ? "+" : "−"}${text}`;
}

function words(name) {
  return name.replaceAll("_", " ");
}
