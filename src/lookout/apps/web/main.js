// The page: pictures go to the server one after another, and what it finds is shown.

import { alertOf, clearAlert } from "./alerts.js";
import { Problem, detect, detectionAddress, serverInfo } from "./api.js";
import { setUpCamera } from "./camera.js";
import { numberLabels } from "./colours.js";
import { setUpCopying } from "./copying.js";
import { byId, tell } from "./dom.js";
import { setUpIntake } from "./intake.js";
import { apiKey, keepApiKey } from "./key.js";
import { objectsCount, summary } from "./wording.js";
import { shownObjects, showPicture, showServer, view } from "./view.js";
import { showStrip } from "./strip.js";

// Asked for once, so that the slider can go down to it without asking again.
const LOWEST_CONFIDENCE = 0.05;

let pictures = [];
let announceReady;
const ready = new Promise((resolve) => (announceReady = resolve));
let line = Promise.resolve();

async function start() {
  try {
    const info = await serverInfo();
    view.info = info;
    view.threshold = info.confidence;
    view.asked = Math.min(LOWEST_CONFIDENCE, info.confidence);
    numberLabels(info.labels);
    showServer();
    byId("key-form").hidden = !info.authentication || apiKey() !== "";
    announceReady();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    alertOf("server", "Server", error.message, start);
  }
}

function add(files) {
  const added = files.map((file) => ({
    file,
    url: URL.createObjectURL(file),
    runs: new Map(),
    abort: new AbortController(),
  }));
  pictures.push(...added);
  byId("choose").classList.add("compact");
  select(added[0]);
  for (const picture of added) send(picture, "local");
}

function select(picture) {
  view.picture = picture;
  refresh();
}

function refresh() {
  showStrip(pictures, view.picture, stateOf, select);
  showPicture();
}

function stateOf(picture) {
  const run = picture.runs.get("local");
  if (run?.problem) return "failed";
  return run?.answer ? objectsCount(shownObjects(picture).length) : "detecting …";
}

/** Ask for a picture. One request at a time: what is measured is no picture that waits for another. */
async function send(picture, execution) {
  clearAlert(alertKey(picture, execution));
  picture.runs.set(execution, {});
  refresh();
  const turn = line.then(() => ready).then(() => run(picture, execution));
  line = turn.catch(() => {}); // told of by who waits for this turn; the next is not to suffer
  await turn;
}

async function run(picture, execution) {
  if (picture.abort.signal.aborted) return;
  try {
    const confidence = execution === "local" ? view.asked : undefined; // a stack has its own
    const address = detectionAddress({ confidence, execution: named(execution) });
    const done = await detect(picture.file, address, picture.abort.signal, view.info.max_body_bytes ?? Infinity);
    picture.runs.set(execution, done);
    tell(`${picture.file.name}, ${execution}: ${found(picture, execution)}`);
  } catch (error) {
    if (picture.abort.signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    fail(picture, execution, error);
  }
  refresh();
}

/** A server with one execution need not know of others. */
const named = (execution) => (view.info.executions.length > 1 ? execution : undefined);

function found(picture, execution) {
  const objects = shownObjects(picture, execution);
  return `${objectsCount(objects.length)}${objects.length ? `: ${summary(objects)}` : ""}`;
}

const alertKey = (picture, execution) => `${execution} ${picture.url}`;

function fail(picture, execution, problem) {
  picture.runs.set(execution, { problem });
  if (problem.status === 401) askForKey();
  const name = execution === "local" ? picture.file.name : `${picture.file.name} (${execution})`;
  const onRetry = problem.again ? () => send(picture, execution) : undefined;
  alertOf(alertKey(picture, execution), name, problem.message, onRetry);
}

function askForKey() {
  if (!byId("key-form").hidden) return;
  byId("key-form").hidden = false;
  byId("key").focus();
}

function useKey(event) {
  event.preventDefault();
  keepApiKey(byId("key").value.trim());
  byId("key").value = "";
  byId("key-form").hidden = true;
  byId("choose").focus();
  for (const picture of pictures) {
    for (const [execution, { problem }] of picture.runs) if (problem?.status === 401) send(picture, execution);
  }
}

function compare() {
  const { picture, info } = view;
  const wanted = info.executions.filter((name) => name !== "local" || !picture.runs.get("local")?.answer);
  for (const execution of wanted) send(picture, execution);
}

function removeAll() {
  for (const picture of pictures) {
    picture.abort.abort();
    for (const execution of picture.runs.keys()) clearAlert(alertKey(picture, execution));
    picture.entry?.remove();
    URL.revokeObjectURL(picture.url);
  }
  pictures = [];
  byId("choose").classList.remove("compact");
  select(undefined);
  byId("choose").focus();
}

function moveThreshold() {
  view.threshold = byId("confidence").valueAsNumber;
  refresh();
}

for (const kind of ["error", "unhandledrejection"]) {
  addEventListener(kind, () => alertOf("page", "Page", "It failed: reload it; its console tells more."));
}
setUpIntake(add);
setUpCamera((file) => add([file]));
setUpCopying();
byId("key-form").addEventListener("submit", useKey);
byId("confidence").addEventListener("input", moveThreshold);
byId("compare").addEventListener("click", compare);
byId("clear").addEventListener("click", removeAll);
start();
