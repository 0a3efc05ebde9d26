-- Kernel tables: every service's database has them, before its own tables.

-- What is still to be told to the world, written in the transaction of the change itself.
CREATE TABLE outbox (
    position     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           uuid        NOT NULL UNIQUE,
    class        text        NOT NULL CHECK (class IN ('event', 'live', 'job')),
    -- Which lane of the relay publishes the row: 0..7 by the ordering key's hash, 8 for jobs.
    lane         smallint    NOT NULL CHECK (lane BETWEEN 0 AND 8),
    ordering_key uuid        NOT NULL,
    -- Without the prefix of the installation, which may differ when rows are published again.
    subject      text        NOT NULL,
    headers      jsonb       NOT NULL DEFAULT '{}',
    body         jsonb       NOT NULL,
    -- Cache keys that are dropped before the row is published.
    invalidates  text[]      NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- A row (and those behind it with the same ordering key) waits until then after a failure.
    available_at timestamptz NOT NULL DEFAULT now(),
    failures     integer     NOT NULL DEFAULT 0,
    last_error   text,
    published_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (lane, position) WHERE published_at IS NULL;
CREATE INDEX outbox_waiting_by_key ON outbox (ordering_key, position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- Which event a consumer has already handled, written in the transaction of the effect.
CREATE TABLE inbox (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received ON inbox (received_at);

-- Long work that was asked for, and its state as everybody sees it.
CREATE TABLE tasks (
    id               uuid        PRIMARY KEY,
    kind             text        NOT NULL,
    -- GraphQL type of the task, the `__typename` in events about it.
    typename         text        NOT NULL,
    status           text        NOT NULL DEFAULT 'PENDING'
                     CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    progress         integer     NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    -- How often work was started; the latest start alone may write (fencing token).
    attempts         integer     NOT NULL DEFAULT 0,
    queue            text        NOT NULL,
    job_kind         text        NOT NULL,
    -- The job that may work on it now; an older one is stale and is dropped.
    job_id           uuid        NOT NULL,
    ordering_key     uuid        NOT NULL,
    requested_by     uuid,
    input            jsonb       NOT NULL DEFAULT '{}',
    -- References that events about the task carry besides the task itself.
    changed          jsonb       NOT NULL DEFAULT '{}',
    dedupe_key       text        UNIQUE,
    error_code       text,
    error_message    text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    -- When it was last put into the queue: at creation or by a retry.
    queued_at        timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    completed_at     timestamptz,
    progress_sent_at timestamptz,
    version          bigint      NOT NULL DEFAULT 1,
    CHECK ((completed_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED'))),
    CHECK ((error_code IS NOT NULL) = (status = 'FAILED'))
);
CREATE INDEX tasks_by_ordering_key ON tasks (ordering_key, created_at);
CREATE INDEX tasks_open ON tasks (queue, queued_at) WHERE status IN ('PENDING', 'PROCESSING');

-- This service's own view of who belongs to a group, fed by events.
CREATE TABLE membership (
    group_id  uuid NOT NULL,
    member_id uuid NOT NULL,
    PRIMARY KEY (group_id, member_id)
);
