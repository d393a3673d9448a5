// Where the time went: the server's stages, and the rest of the round trip.

import { byId, element } from "./dom.js";
import { milliseconds } from "./wording.js";

const STAGES = ["queue", "decode", "preprocess", "inference", "postprocess"];

/** [stage, milliseconds] of a run, in their order; the last is what the server has not counted. */
export function stagesOf({ answer, roundTripMs }) {
  const timings = answer.timings ?? {};
  const stages = STAGES.filter((stage) => Number.isFinite(timings[stage])).map((stage) => [stage, timings[stage]]);
  const counted = stages.reduce((sum, [, ms]) => sum + ms, 0);
  return [...stages, ["network and HTTP", Math.max(0, roundTripMs - counted)]];
}

export function showTimings(run) {
  const stages = stagesOf(run);
  byId("round-trip").textContent = `Round trip from this page: ${milliseconds(run.roundTripMs)}`;
  byId("bar").replaceChildren(...stages.map(segment));
  byId("stages").replaceChildren(...stages.map(entry));
}

const kind = (stage) => `stage-${stage.split(" ")[0]}`;

function segment([stage, ms]) {
  const made = element("span", { className: kind(stage), title: `${stage}: ${milliseconds(ms)}` });
  made.style.flexGrow = ms;
  return made;
}

function entry([stage, ms]) {
  const swatch = element("span", { className: `swatch ${kind(stage)}` });
  return element("div", {}, element("dt", {}, swatch, stage), element("dd", {}, milliseconds(ms)));
}
