-- What this service has to know of a meeting, told by events: what a schedule and an analysis start from.
CREATE TABLE meeting (
    id            uuid        PRIMARY KEY,
    title         text        NOT NULL DEFAULT '',
    agenda        text,
    scheduled_at  timestamptz,
    language      text,
    ended_at      timestamptz,
    cancelled_at  timestamptz,
    -- The newest text, and its key in object storage.
    transcript_id uuid,
    object_key    text,
    CHECK ((transcript_id IS NULL) = (object_key IS NULL))
);

-- What was found in a meeting's text: one of each kind, replaced when it is asked for again.
CREATE TABLE insight (
    id            uuid        PRIMARY KEY,
    meeting_id    uuid        NOT NULL,
    kind          text        NOT NULL CHECK (kind IN ('SUMMARY', 'SCHEDULE', 'ANALYSIS')),
    transcript_id uuid        NOT NULL,
    task_id       uuid        NOT NULL REFERENCES tasks (id),
    -- What found it.
    engine        text        NOT NULL,
    -- A Summary, Schedule or Analysis of the crate `text`, as JSON.
    content       jsonb       NOT NULL,
    version       integer     NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (meeting_id, kind)
);
