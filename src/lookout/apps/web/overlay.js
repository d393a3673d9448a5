// Boxes and labels over a picture. Drawn in the screen's pixels, so that lines and letters are crisp at any size.

import { colourOf } from "./colours.js";
import { shape } from "./dom.js";
import { confidence } from "./wording.js";

const LONGEST = 40;
const HEIGHT = 18;
const MARGIN = 5;
const pen = document.createElement("canvas").getContext("2d");

/** Draw objects, given in the pixels of a picture of that size; all but the chosen one, if there is one, are faint. */
export function drawBoxes(svg, objects, size, chosen) {
  const { clientWidth: width, clientHeight: height } = svg;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  pen.font = `600 12px ${getComputedStyle(svg).fontFamily}`;
  const scale = width / size.width;
  const lastOnTop = [...objects].reverse();
  const faint = (object) => (chosen !== undefined && object !== chosen ? "faint" : "");
  svg.replaceChildren(
    ...lastOnTop.map((object) => drawnBox(object, scale, faint(object))),
    ...lastOnTop.map((object) => drawnLabel(object, scale, width, faint(object))),
  );
}

function drawnBox({ label, box }, scale, className) {
  const [x, y, width, height] = box.map((side) => side * scale);
  const group = shape("g", { class: className });
  const frame = { x, y, width: Math.max(width, 0), height: Math.max(height, 0), fill: "none" };
  group.append(
    shape("rect", { ...frame, class: "halo", stroke: "#000", "stroke-opacity": 0.55, "stroke-width": 4 }),
    shape("rect", { ...frame, class: "box", stroke: colourOf(label), "stroke-width": 2 }),
  );
  return group;
}

/** The label on its colour: over the box, or in it where that would be outside the picture. */
function drawnLabel({ label, accuracy, box }, scale, pictureWidth, className) {
  const text = `${shortened(label)} ${confidence(accuracy)}`;
  const width = pen.measureText(text).width + 2 * MARGIN;
  const left = Math.max(0, Math.min(box[0] * scale - 1, pictureWidth - width));
  const top = Math.max(0, box[1] * scale - HEIGHT);
  const group = shape("g", { class: className });
  group.append(
    shape("rect", { x: left, y: top, width, height: HEIGHT, rx: 2, fill: colourOf(label) }),
    shape("text", { x: left + MARGIN, y: top + 13, fill: "#111" }, text),
  );
  return group;
}

const shortened = (label) => (label.length > LONGEST ? `${label.slice(0, LONGEST)}…` : label);
