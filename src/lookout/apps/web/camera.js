// A picture from the camera. The camera is on only while its preview is seen.

import { byId } from "./dom.js";

const WANTED = { audio: false, video: { facingMode: "environment", width: { ideal: 1920 } } };
const QUALITY = 0.92;

const REASONS = {
  NotAllowedError: "The camera may not be used: allow it for this page in the browser.",
  NotFoundError: "No camera was found: connect one, or choose a picture.",
  NotReadableError: "The camera can't be read: another program may be using it.",
};

let stream;
let taken = 0;

/** Let the camera's button open the preview; `onPicture(file)` gets what was taken. */
export function setUpCamera(onPicture) {
  byId("open-camera").addEventListener("click", open);
  byId("close-camera").addEventListener("click", () => byId("camera").close());
  byId("camera").addEventListener("close", stop);
  byId("take").addEventListener("click", async () => {
    const file = await picture(byId("preview"));
    byId("camera").close();
    onPicture(file);
  });
}

async function open() {
  byId("camera-problem").textContent = "";
  byId("camera").showModal();
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    show(await navigator.mediaDevices.getUserMedia(WANTED));
  } catch (error) {
    byId("camera-problem").textContent =
      REASONS[error.name] ?? "The camera can't be used here: browsers allow it on https:// and on localhost.";
  }
}

function show(live) {
  stream = live;
  if (!byId("camera").open) return stop(); // closed while the browser asked
  const preview = byId("preview");
  preview.srcObject = live;
  preview.addEventListener("loadeddata", ready, { once: true });
}

function ready() {
  byId("take").disabled = false;
  byId("take").focus();
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  byId("preview").srcObject = null;
  byId("take").disabled = true;
}

async function picture(video) {
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const data = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  taken += 1;
  return new File([data], `camera-${taken}.jpg`, { type: data.type });
}
