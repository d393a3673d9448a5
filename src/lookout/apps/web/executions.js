// One picture through each execution, side by side.

import { byId, element } from "./dom.js";
import { milliseconds, objectsCount } from "./wording.js";

/** Show the runs (a Map by execution) of a picture, in the executions' order. */
export function showExecutions({ executions, emulated, confidence }, runs) {
  const local = runs.get("local");
  const longest = Math.max(...[...runs.values()].map((run) => run.roundTripMs ?? 0), 1);
  byId("executions-heading").textContent = `Executions side by side${emulated ? " (emulated)" : ""}`;
  byId("executions-note").textContent = emulated
    ? "The cloud is the emulator on this machine: its times are emulated."
    : "Remote and direct send the picture to your stack in the cloud, which costs what AWS asks for it.";
  byId("cards").replaceChildren(
    ...executions.map((name) =>
      card(name, over(runs.get(name), confidence), over(local, confidence), longest, emulated && name !== "local"),
    ),
  );
}

/** A run with those of its objects alone that every execution tells of: local is asked for more, for the slider. */
function over(run, confidence) {
  if (!run?.answer) return run;
  const objects = run.answer.objects.filter(({ accuracy }) => accuracy > confidence);
  return { ...run, answer: { ...run.answer, objects } };
}

/** Whether two answers name the same objects, to the last digit. */
export function agree(one, other) {
  return JSON.stringify(one.objects.map(values)) === JSON.stringify(other.objects.map(values));
}

const values = ({ label, accuracy, box }) => [label, accuracy, box];

function card(name, run, local, longest, emulated) {
  const title = element("h3", {}, name, ...(emulated ? [element("span", { className: "tag" }, "emulated")] : []));
  return element("li", { className: `card ${name}` }, title, ...content(name, run, local, longest));
}

function content(name, run, local, longest) {
  if (!run) return [element("p", { className: "note" }, "not asked yet")];
  if (run.problem) return [element("p", { className: "failure" }, run.problem.message)];
  if (!run.answer) return [element("p", { className: "note" }, "waiting for its answer …")];
  const { answer, roundTripMs } = run;
  const bar = element("div", { className: "bar", ariaHidden: "true" }, element("span", { className: "stage-inference" }));
  bar.firstChild.style.width = `${(100 * roundTripMs) / longest}%`;
  const rows = [
    ["Round trip", milliseconds(roundTripMs)],
    ["Inference", milliseconds(answer.inference_time)],
    ["Transfer", Number.isFinite(answer.transfer_time) ? milliseconds(answer.transfer_time) : "none"],
    ["Objects", objectsCount(answer.objects.length)],
    ["Against local", name === "local" ? "the reference" : verdict(answer, local)],
  ];
  return [bar, element("dl", {}, ...rows.map(([term, value]) => pair(term, value)))];
}

const pair = (term, value) => element("div", {}, element("dt", {}, term), element("dd", {}, value));

function verdict(answer, local) {
  if (!local?.answer) return "no answer to compare with";
  const same = agree(answer, local.answer);
  return element("span", { className: same ? "agrees" : "differs" }, same ? "✓ agrees exactly" : "✗ differs");
}
