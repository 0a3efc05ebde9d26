-- Whose account is deleted: nothing of them is written any more, whatever their last access token still allows.
CREATE TABLE departed (
    person_id uuid        PRIMARY KEY,
    noted_at  timestamptz NOT NULL DEFAULT now()
);
