// Pictures that are chosen, dropped or pasted.

import { byId } from "./dom.js";

/** `onFiles(files)` gets every file that comes in, whatever it is: what is a picture, the server knows. */
export function setUpIntake(onFiles) {
  const input = byId("files");
  byId("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = ""; // so that the same file may be chosen again
  });
  document.addEventListener("paste", (event) => take(event, event.clipboardData, onFiles));
  document.addEventListener("drop", (event) => {
    mark(false);
    take(event, event.dataTransfer, onFiles);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser would leave the page for the file
    mark(true);
  });
  document.addEventListener("dragleave", (event) => mark(event.relatedTarget !== null));
}

function take(event, transfer, onFiles) {
  const files = [...(transfer?.files ?? [])];
  if (!files.length) return; // text, say, pasted into a field
  event.preventDefault();
  onFiles(files);
}

const mark = (dragged) => byId("choose").classList.toggle("dragged", dragged);
