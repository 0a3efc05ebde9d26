-- Analyses over several meetings: each belongs to whoever asked for it, and is put together from its parts when it
-- is read, so that nobody reads the part of a meeting that they don't take part in.
CREATE TABLE analysis (
    -- Also the ordering key of its task and its event.
    id           uuid        PRIMARY KEY,
    task_id      uuid        NOT NULL UNIQUE REFERENCES tasks (id),
    requested_by uuid        NOT NULL,
    version      integer     NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- When all of its parts were there; NULL until then, and nobody sees it.
    completed_at timestamptz
);
CREATE INDEX analysis_of_requester ON analysis (requested_by, id);

-- What was found in one of its meetings.
CREATE TABLE analysis_part (
    analysis_id   uuid    NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
    -- The place in which it was asked for, from 0.
    ordinal       integer NOT NULL,
    meeting_id    uuid    NOT NULL,
    -- The text that was the newest when it was asked for, and its key in object storage.
    transcript_id uuid    NOT NULL,
    object_key    text    NOT NULL,
    -- What found it, and instead of which engine; NULL until it is found.
    engine        text,
    instead_of    text,
    -- An Analysis of the crate `text`, as JSON.
    content       jsonb,
    -- The todos that weren't finished then, each with the segments that it comes from.
    open_todos    jsonb,
    PRIMARY KEY (analysis_id, ordinal),
    UNIQUE (analysis_id, meeting_id),
    CHECK ((engine IS NULL) = (content IS NULL) AND (content IS NULL) = (open_todos IS NULL))
);
