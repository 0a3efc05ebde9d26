-- Whose account is deleted and who isn't out of all meetings yet.
CREATE TABLE erasure (
    user_id  uuid        PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT now()
);
