// The table of what was found. A row's button shows its box alone; arrow keys go from row to row.

import { colourOf } from "./colours.js";
import { element } from "./dom.js";
import { confidence } from "./wording.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

/** A table of objects. `onChosen(object, kept)` tells of the one pointed at or, with `kept`, pressed; or of none. */
export function objectsTable(objects, onChosen) {
  if (!objects.length) return "";
  const body = element("tbody", {}, ...objects.map((object) => row(object, onChosen)));
  const buttons = [...body.querySelectorAll("button")];
  buttons[0].tabIndex = 0;
  body.addEventListener("keydown", (event) => walk(event, buttons));
  body.addEventListener("focusin", (event) => buttons.forEach((button) => (button.tabIndex = button === event.target ? 0 : -1)));
  body.addEventListener("pointerleave", () => onChosen(undefined, false));
  return element("table", {}, heading(), body);
}

function heading() {
  const names = ["Label", "Confidence", "Box (x, y, w, h)"];
  return element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name))));
}

function row(object, onChosen) {
  const swatch = element("span", { className: "swatch" });
  swatch.style.backgroundColor = colourOf(object.label);
  const button = element("button", { type: "button", tabIndex: -1, ariaPressed: "false" }, swatch, object.label);
  button.addEventListener("click", () => press(button, object, onChosen));
  const made = element(
    "tr",
    {},
    element("th", { scope: "row" }, button),
    element("td", {}, confidence(object.accuracy)),
    element("td", {}, object.box.map(Math.round).join(", ")),
  );
  made.addEventListener("pointerenter", () => onChosen(object, false));
  return made;
}

function press(button, object, onChosen) {
  const pressed = button.ariaPressed !== "true";
  for (const other of button.closest("tbody").querySelectorAll("button")) other.ariaPressed = "false";
  button.ariaPressed = String(pressed);
  onChosen(pressed ? object : undefined, true);
}

function walk(event, buttons) {
  const step = STEPS[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const place = buttons.indexOf(document.activeElement) + step;
  buttons[Math.max(0, Math.min(buttons.length - 1, place))].focus();
}
