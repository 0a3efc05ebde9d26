-- What this service has to know of a meeting, told by events.
CREATE TABLE meeting (
    id            uuid        PRIMARY KEY,
    title         text        NOT NULL DEFAULT '',
    -- Sections of the meeting's template in their order: [{"key": "decisions", "title": "Decisions"}].
    sections      jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(sections) = 'array'),
    -- Language of the recording as the host chose it; NULL means: find out.
    language      text,
    recording_id  uuid,
    -- Key of the recording in object storage.
    recording_key text,
    ended_at      timestamptz,
    cancelled_at  timestamptz
);

-- One run of speech to text over one recording. It belongs to a task and goes on where it stopped.
CREATE TABLE transcript (
    id           uuid        PRIMARY KEY,
    meeting_id   uuid        NOT NULL,
    task_id      uuid        NOT NULL UNIQUE REFERENCES tasks (id),
    recording_id uuid        NOT NULL,
    language     text,
    -- The whole text; NULL until the run is complete (then it is put together from segments).
    text         text,
    duration_ms  bigint      CHECK (duration_ms >= 0),
    -- Key of the immutable transcript in object storage.
    object_key   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    CHECK ((completed_at IS NULL) OR (text IS NOT NULL AND object_key IS NOT NULL))
);
CREATE INDEX transcript_by_meeting ON transcript (meeting_id, id);

CREATE TABLE segment (
    id            uuid        PRIMARY KEY,
    transcript_id uuid        NOT NULL REFERENCES transcript (id) ON DELETE CASCADE,
    -- 0, 1, 2, … in the order of the recording.
    ordinal       integer     NOT NULL CHECK (ordinal >= 0),
    speaker       text,
    start_ms      bigint      NOT NULL CHECK (start_ms >= 0),
    end_ms        bigint      NOT NULL CHECK (end_ms >= start_ms),
    text          text        NOT NULL,
    confidence    real        CHECK (confidence BETWEEN 0 AND 1),
    -- Rises with every edit.
    revision      integer     NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (transcript_id, ordinal)
);

CREATE TABLE minutes (
    id            uuid        PRIMARY KEY,
    meeting_id    uuid        NOT NULL UNIQUE,
    transcript_id uuid        NOT NULL REFERENCES transcript (id),
    status        text        NOT NULL DEFAULT 'DRAFT' CHECK (status IN ('DRAFT', 'FINAL')),
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE minutes_section (
    id         uuid    PRIMARY KEY,
    minutes_id uuid    NOT NULL REFERENCES minutes (id) ON DELETE CASCADE,
    ordinal    integer NOT NULL CHECK (ordinal >= 0),
    key        text    NOT NULL,
    title      text    NOT NULL,
    body       text    NOT NULL,
    UNIQUE (minutes_id, ordinal)
);
