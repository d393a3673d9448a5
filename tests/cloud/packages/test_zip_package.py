"""Zips: those for other platforms by what is in them, that for this one as a function that runs from nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.elf import read_library
from helpers.image_files import PLAIN
from helpers.program import wait_for
from helpers.tiny import CONFIDENCE, make_picture
from helpers.wheels import with_wheels
from lookout.cloud.account import Account
from lookout.cloud.items import Outcome, from_item, image_url
from lookout.cloud.packages import Recipe, ZipPackage, build_zip, model_folder, provide, running_recipe, zip_package
from lookout.cloud.template import Code, Names, StackSettings, parameters, template_body
from lookout.core.selection import Selection
from lookout.detector import open_detector
from lookout.errors import PackageError, UsageError
from lookout.models.model import Model
