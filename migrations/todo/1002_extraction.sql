-- How a task's todos were found. A completed task without a row is of the time when there was only
-- the built-in engine.
CREATE TABLE extraction (
    task_id    uuid PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    engine     text NOT NULL,
    -- The engine that was asked first, when another one stood in for it.
    instead_of text
);
