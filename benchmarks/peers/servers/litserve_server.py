"""LitServe, as its guide to image models has it: base64 in JSON, ``workers_per_device`` copies of the detector."""

from __future__ import annotations

import base64
import os

import litserve

import lookout


class Detection(litserve.LitAPI):
    """The detector, once in each worker."""

    def setup(self, device: str) -> None:  # noqa: ARG002  LitServe's form
        """Load it."""
        self.detector = lookout.load(os.environ["BENCHMARK_MODEL"], threads=int(os.environ["BENCHMARK_THREADS"]))
        self.detector.warm_up()

    def decode_request(self, request: dict[str, str]) -> bytes:
        """The image."""
        return base64.b64decode(request["image_data"])

    def predict(self, image: bytes) -> dict[str, object]:
        """The objects in it."""
        return self.detector.detect(image).to_json()

    def encode_response(self, output: dict[str, object]) -> dict[str, object]:
        """They, as JSON."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Detection(), accelerator="cpu", workers_per_device=int(os.environ["BENCHMARK_WORKERS"]), timeout=False
    )
    server.run(
        host="127.0.0.1", port=int(os.environ["BENCHMARK_PORT"]), generate_client_file=False, log_level="warning"
    )
