"""CIB in, transition out. Pure: no I/O, the time is an argument.

`schedule` is the public face.  `pipeline` has the stages for those who look inside (the
simulator, status displays, tests).  The stages are imported when they are first needed, so that
users of `transition` alone pay for nothing else.
"""

from __future__ import annotations

from crmd.scheduler.transition import Decision

__all__ = ["Decision", "schedule"]


def schedule(cib: bytes, now: float) -> Decision:
    """What the cluster should do next.  `now`: seconds since the epoch.

    Raises lxml.etree.XMLSyntaxError for what is no XML, and cib.upgrade.UpgradeError for a
    configuration of a schema that is not known.
    """
    from crmd.scheduler import pipeline

    return pipeline.schedule(cib, now)
