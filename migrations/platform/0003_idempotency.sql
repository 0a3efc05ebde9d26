-- Repeated requests: the same key of the same viewer gives the same answer for 24 hours.
CREATE TABLE idempotency (
    viewer_id  uuid        NOT NULL,
    mutation   text        NOT NULL,
    key        text        NOT NULL,
    answer_id  uuid        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (viewer_id, mutation, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
