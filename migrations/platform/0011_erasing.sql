-- Whose account is deleted, and of whom this service still holds something.
CREATE TABLE erasing (
    person_id uuid        PRIMARY KEY,
    noted_at  timestamptz NOT NULL DEFAULT now()
);
