// The pictures of this visit, where there are several.

import { byId, element } from "./dom.js";

/** Show a button a picture; `onSelected(picture)` tells of the one that was pressed. */
export function showStrip(pictures, selected, wordsFor, onSelected) {
  byId("strip").hidden = pictures.length < 2;
  const list = byId("strip").querySelector("ul");
  for (const picture of pictures) {
    picture.entry ??= entry(picture, onSelected);
    const button = picture.entry.firstChild;
    button.ariaCurrent = String(picture === selected);
    button.querySelector(".state").textContent = wordsFor(picture);
    button.classList.toggle("failed", Boolean(picture.runs.get("local")?.problem));
    if (!picture.entry.isConnected) list.append(picture.entry);
  }
}

function entry(picture, onSelected) {
  const image = element("img", { alt: "", loading: "lazy", decoding: "async", src: picture.url });
  image.addEventListener("error", () => (image.hidden = true));
  const texts = [
    element("span", { className: "name" }, picture.file.name),
    element("span", { className: "state" }),
  ];
  const button = element("button", { type: "button" }, element("span", { className: "thumb" }, image), ...texts);
  button.addEventListener("click", () => onSelected(picture));
  return element("li", {}, button);
}
