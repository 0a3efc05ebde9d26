-- What people announced, and how far the telling is.
CREATE TABLE announcement (
    id           uuid        PRIMARY KEY,
    author_id    uuid        NOT NULL,
    -- To the people of this meeting; NULL: to everybody.
    meeting_id   uuid,
    title        text        NOT NULL,
    body         text        NOT NULL,
    -- The last one who was told: people are told in the order of their ids.
    reached      uuid,
    told         integer     NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);
CREATE INDEX announcement_author ON announcement (author_id);
