"""In the manager: what the queue's tables look like, and how each version of them is made of the one before it."""

from __future__ import annotations

from typing import Sequence, Tuple

MIGRATIONS: Tuple[Sequence[str], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL,
    spec TEXT NOT NULL,
    submitted REAL NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    slot INTEGER,
    grace REAL,
    pid INTEGER,
    started REAL,
    ended REAL,
    reason TEXT,
    exit INTEGER,
    signal INTEGER,
    detail TEXT,
    usage TEXT
)""",
        "CREATE INDEX jobs_by_state ON jobs (state, id)",
        """CREATE TABLE submits (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID""",
    ),
    (
        # Jobs with the same needs have one shape; each shape's queue is read from its front.
        "CREATE TABLE shapes (id INTEGER PRIMARY KEY, needs TEXT NOT NULL UNIQUE)",
        "INSERT INTO shapes VALUES (0, '{}')",
        "ALTER TABLE jobs ADD COLUMN shape INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX queue ON jobs (shape, priority DESC, id) WHERE state = 'queued'",
        # When a waiting job may start, if it waits for a time; and for how many others it waits.
        "ALTER TABLE jobs ADD COLUMN due REAL",
        "ALTER TABLE jobs ADD COLUMN blockers INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX dues ON jobs (due) WHERE state = 'waiting' AND due IS NOT NULL",
        """CREATE TABLE blockings (
    parent INTEGER NOT NULL, child INTEGER NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (parent, child, kind)
) WITHOUT ROWID""",
        "ALTER TABLE jobs ADD COLUMN gpus TEXT",
        "ALTER TABLE jobs ADD COLUMN name TEXT",
        "CREATE INDEX jobs_by_name ON jobs (name, id) WHERE name IS NOT NULL",
        # Attempts before the last one, whose story is the job's own.
        """CREATE TABLE attempts (
    job INTEGER NOT NULL, attempt INTEGER NOT NULL, started REAL, ended REAL, pid INTEGER, reason TEXT, exit INTEGER,
    signal INTEGER, detail TEXT, usage TEXT, gpus TEXT, PRIMARY KEY (job, attempt)
) WITHOUT ROWID""",
        "CREATE TABLE environments (digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    ),
    ("ALTER TABLE jobs ADD COLUMN paused INTEGER",),
    # Commands of a person that are still to be run, for a job's start or end.
    ("CREATE TABLE hooks (number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, job INTEGER NOT NULL)",),
    # How many attempts there had been when somebody asked for another one.
    ("ALTER TABLE jobs ADD COLUMN retried INTEGER NOT NULL DEFAULT 0",),
    # Who brought a job, where that is known: what is his is looked up by it, and what of it has not ended is counted.
    (
        "ALTER TABLE jobs ADD COLUMN submitter TEXT",
        "CREATE INDEX jobs_by_submitter ON jobs (submitter, state, id) WHERE submitter IS NOT NULL",
    ),
    (
        # By which word for several targets a job came here.
        "ALTER TABLE jobs ADD COLUMN via TEXT",
        # Jobs on their way to another queue, under one key, to be settled together. `first`: the id of the first of
        # them there; -1: they stayed; null: it is not settled yet. `movers`: the jobs of a move that is not.
        """CREATE TABLE moves (
    key TEXT PRIMARY KEY, target TEXT NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL, first INTEGER
) WITHOUT ROWID""",
        "CREATE INDEX open_moves ON moves (key) WHERE first IS NULL",
        "CREATE TABLE movers (job INTEGER PRIMARY KEY, key TEXT NOT NULL, held INTEGER NOT NULL)",
        "CREATE INDEX movers_by_key ON movers (key, job)",
    ),
    # The snapshot with which a job runs: as long as there is such a job, it is kept.
    (
        "ALTER TABLE jobs ADD COLUMN snapshot TEXT",
        "CREATE INDEX jobs_by_snapshot ON jobs (snapshot) WHERE snapshot IS NOT NULL",
    ),
    (
        # Whose sweep a job is of, and which setting it tries there; how many of each sweep are in which state, of all
        # that there ever were: triggers see to it, whoever changes a row.
        "ALTER TABLE jobs ADD COLUMN sweep TEXT",
        "ALTER TABLE jobs ADD COLUMN setting TEXT",
        "CREATE INDEX jobs_by_sweep ON jobs (sweep, state, id) WHERE sweep IS NOT NULL",
        """CREATE TABLE sweeps (
    name TEXT NOT NULL, state TEXT NOT NULL, jobs INTEGER NOT NULL, PRIMARY KEY (name, state)
) WITHOUT ROWID""",
        """CREATE TRIGGER sweep_grows AFTER INSERT ON jobs WHEN NEW.sweep IS NOT NULL BEGIN
    INSERT OR IGNORE INTO sweeps VALUES (NEW.sweep, NEW.state, 0);
    UPDATE sweeps SET jobs = jobs + 1 WHERE name = NEW.sweep AND state = NEW.state;
END""",
        """CREATE TRIGGER sweep_moves AFTER UPDATE OF state ON jobs
WHEN NEW.sweep IS NOT NULL AND NEW.state != OLD.state BEGIN
    INSERT OR IGNORE INTO sweeps VALUES (NEW.sweep, NEW.state, 0);
    UPDATE sweeps SET jobs = jobs + 1 WHERE name = NEW.sweep AND state = NEW.state;
    UPDATE sweeps SET jobs = jobs - 1 WHERE name = NEW.sweep AND state = OLD.state;
END""",
    ),
    (
        # Who has ended, while those who wait for it have not all been told: to find them takes a look at every job.
        "CREATE TABLE untold (job INTEGER PRIMARY KEY)",
        """INSERT INTO untold SELECT DISTINCT parent FROM blockings CROSS JOIN jobs ON jobs.id = parent
WHERE state IN ('succeeded', 'failed', 'timeout', 'cancelled', 'lost', 'moved')""",
    ),
    # Where others run a job, as they call it: an object of texts.
    ("ALTER TABLE jobs ADD COLUMN place TEXT", "ALTER TABLE attempts ADD COLUMN place TEXT"),
)
"""What makes schema N + 1 of schema N, in statements. A new queue goes all the way, so that way is used every day."""
