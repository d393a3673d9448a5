"""Every error that Lookout raises on purpose, and what each means at the edges.

::

    LookoutError                 something failed                          exit 1   HTTP 500
    ├── UsageError               what was asked for can't be asked         exit 2   HTTP 400
    │   ├── NoImagesError        no such file, or nothing there to detect in
    │   ├── UnknownModelError    neither a file nor a name in the catalog
    │   └── UnknownEngineError   no such engine
    ├── DeclinedError            somebody was asked, and said no           exit 1   HTTP 500
    ├── NoSuchUploadError        nothing was uploaded under that id        exit 1   HTTP 404
    ├── ImageError               these bytes are no image that we read     exit 1   HTTP 422
    │   ├── VideoError           a video that can't be read, or not to its end
    │   ├── ImageGoneError       it was deleted or archived before it was looked at
    │   └── ImageMemoryError     it takes more memory than there is for it
    ├── OutputError              what was found can't be written           exit 1   HTTP 500
    ├── ModelError               these files are no network that we run    exit 1   HTTP 500
    │   └── DarknetError         a cfg or weights file, with section and line
    ├── EngineError              the engine refused the network            exit 1   HTTP 500
    ├── MissingExtraError        a package is missing; says what to install exit 1  HTTP 500
    ├── PackageError             a function's package can't be built        exit 1   HTTP 500
    ├── PortInUseError           somebody else listens there               exit 1
    ├── FolderInUseError         another emulator keeps its data there     exit 1
    ├── ExecutionError           an execution gave no answer               exit 1   HTTP 502
    │   ├── UnreachableError     nobody is there to answer any image       exit 1   HTTP 502
    │   ├── BusyError            it has too much to do, however often asked exit 1  HTTP 503
    │   └── ResultTimeoutError   it gave none in time                      exit 1   HTTP 504
    │       └── ResultLostError  and never will: the image got lost on its way
    └── CloudError               AWS or the emulator refused               exit 1   HTTP 502
        ├── ExpiredCredentialsError  the credentials' time is over
        ├── StackError           a stack was not made, changed or deleted
        └── UnfinishedError      the function could not deal with all of an event: Lambda tries again

A message is one sentence that says what to do. One boundary per program turns an error into an exit status
(``apps/console.py``), an HTTP status (``apps/server.py``), an item (``apps/handler.py``) or a table row
(``comparison/load.py``). Elsewhere an error is caught by its own name, where there is something to do about it.
"""

from __future__ import annotations

from typing import ClassVar

DISTRIBUTION = "lookout-vision"


class LookoutError(Exception):
    """The root: catch this to catch all that Lookout raises on purpose."""

    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500


class UsageError(LookoutError):
    """What was asked for can't be asked; nothing was tried."""

    exit_status = 2
    http_status = 400


class NoImagesError(UsageError):
    """A path that is missing, or a folder that holds no images."""


class UnknownModelError(UsageError):
    """A model that is neither a file nor a name in the catalog."""


class UnknownEngineError(UsageError):
    """An engine that Lookout doesn't have."""


class DeclinedError(LookoutError):
    """Somebody was asked whether to go on, and said no."""

    def __init__(self) -> None:
        super().__init__("the answer was no, and nothing more was done")


class NoSuchUploadError(LookoutError):
    """The result of an image is asked for that was never uploaded."""

    http_status = 404


class ImageError(LookoutError):
    """Bytes that are not an image that Lookout reads: no image at all, truncated, or too large."""

    http_status = 422


class VideoError(ImageError):
    """A file that is no video that Lookout reads, or a video that breaks off."""


class ImageGoneError(ImageError):
    """An image that was taken away before it was looked at; sent again it may well be looked at."""


class ImageMemoryError(ImageError):
    """An image that takes more memory than there is for it; elsewhere, or with more memory, it may be looked at."""


class OutputError(LookoutError):
    """Results that can't be written, such as to a disk that is full."""


class ModelError(LookoutError):
    """Files that are not a network that Lookout runs."""


class DarknetError(ModelError):
    """A Darknet ``cfg`` or ``weights`` file that can't be imported; names the section and line."""


class EngineError(LookoutError):
    """An engine that can't load or run the network."""


class MissingExtraError(LookoutError):
    """A package of an extra is not installed."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs a package that is not installed: pip install '{DISTRIBUTION}[{extra}]'")
        self.extra = extra


class PackageError(LookoutError):
    """A function's package that can't be built, or is more than Lambda takes."""


class PortInUseError(LookoutError):
    """Something else listens on the address that was asked for."""


class FolderInUseError(LookoutError):
    """Another emulator keeps its data in the folder that was asked for."""


class ExecutionError(LookoutError):
    """An execution that gave no answer for an image. ``retries``: how often it was asked again."""

    http_status = 502
    retries: int = 0


class UnreachableError(ExecutionError):
    """Nobody is there to answer, so that the next image would fare no better."""


class BusyError(ExecutionError):
    """An execution that has too much to do to answer this image."""

    http_status = 503


class ResultTimeoutError(ExecutionError):
    """An execution that gave no answer in time."""

    http_status = 504


class ResultLostError(ResultTimeoutError):
    """An image that got lost on its way: no answer will come, unless it is sent again."""


class CloudError(LookoutError):
    """AWS, or the emulator in its place, refused or failed."""

    http_status = 502


class ExpiredCredentialsError(CloudError):
    """AWS credentials whose time is over: somebody must renew them."""


class StackError(CloudError):
    """A stack that could not be made, changed, found or deleted."""


class UnfinishedError(CloudError):
    """An event with objects that the function could not deal with, so that it must be tried again."""


# After one of these the next image would fare no better: what sends many ends.
HOPELESS = (UnreachableError, ExpiredCredentialsError)
