-- Cache keys of events that were published while the cache could not be reached: a relay drops them
-- as soon as it can.
CREATE TABLE cache_undropped (
    key        text        PRIMARY KEY,
    noted_at   timestamptz NOT NULL DEFAULT now()
);
