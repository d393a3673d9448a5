"""What a stack's resources hold that would be lost with them, and emptying them, since CloudFormation does not.

CloudFormation deletes no bucket that holds an object, a version, a delete marker or a part of an unfinished upload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import batched, islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lookout.cloud.account import Account, aws_errors, error_code
from lookout.errors import StackError
