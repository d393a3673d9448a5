"""docker, podman, finch or buildah in name: a program that notes what it is told, and pushes into the emulator."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# Notes its arguments and standard input, and where it would keep a password. Of its commands those fail that are named.
_PROGRAM = """\
#!{python}
import json, os, sys
from pathlib import Path
arguments = sys.argv[1:]
folder = Path({folder!r})
config = Path(os.environ["DOCKER_CONFIG"]) if "DOCKER_CONFIG" in os.environ else None
told = {{
    "arguments": [Path(sys.argv[0]).name, *arguments],
    "input": sys.stdin.read(),
    "config": str(config),
    "config_file": json.loads((config / "config.json").read_text()) if config else None,
    "context": os.environ.get("DOCKER_CONTEXT"),
}}
if "build" in arguments:
    context = Path(arguments[-1])
    told["files"] = sorted(path.relative_to(context).as_posix() for path in context.rglob("*") if path.is_file())
with (folder / "told.jsonl").open("a") as file:
    file.write(json.dumps(told) + "\\n")
for failing in (folder / "failing").read_text().split():
    if failing in arguments:
        print("a line before")
        print(f"Error: {{failing}} went wrong" + told["input"])
        sys.exit(125)
if "push" in arguments:
    import boto3
    name, tag = arguments[-1].rpartition("/")[2].split(":")
    media_type = (folder / "media-type").read_text()
    client = boto3.client("ecr", endpoint_url={endpoint!r}, region_name="us-east-1", aws_access_key_id="000000000000",
                          aws_secret_access_key="emulator")
    client.put_image(repositoryName=name, imageTag=tag, imageManifest=json.dumps({{"tag": tag}}),
                     imageManifestMediaType=media_type)
"""


class FakeTool:
    """A folder with such programs in it, by the name of each."""

    def __init__(self, folder: Path, endpoint: str, *names: str) -> None:
        self._folder = folder
        self.media_type("application/vnd.docker.distribution.manifest.v2+json")
        self.fail()
        for name in names:
            program = folder / name
            program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder), endpoint=endpoint))
            program.chmod(0o755)

    def path(self) -> str:
        """The ``PATH`` that has these programs and no others of their kind."""
        return str(self._folder)

    def fail(self, *commands: str) -> None:
        """Let commands fail from now on."""
        (self._folder / "failing").write_text(" ".join(commands))

    def media_type(self, name: str) -> None:
        """What is pushed from now on."""
        (self._folder / "media-type").write_text(name)

    def told(self) -> list[dict[str, Any]]:
        """What the programs were told, oldest first, and forget it."""
        file = self._folder / "told.jsonl"
        if not file.exists():
            return []
        lines = file.read_text().splitlines()
        file.unlink()
        return [json.loads(line) for line in lines]
