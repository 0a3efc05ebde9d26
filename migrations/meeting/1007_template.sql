-- Templates of one's own, beside the built-in ones.
CREATE TABLE template (
    id          uuid        PRIMARY KEY,
    owner_id    uuid        NOT NULL,
    name        text        NOT NULL,
    description text,
    -- What a meeting gets that names no title or agenda of its own.
    title       text,
    agenda      text,
    -- [{"key": "goals", "title": "Goals"}], in order.
    sections    jsonb       NOT NULL,
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX template_owner ON template (owner_id, id);

-- What a meeting keeps of the template of somebody's own that it follows; NULL: a built-in one.
ALTER TABLE meetings ADD COLUMN template jsonb;
