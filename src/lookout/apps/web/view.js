// What is seen of the picture that is looked at.

import { detectionAddress, mediaType } from "./api.js";
import { byId } from "./dom.js";
import { showExecutions } from "./executions.js";
import { objectsTable } from "./objects.js";
import { drawBoxes } from "./overlay.js";
import { showTimings } from "./timings.js";
import * as wording from "./wording.js";

/** `info`: the server's; `asked`: the confidence asked for; `threshold`: the one shown from. */
export const view = { info: undefined, asked: 0, threshold: 0, picture: undefined, chosen: undefined };

const image = byId("picture");
image.addEventListener("load", () => showFrame(true));
image.addEventListener("error", () => showFrame(false));
new ResizeObserver(() => draw()).observe(byId("frame"));

/** The objects of a picture that score over the threshold, most confident first. */
export function shownObjects(picture, execution = "local") {
  const objects = picture?.runs.get(execution)?.answer?.objects ?? [];
  return objects.filter(({ accuracy }) => accuracy > view.threshold);
}

export function showServer() {
  const { model, engine, labels } = view.info;
  document.title = `Lookout: ${model}`;
  byId("server").textContent = `${model} on ${engine}`;
  byId("labels").hidden = false;
  byId("labels").querySelector("summary").textContent = `finds ${labels.length} ${labels.length === 1 ? "label" : "labels"}`;
  byId("labels").querySelector("p").textContent = labels.join(", ");
  const slider = byId("confidence");
  slider.min = view.asked;
  slider.value = view.threshold;
}

export function showPicture() {
  const { picture } = view;
  byId("result").hidden = !picture;
  if (!picture) return;
  if (image.src !== picture.url) loadPicture(picture);
  showFindings(picture);
}

function loadPicture({ file, url }) {
  image.src = url;
  byId("picture-name").textContent = file.name;
  byId("picture-facts").textContent = wording.bytes(file.size);
}

function showFrame(visible) {
  byId("frame").hidden = !visible;
  if (!view.picture) return;
  showFindings(view.picture);
  if (!visible) return;
  const { naturalWidth: width, naturalHeight: height } = image;
  byId("frame").style.setProperty("--ratio", width / height);
  byId("frame").style.setProperty("--natural-width", `${width}px`);
  byId("picture-facts").textContent = `${width} × ${height} pixels, ${wording.bytes(view.picture.file.size)}`;
  draw();
}

function draw() {
  if (!image.complete || !image.naturalWidth || byId("frame").hidden) return;
  const size = { width: image.naturalWidth, height: image.naturalHeight };
  drawBoxes(byId("overlay"), shownObjects(view.picture), size, view.chosen);
}

function showFindings(picture) {
  const run = picture.runs.get("local") ?? {};
  const shown = shownObjects(picture);
  byId("confidence-value").textContent = wording.confidence(view.threshold);
  byId("result").ariaBusy = String(!run.answer && !run.problem);
  byId("count").textContent = countWords(run, shown);
  byId("no-picture").hidden = !(run.answer && byId("frame").hidden);
  showTable(shown);
  image.alt = `${picture.file.name}: ${wording.summary(shown) || "no objects shown"}`;
  byId("time").hidden = byId("raw").hidden = !run.answer;
  if (run.answer) showTimings(run);
  showTerminal(picture, run);
  showSideBySide(picture);
  draw();
}

function countWords(run, shown) {
  if (run.problem) return "No answer for this picture.";
  if (!run.answer) return "Detecting …";
  const all = run.answer.objects.length;
  const hidden = all - shown.length;
  return `${wording.objectsCount(shown.length)}${hidden ? `, ${hidden} less confident` : ""}`;
}

let tabled;
let pressed;

/** The table, made again only where it changes: who is in it with the keyboard stays there. */
function showTable(shown) {
  if (tabled?.length === shown.length && shown.every((object, place) => object === tabled[place])) return;
  tabled = shown;
  pressed = view.chosen = undefined;
  byId("objects").replaceChildren(objectsTable(shown, choose));
}

/** Show one object's box alone while it is pointed at, or until it is pressed again. */
function choose(object, kept) {
  if (kept) pressed = object;
  view.chosen = object ?? pressed;
  draw();
}

function showTerminal({ file }, { answer }) {
  if (!view.info) return;
  const address = detectionAddress({ confidence: wording.confidence(view.threshold) });
  byId("curl").textContent = wording.curl(address.href, file, mediaType(file), view.info.authentication);
  if (!answer) return;
  byId("raw-note").textContent = `Asked with confidence ${view.asked}, so that the slider needs no new request.`;
  byId("json").textContent = wording.json(answer);
}

function showSideBySide({ runs }) {
  const { executions = [] } = view.info ?? {};
  byId("executions").hidden = executions.length < 2;
  if (executions.length < 2) return;
  const waiting = [...runs.values()].some((run) => !run.answer && !run.problem);
  byId("compare").disabled = waiting;
  showExecutions(view.info, runs);
}
