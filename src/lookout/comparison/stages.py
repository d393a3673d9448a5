"""Where a sample's time went: stages, one after the other, that add up to its latency. Pure.

::

    encode       to read the file, and bring it into the form that it is sent in
    upload       to the server, the bucket or the function
    waiting      for its turn: at the client in an open loop, between attempts, in the server's queue, from S3 to Lambda
    init         of the function, at a cold start
    fetch        the function gets the image: from the bucket, or out of its event
    decode, preprocess, inference, postprocess      the detector's own
    store        the item is written; of direct, the answer put together
    notice       until who waits has the answer

``local``: the server's clock is not ours. What is neither its queue nor its detector's is ``upload``, there and back.

``remote`` and ``direct``: the function logs when it began and ended, by its own clock. The emulator's is ours. On AWS
the two differ by some milliseconds; then the time from sending to seeing the answer, less the function's, is right by
our clock alone, and only how it splits into what came before and after the function is as good as the clocks are.

The sum is measured, and not made to fit: what no stage has is small (the function's own log, Python between stages),
and ``unexplained_ms`` tells it.
"""

from __future__ import annotations

from collections.abc import Mapping

from lookout.cloud.reports import Work
from lookout.comparison.samples import OFFLOADED, Sample

DETECTOR = ("decode", "preprocess", "inference", "postprocess")
STAGES = ("encode", "upload", "waiting", "init", "fetch", *DETECTOR, "store", "notice")


def stages_ms(sample: Sample) -> Mapping[str, float] | None:
    """Each stage's milliseconds, those that a sample did not have left out; None where they aren't known.

    They are not of a failure, nor of an offloaded sample of which the log does not tell enough.
    """
    answer, ended = sample.answer, sample.ended
    if answer is None or ended is None:
        return None
    sent = ended - answer.elapsed_ms / 1000
    found = _before(sample, sent)
    if sample.execution not in OFFLOADED:
        own = {stage: answer.timings_ms[stage] for stage in DETECTOR if stage in answer.timings_ms}
        found |= own
        if sample.execution == "local":
            queue_ms = answer.timings_ms.get("queue", 0.0)
            found["waiting"] += queue_ms
            found["upload"] = answer.elapsed_ms - sum(own.values()) - queue_ms
    elif sample.invocation is None or sample.invocation.work is None:
        return None
    else:
        found["encode"] += answer.encode_ms
        init_ms, work = sample.invocation.init_ms or 0.0, sample.invocation.work
        lead_ms, tail_ms = _around(work, sent + answer.encode_ms / 1000, ended, init_ms)
        upload_ms = lead_ms - init_ms
        if answer.upload_ms is not None:  # its answer may come when the function has long begun
            upload_ms = min(upload_ms, answer.upload_ms)
        found["upload"] = upload_ms
        found["waiting"] += lead_ms - init_ms - upload_ms
        found |= {"init": init_ms, **work.timings_ms, "notice": tail_ms}
    return {stage: found[stage] for stage in STAGES if found.get(stage, 0.0) > 0}


def unexplained_ms(sample: Sample) -> float | None:
    """What of its latency no stage has; None where the stages aren't known."""
    stages, latency_ms = stages_ms(sample), sample.latency_ms
    return None if stages is None or latency_ms is None else latency_ms - sum(stages.values())


def _before(sample: Sample, sent: float) -> dict[str, float]:
    """What was before the attempt that was answered, sent then."""
    late_ms = 0.0 if sample.scheduled is None else (sample.started - sample.scheduled) * 1000
    between_ms = max(0.0, (sent - sample.started) * 1000)
    if sample.retries:
        return {"encode": 0.0, "waiting": late_ms + between_ms}
    return {"encode": between_ms, "waiting": late_ms}


def _around(work: Work, sent: float, ended: float, init_ms: float) -> tuple[float, float]:
    """What passed before and after the function worked, neither below what it must be."""
    lead_ms, tail_ms = (work.began - sent) * 1000, (ended - work.ended) * 1000
    both_ms = max(0.0, lead_ms + tail_ms)
    lead_ms = min(max(lead_ms, init_ms), both_ms)
    return lead_ms, both_ms - lead_ms
