-- Recordings as their events tell of them: in parts while the meeting runs, and deleted ones.

CREATE TABLE recording (
    id         uuid        PRIMARY KEY,
    meeting_id uuid        NOT NULL,
    -- Of one in parts: since when no more come, and the places of those that never did.
    closed_at  timestamptz,
    missing    integer[]   NOT NULL DEFAULT '{}',
    -- Since when its file isn't kept any more.
    deleted_at timestamptz
);

CREATE TABLE recording_part (
    recording_id uuid        NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    -- Place in the recording. The segments of a part have ordinals of their own range.
    sequence     integer     NOT NULL CHECK (sequence BETWEEN 0 AND 9999),
    object_key   text        NOT NULL,
    -- Where it begins in the recording as its sender says; NULL: where the part before it ends.
    start_ms     bigint      CHECK (start_ms >= 0),
    -- Where it was put, since its recognition began.
    offset_ms    bigint      CHECK (offset_ms >= 0),
    -- How much of it is stored as segments: where another attempt goes on.
    heard_ms     bigint      NOT NULL DEFAULT 0 CHECK (heard_ms >= 0),
    -- What came of it: its length, and the code of what was wrong with it, if anything was.
    duration_ms  bigint      CHECK (duration_ms >= 0),
    problem      text,
    done_at      timestamptz,
    PRIMARY KEY (recording_id, sequence),
    CHECK (done_at IS NULL OR (offset_ms IS NOT NULL AND duration_ms IS NOT NULL))
);
