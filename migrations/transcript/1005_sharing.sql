-- The host shares a meeting's transcript and minutes.

-- With people who don't take part.
CREATE TABLE share_reader (
    id         uuid        NOT NULL UNIQUE,
    meeting_id uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    -- NULL when the account is gone.
    shared_by  uuid,
    shared_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (meeting_id, user_id)
);
CREATE INDEX share_reader_by_user ON share_reader (user_id, id);
CREATE INDEX share_reader_by_sharer ON share_reader (shared_by) WHERE shared_by IS NOT NULL;

-- By links: whoever has the token reads.
CREATE TABLE share_link (
    id         uuid        PRIMARY KEY,
    meeting_id uuid        NOT NULL,
    -- SHA-256 of the token, which is kept nowhere.
    token_hash bytea       NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    -- NULL when the account is gone.
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX share_link_by_meeting ON share_link (meeting_id, id);
CREATE INDEX share_link_by_creator ON share_link (created_by) WHERE created_by IS NOT NULL;
