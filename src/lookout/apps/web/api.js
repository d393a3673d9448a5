// The server's interface: what it is, and what it finds in a picture.

import { apiKey } from "./key.js";
import { bytes } from "./wording.js";

/** Why there is no answer, in a sentence for people. `again`: whether asking again may help. */
export class Problem extends Error {
  constructor(sentence, { status = 0, again = false } = {}) {
    super(sentence);
    this.status = status;
    this.again = again;
  }
}

/** What the server runs and takes. Throws `Problem`. */
export async function serverInfo() {
  const { response, text } = await reach(new URL("info", document.baseURI), { cache: "no-store" });
  const info = read(text);
  if (!response.ok || !Array.isArray(info?.labels)) {
    throw new Problem(`The server doesn't say what it runs (${response.status}): is it Lookout's?`, { again: true });
  }
  return info;
}

/** The address that finds objects, with the parameters that are not undefined. */
export function detectionAddress(parameters) {
  const address = new URL("object-detection", document.baseURI);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) address.searchParams.set(name, value);
  }
  return address;
}

/** A picture's media type as the server takes it. What the file is, it finds out itself. */
export const mediaType = (file) => (file.type.startsWith("image/") ? file.type : "application/octet-stream");

/** The server's answer for a picture, and the milliseconds until it was all here. Throws `Problem`. */
export async function detect(file, address, signal, largest) {
  if (file.size > largest) throw tooLarge(largest);
  const headers = { "Content-Type": mediaType(file) };
  if (apiKey()) headers["X-API-Key"] = apiKey();
  const start = performance.now();
  const { response, text } = await exchange(file, address, { method: "POST", body: file, headers, signal });
  const roundTripMs = performance.now() - start;
  const answer = read(text);
  if (!response.ok) throw refusal(response, answer, largest);
  if (!isAnswer(answer)) throw new Problem("The answer is not in the form that this page knows: reload the page.");
  return { answer, roundTripMs };
}

async function exchange(file, address, request) {
  try {
    return await reach(address, request);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    await checkReadable(file); // a folder, or a file that has changed, looks like a network that failed
    throw error;
  }
}

async function reach(address, request) {
  try {
    const response = await fetch(address, request);
    return { response, text: await response.text() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server can't be reached: check that lookout serve still runs.", { again: true });
  }
}

async function checkReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem("This can't be read: choose files, not folders, that have not changed since.");
  }
}

function refusal(response, problem, largest) {
  const { status } = response;
  const detail = typeof problem?.detail === "string" ? problem.detail : `${status} ${response.statusText}`;
  if (status === 401) return new Problem(unauthorised(), { status });
  if (status === 413) return tooLarge(largest, detail);
  if (status === 429 || status === 503) return new Problem(busy(response), { status, again: true });
  return new Problem(sentence(detail), { status, again: status >= 500 });
}

const unauthorised = () =>
  apiKey()
    ? "The server does not accept this API key: enter another."
    : "The server wants an API key: enter it, and the picture is sent again.";

function tooLarge(largest, detail = "too large") {
  const limit = Number.isFinite(largest) ? `The server takes at most ${bytes(largest)}: send a smaller picture.` : detail;
  return new Problem(sentence(limit), { status: 413 });
}

function busy(response) {
  const seconds = Number.parseInt(response.headers.get("Retry-After"), 10);
  const when = Number.isFinite(seconds) ? `in ${seconds} s` : "in a moment";
  return `The server is busy: try again ${when}.`;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no JSON; the callers say what that means
  }
}

const isAnswer = (answer) => Array.isArray(answer?.objects) && answer.objects.every(isObject);

const isObject = ({ label, accuracy, box }) =>
  typeof label === "string" && typeof accuracy === "number" && box?.length === 4 && box.every(Number.isFinite);
