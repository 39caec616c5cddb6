"""The tables. Their history is in `migrations`; what differs between databases is said here once.

jobs        all that is known of a job; the rows of those that have not ended are what the engine works on
sweeps      jobs of one template under one name; their ids follow each other
tags        by which jobs are found that have them
measured    numbers that jobs have printed, of those that have ended
batches     jobs that are handed in together, under one key
keys        what was answered to whom under an Idempotency-Key
artifacts   files that jobs have left, and where they are kept
outputs     what jobs have printed, where somebody is told that after their machines are gone
events      what has happened, in order; what listens goes on from a number in it
tokens      who may ask for what; of a secret only its digest
hooks, deliveries   who is called of events, and what has not been told yet
pipelines, stages   what items go through, and how many are at each stage
items       what is worked on, a stage at a time, by whoever claims it
steps       who did what with an item, and when
owners      how many gateways have had the database so far, in one row
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from sjs.gateway.records.columns import BYTES, ID, LONG, MYSQL, NAME

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    Column("origin", String(16), nullable=False, doc="by which dialect it came"),
    Column("name", NAME, nullable=False, default=""),
    Column("public", NAME, doc="the name that its client has given it, where the dialect has such"),
    Column("spec", NAME, doc="of which job spec it was made"),
    Column("parameters", LONG, doc="JSON"),
    Column("word", NAME, nullable=False, doc="the target that was asked for"),
    Column("body", LONG, nullable=False, doc="what to run, as it goes over the wire"),
    Column("rules", LONG, doc="which of its files are taken as artifacts, as JSON"),
    Column("state", String(16), nullable=False),
    Column("batch", ID, doc="with which jobs it is handed in (0: it is held back), …"),
    Column("place", Integer, doc="… and as which of them, counted from 0"),
    Column("target", NAME),
    Column("number", BigInteger, doc="its id there"),
    Column("attempt", Integer, nullable=False, default=0),
    Column("created", Double, nullable=False),
    Column("begun", Double),
    Column("ended", Double),
    Column("exit", Integer),
    Column("signal", Integer),
    Column("reason", String(16), nullable=False, default=""),
    Column("detail", LONG, nullable=False, default=""),
    Column("wish", String(16), nullable=False, default="", doc="what was asked of it before it had a home"),
    Column("kept", String(16), nullable=False, default="", doc="how far what it has left was collected"),
    Column("left_out", LONG, doc="what of that was not, and why, in lines"),
    Column("version", Integer, nullable=False, default=1, doc="how often the row has changed"),
    UniqueConstraint("owner", "origin", "public"),
    Index(None, "owner", "id"),
    Index(None, "owner", "state", "id"),
    Index(None, "state", "id"),
    Index(None, "name", "id"),
    Index(None, "spec", "id"),
    Index(None, "kept", "id"),
    Index(None, "target", "number"),
    Index(None, "batch", "place"),
    Index(None, "batch", "word", "id"),
    Index(None, "ended", "begun"),
    sqlite_autoincrement=True,
    **MYSQL,
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("first", ID, nullable=False, doc="the ids of its jobs: from this one …"),
    Column("last", ID, nullable=False, doc="… to that one, and nobody else's are between"),
    Column("word", NAME, nullable=False, doc="the target that was asked for"),
    Column("spec", NAME, doc="of which job spec its jobs were made"),
    Column("names", LONG, nullable=False, doc="of its parameters, as JSON"),
    Column("said", LONG, nullable=False, doc="what was asked for, as JSON"),
    Column("created", Double, nullable=False),
    Column("metric", NAME, doc="which of its numbers is the best, as min:loss"),
    Column("most", BigInteger, doc="so many of its jobs may be unended at a time, the others are held back"),
    Column("failures", String(32), doc="after which no more begin, as 3 or 10%"),
    Column("rule", LONG, doc="by which those are ended that are clearly behind"),
    Column("attended", Boolean, nullable=False, default=False, doc="whether any of this is still to be seen to"),
    Column("stopped", LONG, nullable=False, default="", doc="why no more begin"),
    Column("old_failed", BigInteger, nullable=False, default=0, doc="of those that had failed, and …"),
    Column("old_ended", BigInteger, nullable=False, default=0, doc="… ended when some ran again, nothing is made"),
    UniqueConstraint("owner", "name"),
    Index(None, "owner", "id"),
    Index(None, "last"),
    Index(None, "attended"),
    sqlite_autoincrement=True,
    **MYSQL,
)

tags = Table(
    "tags",
    metadata,
    Column("job", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("digest", String(64), primary_key=True, doc="of name and value, which may be long"),
    Index(None, "digest", "job"),
    **MYSQL,
)

measured = Table(
    "measured",
    metadata,
    Column("job", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("found", LONG, nullable=False, doc="the last value of each metric, as JSON"),
    **MYSQL,
)

batches = Table(
    "batches",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("word", NAME, nullable=False),
    Column("created", Double, nullable=False),
    sqlite_autoincrement=True,
    **MYSQL,
)

shares = Table(
    "shares",
    metadata,
    Column("batch", ID, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("target", NAME, nullable=False),
    **MYSQL,
)

keys = Table(
    "keys",
    metadata,
    Column("owner", NAME, primary_key=True),
    Column("key", NAME, primary_key=True),
    Column("digest", String(64), nullable=False, doc="of what was asked for under it"),
    Column("first", ID, nullable=False),
    Column("count", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Index(None, "created"),
    **MYSQL,
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("job", ID, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("name", LONG, nullable=False),
    Column("mime", NAME, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("place", NAME, nullable=False, doc="its key in the store"),
    Column("created", Double, nullable=False),
    Index(None, "job", "id"),
    sqlite_autoincrement=True,
    **MYSQL,
)

outputs = Table(
    "outputs",
    metadata,
    Column("job", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("out", BYTES, nullable=False, doc="its stdout, from the beginning on"),
    Column("is_cut", Boolean, nullable=False, doc="whether there was more"),
    Column("err", BYTES, nullable=False, doc="the end of its stderr"),
    Column("folder", LONG, nullable=False, doc="its own on its target; nothing where it left none"),
    Column("lost", LONG, nullable=False, doc="why nothing of this could be had"),
    **MYSQL,
)

events = Table(
    "events",
    metadata,
    Column("seq", ID, primary_key=True, autoincrement=True),
    Column("time", Double, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("owner", NAME, nullable=False),
    Column("job", ID),
    Column("data", LONG, nullable=False),
    Index(None, "time"),
    Index(None, "job", "seq"),
    Index(None, "owner", "seq"),
    sqlite_autoincrement=True,
    **MYSQL,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", NAME, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("terms", LONG, nullable=False, doc="scopes, lists and limits, as JSON"),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("used", Double),
    Index(None, "owner"),
    **MYSQL,
)

hooks = Table(
    "hooks",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    Column("url", LONG, nullable=False),
    Column("salt", String(64), nullable=False, doc="of which, with the gateway's key, its secret is made"),
    Column("wanted", LONG, nullable=False, doc="of which events, as JSON"),
    Column("since", ID, nullable=False, doc="the last event that was looked at for it"),
    Column("created", Double, nullable=False),
    Column("ended", LONG, nullable=False, default="", doc="why it is told nothing any more"),
    Index(None, "owner"),
    sqlite_autoincrement=True,
    **MYSQL,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("hook", ID, ForeignKey("hooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", ID, nullable=False),
    Column("body", LONG, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("created", Double, nullable=False),
    Column("due", Double, doc="when it is tried next; nothing where it was given up"),
    Column("why", LONG, nullable=False, default="", doc="what came of the last try"),
    UniqueConstraint("hook", "event"),
    Index(None, "hook", "due"),
    sqlite_autoincrement=True,
    **MYSQL,
)

pipelines = Table(
    "pipelines",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("owner", NAME, nullable=False),
    Column("name", NAME, doc="nothing where it is being removed"),
    Column("loose", Boolean, nullable=False, doc="whether items need no claim, and may be beyond its last stage"),
    Column("last", Integer, nullable=False, doc="the stage that means done"),
    Column("next", BigInteger, nullable=False, doc="the number of the next item that comes without one"),
    Column("created", Double, nullable=False),
    Column("version", Integer, nullable=False, default=1, doc="how often what is said of it has changed"),
    UniqueConstraint("owner", "name"),
    sqlite_autoincrement=True,
    **MYSQL,
)

stages = Table(
    "stages",
    metadata,
    Column("pipeline", ID, ForeignKey("pipelines.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("stage", Integer, primary_key=True, autoincrement=False),
    Column("name", NAME, nullable=False, default=""),
    Column("lifetime", Double, nullable=False, doc="seconds; 0: without end"),
    Column("over", String(8), nullable=False, doc="what becomes of items whose time is over"),
    Column("tries", Integer, nullable=False, doc="how often one is given back then"),
    Column("back", Integer, doc="to which other stage"),
    Column("total", Integer, nullable=False, default=0, doc="how many items are there, …"),
    Column("claimed", Integer, nullable=False, default=0, doc="… claimed, …"),
    Column("flagged", Integer, nullable=False, default=0, doc="… and flagged"),
    **MYSQL,
)

items = Table(
    "items",
    metadata,
    Column("pipeline", ID, ForeignKey("pipelines.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("stage", Integer, nullable=False),
    Column("since", Double, nullable=False, doc="when it came there"),
    Column("state", String(8), nullable=False),
    Column("flagged", Boolean, nullable=False, default=False),
    Column("tries", Integer, nullable=False, default=0, doc="how often it was given back"),
    Column("worker", NAME),
    Column("word", String(32), unique=True, doc="of its claim"),
    Column("due", Double, doc="when its time is over"),
    Column("command", LONG, nullable=False, doc="JSON"),
    Column("file", LONG, nullable=False, default=""),
    Column("result", LONG, doc="JSON"),
    Column("created", Double, nullable=False),
    Column("version", Integer, nullable=False, default=1, doc="how often the row has changed"),
    Index(None, "pipeline", "stage", "state", "number"),
    Index(None, "pipeline", "flagged", "number"),
    Index(None, "pipeline", "worker", "number"),
    Index(None, "due"),
    **MYSQL,
)

steps = Table(
    "steps",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("pipeline", ID, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("time", Double, nullable=False),
    Column("what", String(16), nullable=False),
    Column("who", NAME, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("target", Integer, nullable=False, doc="at which stage it was then"),
    Column("word", String(32), doc="of the claim that has ended by this"),
    Column("detail", LONG, nullable=False, default=""),
    ForeignKeyConstraint(["pipeline", "number"], ["items.pipeline", "items.number"], ondelete="CASCADE"),
    Index(None, "pipeline", "number", "id"),
    Index(None, "word"),
    sqlite_autoincrement=True,
    **MYSQL,
)

owners = Table("owners", metadata, Column("number", BigInteger, primary_key=True, autoincrement=False), **MYSQL)
