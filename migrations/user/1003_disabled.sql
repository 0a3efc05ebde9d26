-- Accounts that an administrator shut: who has one can't log in, and loses every session.
ALTER TABLE users ADD COLUMN disabled_at timestamptz;
-- Who administers: few of many.
CREATE INDEX users_roles ON users USING gin (roles) WHERE roles <> '{}';
