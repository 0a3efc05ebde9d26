-- What this service has to know of a meeting, told by events.
CREATE TABLE meeting (
    id           uuid        PRIMARY KEY,
    title        text        NOT NULL DEFAULT '',
    ended_at     timestamptz,
    cancelled_at timestamptz
);

CREATE TABLE todo (
    id          uuid        PRIMARY KEY,
    -- NULL: somebody's own, of no meeting.
    meeting_id  uuid,
    title       text        NOT NULL,
    description text,
    status      text        NOT NULL
                CHECK (status IN ('PROPOSED', 'OPEN', 'IN_PROGRESS', 'DONE', 'CANCELLED')),
    assignee_id uuid,
    -- NULL: found in a meeting's text.
    created_by  uuid,
    due_at      timestamptz,
    priority    text        NOT NULL DEFAULT 'NORMAL'
                CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
    -- The segments of the transcript that it comes from.
    evidence    uuid[]      NOT NULL DEFAULT '{}',
    -- The task that found it.
    task_id     uuid        REFERENCES tasks (id),
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
-- Ids are UUIDv7: they sort by creation.
CREATE INDEX todo_assignee ON todo (assignee_id, id);
CREATE INDEX todo_meeting ON todo (meeting_id, id);
CREATE INDEX todo_task ON todo (task_id, id) WHERE task_id IS NOT NULL;
