"""sjs: one job queue over the machines you can reach.

    with sjs.connect() as fleet:
        job = fleet.any.submit("./train --lr 0.1", gpus=1)
        print(job.wait(), job.stdout())

Importing this package imports nothing else: it lies on every machine, and what is for Python code there is not.
"""

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Call",
    "CallFailed",
    "Executor",
    "Fleet",
    "Incomplete",
    "Job",
    "JobOptions",
    "Refused",
    "SjsError",
    "Unreachable",
    "UsageError",
    "View",
    "connect",
    "errors",
]

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from sjs import errors
    from sjs.api.calls import CallFailed
    from sjs.api.executor import Call, Executor
    from sjs.api.fleet import Fleet, Incomplete, View, connect
    from sjs.api.jobs import Job
    from sjs.api.options import JobOptions
    from sjs.errors import Refused, SjsError, Unreachable, UsageError
    from sjs.routing import Answer
else:
    _WHERE = {
        "Answer": "sjs.routing",
        "Call": "sjs.api.executor",
        "CallFailed": "sjs.api.calls",
        "Executor": "sjs.api.executor",
        "Fleet": "sjs.api.fleet",
        "Incomplete": "sjs.api.fleet",
        "Job": "sjs.api.jobs",
        "JobOptions": "sjs.api.options",
        "Refused": "sjs.errors",
        "SjsError": "sjs.errors",
        "Unreachable": "sjs.errors",
        "UsageError": "sjs.errors",
        "View": "sjs.api.fleet",
        "connect": "sjs.api.fleet",
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for."""
        if name == "errors":
            return __import__("sjs.errors", fromlist=[name])
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(__import__(_WHERE[name], fromlist=[name]), name)
