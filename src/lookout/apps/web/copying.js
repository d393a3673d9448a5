// Buttons that copy what is beside them.

import { byId, tell } from "./dom.js";

const SHOWN_MS = 2000;

export function setUpCopying() {
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", () => copy(button, byId(button.dataset.copies)));
  }
}

async function copy(button, source) {
  const label = button.firstChild;
  label.data = (await copied(source)) ? "Copied" : "Press Ctrl-C";
  tell(label.data);
  setTimeout(() => (label.data = "Copy"), SHOWN_MS);
}

async function copied(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    // Without HTTPS there is no clipboard for pages: select the text, and let the old command or the person copy it.
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}
