-- Accounts and log-in sessions of the user service.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE users (
    id            uuid        PRIMARY KEY,
    -- Normalised by the service (trimmed, lower case): unique as it stands.
    email         text        NOT NULL UNIQUE,
    name          text        NOT NULL,
    locale        text        NOT NULL,
    time_zone     text        NOT NULL,
    -- PHC string ($argon2id$…): parameters travel with the hash.
    password_hash text        NOT NULL,
    roles         text[]      NOT NULL DEFAULT '{}',
    version       integer     NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- Decomposed Hangul: two syllables of a Korean name are long enough for trigrams.
CREATE INDEX users_name_search ON users USING gin (normalize(lower(name), NFD) gin_trgm_ops);

-- A session is a family of refresh tokens that rotated out of one log-in.
CREATE TABLE sessions (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE refresh_tokens (
    -- SHA-256 of the opaque token; the token itself is never stored.
    token_hash bytea       PRIMARY KEY,
    session_id uuid        NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- Set when the token was exchanged; a second exchange revokes the session.
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);
