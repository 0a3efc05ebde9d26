-- Meetings, who takes part in them, and their recordings.

CREATE TABLE meetings (
    id           uuid        PRIMARY KEY,
    title        text        NOT NULL,
    agenda       text,
    -- Spoken language (ko, en); NULL means: let the recogniser detect it.
    language     text,
    status       text        NOT NULL DEFAULT 'SCHEDULED'
        CHECK (status IN ('SCHEDULED', 'IN_PROGRESS', 'ENDED', 'MINUTES_READY', 'CANCELLED')),
    host_id      uuid        NOT NULL,
    template_id  uuid        NOT NULL,
    scheduled_at timestamptz,
    started_at   timestamptz,
    ended_at     timestamptz,
    -- The recording that the meeting ended with.
    recording_id uuid,
    version      integer     NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE participants (
    meeting_id uuid        NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
    user_id    uuid        NOT NULL,
    role       text        NOT NULL CHECK (role IN ('HOST', 'ATTENDEE')),
    -- Order in which they were invited; the host is 0.
    ordinal    integer     NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (meeting_id, user_id)
);
-- A viewer's meetings, newest first: ids are UUIDv7, so they sort by creation.
CREATE INDEX participants_user ON participants (user_id, meeting_id DESC);

CREATE TABLE recordings (
    id                 uuid        PRIMARY KEY,
    meeting_id         uuid        NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
    requested_by       uuid        NOT NULL,
    content_type       text        NOT NULL,
    size_bytes         bigint      NOT NULL CHECK (size_bytes > 0),
    status             text        NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'UPLOADED')),
    object_key         text        NOT NULL UNIQUE,
    -- The upload that may write now: its fencing token, and how long it holds without news.
    upload_attempt     uuid,
    upload_lease_until timestamptz,
    upload_expires_at  timestamptz NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    uploaded_at        timestamptz
);
CREATE INDEX recordings_meeting ON recordings (meeting_id, id);

ALTER TABLE meetings
    ADD CONSTRAINT meetings_recording FOREIGN KEY (recording_id) REFERENCES recordings (id);

-- The same key of the same viewer gives the same answer for 24 hours.
CREATE TABLE idempotency_keys (
    viewer_id  uuid        NOT NULL,
    mutation   text        NOT NULL,
    key        text        NOT NULL,
    answer_id  uuid        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (viewer_id, mutation, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
