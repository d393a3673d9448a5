// A colour a label: the same in every picture, and far from its neighbours'.

const GOLDEN_ANGLE = 137.508;

let places = new Map();

/** Number the labels of the model that answers. */
export function numberLabels(labels) {
  places = new Map(labels.map((label, place) => [label, place]));
}

/** Bright enough for black text on it, whatever the hue. */
export function colourOf(label) {
  const place = places.get(label) ?? hash(label);
  return `oklch(${place % 2 ? 0.86 : 0.76} 0.15 ${((25 + place * GOLDEN_ANGLE) % 360).toFixed(1)})`;
}

const hash = (text) => [...text].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 65521, 7);
