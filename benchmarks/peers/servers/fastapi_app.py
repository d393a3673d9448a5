"""FastAPI, as its tutorial has files: in a form, read by a plain function, which runs in a pool of threads."""

import os
from typing import Annotated

from fastapi import FastAPI, File

import lookout

# No "from __future__ import annotations" here: FastAPI looks at the annotations themselves.
detector = lookout.load(os.environ["BENCHMARK_MODEL"], threads=int(os.environ["BENCHMARK_THREADS"]))
detector.warm_up()
app = FastAPI()


@app.post("/object-detection")
def detect(file: Annotated[bytes, File()]) -> dict:
    """The objects in an image."""
    return detector.detect(file).to_json()
