-- The address book: how people are reached, told by events.
CREATE TABLE recipient (
    user_id   uuid PRIMARY KEY,
    email     text NOT NULL,
    name      text NOT NULL,
    locale    text NOT NULL,
    time_zone text NOT NULL,
    phone     text
);

-- What this service has to know of a meeting, told by events.
CREATE TABLE meeting (
    id      uuid PRIMARY KEY,
    title   text NOT NULL DEFAULT '',
    host_id uuid
);

-- The inbox of everybody. Texts are made when they are read: in the reader's language.
CREATE TABLE notification (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL,
    kind       text        NOT NULL,
    -- The event that it comes from: nobody hears of one twice.
    event_id   uuid        NOT NULL,
    -- What stands in the text: {"meeting": "Weekly", "todo": "Call them"}.
    words      jsonb       NOT NULL DEFAULT '{}',
    meeting_id uuid,
    todo_id    uuid,
    task_id    uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at    timestamptz,
    UNIQUE (event_id, user_id)
);
-- Ids are UUIDv7: they sort by creation.
CREATE INDEX notification_inbox ON notification (user_id, id DESC);
CREATE INDEX notification_unread ON notification (user_id) WHERE read_at IS NULL;
