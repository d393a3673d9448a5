"""BentoML, as its YOLO example has it: the image in a form, a path in the service, ``workers`` detectors."""

import os
from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.validators import ContentType

import lookout

# No "from __future__ import annotations" here: BentoML looks at the annotations themselves.
Image = Annotated[Path, ContentType("image/*")]


@bentoml.service(workers=int(os.environ["BENCHMARK_WORKERS"]), traffic={"timeout": 120})
class Detection:
    """The detector, once in each worker."""

    def __init__(self) -> None:
        self.detector = lookout.load(os.environ["BENCHMARK_MODEL"], threads=int(os.environ["BENCHMARK_THREADS"]))
        self.detector.warm_up()

    @bentoml.api
    def predict(self, image: Image) -> dict:
        """The objects in an image."""
        return self.detector.detect(image).to_json()
