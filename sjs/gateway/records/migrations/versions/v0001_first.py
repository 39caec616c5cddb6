"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sjs.gateway.records.columns import BYTES, ID, LONG, MYSQL, NAME

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "owners",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_owners"),
        **MYSQL,
    )
    op.create_table(
        "batches",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("word", NAME, nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.UniqueConstraint("key", name="uq_batches_key"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_table(
        "shares",
        sa.Column("batch", ID, nullable=False),
        sa.Column("start", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name="fk_shares_batch", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch", "start", name="pk_shares"),
        **MYSQL,
    )
    op.create_table(
        "events",
        sa.Column("seq", ID, nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("job", ID),
        sa.Column("data", LONG, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_index("ix_events_job_seq", "events", ["job", "seq"])
    op.create_index("ix_events_owner_seq", "events", ["owner", "seq"])
    op.create_index("ix_events_time", "events", ["time"])

    op.create_table(
        "hooks",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("url", LONG, nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("wanted", LONG, nullable=False),
        sa.Column("since", ID, nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("ended", LONG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_index("ix_hooks_owner", "hooks", ["owner"])

    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("public", NAME),
        sa.Column("spec", NAME),
        sa.Column("parameters", LONG),
        sa.Column("word", NAME, nullable=False),
        sa.Column("body", LONG, nullable=False),
        sa.Column("rules", LONG),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("batch", ID),
        sa.Column("place", sa.Integer()),
        sa.Column("target", NAME),
        sa.Column("number", sa.BigInteger()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("begun", sa.Double()),
        sa.Column("ended", sa.Double()),
        sa.Column("exit", sa.Integer()),
        sa.Column("signal", sa.Integer()),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", LONG, nullable=False),
        sa.Column("wish", sa.String(length=16), nullable=False),
        sa.Column("kept", sa.String(length=16), nullable=False),
        sa.Column("left_out", LONG),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("owner", "origin", "public", name="uq_jobs_owner_origin_public"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_index("ix_jobs_batch_place", "jobs", ["batch", "place"])
    op.create_index("ix_jobs_batch_word_id", "jobs", ["batch", "word", "id"])
    op.create_index("ix_jobs_ended_begun", "jobs", ["ended", "begun"])
    op.create_index("ix_jobs_kept_id", "jobs", ["kept", "id"])
    op.create_index("ix_jobs_name_id", "jobs", ["name", "id"])
    op.create_index("ix_jobs_owner_id", "jobs", ["owner", "id"])
    op.create_index("ix_jobs_owner_state_id", "jobs", ["owner", "state", "id"])
    op.create_index("ix_jobs_spec_id", "jobs", ["spec", "id"])
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])
    op.create_index("ix_jobs_target_number", "jobs", ["target", "number"])

    op.create_table(
        "sweeps",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("first", ID, nullable=False),
        sa.Column("last", ID, nullable=False),
        sa.Column("word", NAME, nullable=False),
        sa.Column("spec", NAME),
        sa.Column("names", LONG, nullable=False),
        sa.Column("said", LONG, nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("metric", NAME),
        sa.Column("most", sa.BigInteger()),
        sa.Column("failures", sa.String(length=32)),
        sa.Column("rule", LONG),
        sa.Column("attended", sa.Boolean(), nullable=False),
        sa.Column("stopped", LONG, nullable=False),
        sa.Column("old_failed", sa.BigInteger(), nullable=False),
        sa.Column("old_ended", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
        sa.UniqueConstraint("owner", "name", name="uq_sweeps_owner_name"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_index("ix_sweeps_attended", "sweeps", ["attended"])
    op.create_index("ix_sweeps_last", "sweeps", ["last"])
    op.create_index("ix_sweeps_owner_id", "sweeps", ["owner", "id"])

    op.create_table(
        "tags",
        sa.Column("job", ID, autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_tags_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "digest", name="pk_tags"),
        **MYSQL,
    )
    op.create_index("ix_tags_digest_job", "tags", ["digest", "job"])

    op.create_table(
        "measured",
        sa.Column("job", ID, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("found", LONG, nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_measured_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", name="pk_measured"),
        **MYSQL,
    )

    op.create_table(
        "keys",
        sa.Column("owner", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("first", ID, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_keys"),
        **MYSQL,
    )
    op.create_index("ix_keys_created", "keys", ["created"])

    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("terms", LONG, nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double()),
        sa.Column("revoked", sa.Double()),
        sa.Column("used", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        **MYSQL,
    )
    op.create_index("ix_tokens_owner", "tokens", ["owner"])

    op.create_table(
        "artifacts",
        sa.Column("id", ID, nullable=False),
        sa.Column("job", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", LONG, nullable=False),
        sa.Column("mime", NAME, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("place", NAME, nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_artifacts_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("uuid", name="uq_artifacts_uuid"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_index("ix_artifacts_job_id", "artifacts", ["job", "id"])
    op.create_table(
        "outputs",
        sa.Column("job", ID, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("out", BYTES, nullable=False),
        sa.Column("is_cut", sa.Boolean(), nullable=False),
        sa.Column("err", BYTES, nullable=False),
        sa.Column("folder", LONG, nullable=False),
        sa.Column("lost", LONG, nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_outputs_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", name="pk_outputs"),
        **MYSQL,
    )

    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("hook", ID, nullable=False),
        sa.Column("event", ID, nullable=False),
        sa.Column("body", LONG, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("due", sa.Double()),
        sa.Column("why", LONG, nullable=False),
        sa.ForeignKeyConstraint(["hook"], ["hooks.id"], name="fk_deliveries_hook", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("hook", "event", name="uq_deliveries_hook_event"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_index("ix_deliveries_hook_due", "deliveries", ["hook", "due"])
    op.create_table(
        "pipelines",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("name", NAME),
        sa.Column("loose", sa.Boolean(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pipelines"),
        sa.UniqueConstraint("owner", "name", name="uq_pipelines_owner_name"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_table(
        "stages",
        sa.Column("pipeline", ID, autoincrement=False, nullable=False),
        sa.Column("stage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("lifetime", sa.Double(), nullable=False),
        sa.Column("over", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("back", sa.Integer()),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("claimed", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipelines.id"], name="fk_stages_pipeline", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pipeline", "stage", name="pk_stages"),
        **MYSQL,
    )
    op.create_table(
        "items",
        sa.Column("pipeline", ID, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("worker", NAME),
        sa.Column("word", sa.String(length=32)),
        sa.Column("due", sa.Double()),
        sa.Column("command", LONG, nullable=False),
        sa.Column("file", LONG, nullable=False),
        sa.Column("result", LONG),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipelines.id"], name="fk_items_pipeline", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pipeline", "number", name="pk_items"),
        sa.UniqueConstraint("word", name="uq_items_word"),
        **MYSQL,
    )
    op.create_index("ix_items_due", "items", ["due"])
    op.create_index("ix_items_pipeline_flagged_number", "items", ["pipeline", "flagged", "number"])
    op.create_index("ix_items_pipeline_stage_state_number", "items", ["pipeline", "stage", "state", "number"])
    op.create_index("ix_items_pipeline_worker_number", "items", ["pipeline", "worker", "number"])
    op.create_table(
        "steps",
        sa.Column("id", ID, nullable=False),
        sa.Column("pipeline", ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("who", NAME, nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=False),
        sa.Column("word", sa.String(length=32)),
        sa.Column("detail", LONG, nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline", "number"],
            ["items.pipeline", "items.number"],
            name="fk_steps_pipeline_number",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_steps"),
        sqlite_autoincrement=True,
        **MYSQL,
    )
    op.create_index("ix_steps_pipeline_number_id", "steps", ["pipeline", "number", "id"])
    op.create_index("ix_steps_word", "steps", ["word"])
