"""Ray Serve, as its tutorials on image models have it: the image is the body, ``num_replicas`` detectors."""

import os
import signal
from pathlib import Path

import ray
from ray import serve
from starlette.requests import Request

import lookout

WORKERS, THREADS = int(os.environ["BENCHMARK_WORKERS"]), int(os.environ["BENCHMARK_THREADS"])
SETTINGS = {name: value for name, value in os.environ.items() if name.startswith("BENCHMARK_")}


@serve.deployment(
    num_replicas=WORKERS,
    ray_actor_options={"num_cpus": THREADS, "runtime_env": {"env_vars": SETTINGS}},
    max_ongoing_requests=100,
)
class Detection:
    """The detector, once in each replica."""

    def __init__(self) -> None:
        self.detector = lookout.load(os.environ["BENCHMARK_MODEL"], threads=THREADS)
        self.detector.warm_up()

    async def __call__(self, request: Request) -> dict:
        """The objects in an image."""
        return self.detector.detect(await request.body()).to_json()


if __name__ == "__main__":
    # What it writes goes where the benchmark works, and away with that.
    about = {"include_dashboard": False, "log_to_driver": False, "_temp_dir": str(Path.cwd())}
    ray.init(num_cpus=WORKERS * THREADS, _node_ip_address="127.0.0.1", **about)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["BENCHMARK_PORT"])})
    serve.run(Detection.bind(), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
