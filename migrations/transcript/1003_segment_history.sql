-- People mend what was recognised, and say who speaks.

-- A voice in a recording, as people name it. (The column segment.speaker of before was never filled;
-- versions that run beside this one still read it.)
CREATE TABLE speaker (
    id            uuid        PRIMARY KEY,
    transcript_id uuid        NOT NULL REFERENCES transcript (id) ON DELETE CASCADE,
    label         text        NOT NULL,
    -- Whose voice it is, if somebody said so and the account is there.
    user_id       uuid,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (transcript_id, label)
);
CREATE INDEX speaker_by_user ON speaker (user_id) WHERE user_id IS NOT NULL;

ALTER TABLE segment
    ADD COLUMN speaker_id uuid REFERENCES speaker (id),
    -- When it got its present words, and from whom; NULL: as recognised, or the account is gone.
    ADD COLUMN edited_at  timestamptz,
    ADD COLUMN edited_by  uuid;
CREATE INDEX segment_by_editor ON segment (edited_by) WHERE edited_by IS NOT NULL;

-- What a segment was before it was edited: revision 0 is as recognised.
CREATE TABLE segment_revision (
    id         uuid        PRIMARY KEY,
    segment_id uuid        NOT NULL REFERENCES segment (id) ON DELETE CASCADE,
    revision   integer     NOT NULL CHECK (revision >= 0),
    text       text        NOT NULL,
    -- What the speaker was called then.
    speaker    text,
    edited_at  timestamptz,
    edited_by  uuid,
    UNIQUE (segment_id, revision)
);
CREATE INDEX segment_revision_by_editor ON segment_revision (edited_by) WHERE edited_by IS NOT NULL;
