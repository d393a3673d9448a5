// What went wrong, beside the name of what it went wrong with.

import { byId, element } from "./dom.js";

const shown = new Map();

/** Show a sentence for a name; one alert a key. `onRetry` puts a button beside it. */
export function alertOf(key, name, sentence, onRetry) {
  clearAlert(key);
  const actions = [];
  if (onRetry) actions.push(button("Try again", name, () => (clearAlert(key), onRetry())));
  actions.push(button("Dismiss", name, () => clearAlert(key)));
  const text = element("p", {}, element("strong", {}, name), " ", element("span", { className: "sentence" }, sentence));
  const made = element("div", { className: "alert" }, text, element("div", { className: "actions" }, ...actions));
  shown.set(key, made);
  byId("alerts").append(made);
}

/** Take an alert away; the keyboard stays where there is something to press. */
export function clearAlert(key) {
  const made = shown.get(key);
  shown.delete(key);
  if (made?.contains(document.activeElement)) byId("choose").focus();
  made?.remove();
}

function button(text, name, onClick) {
  const made = element("button", { type: "button" }, text, element("span", { className: "unseen" }, `: ${name}`));
  made.addEventListener("click", onClick);
  return made;
}
