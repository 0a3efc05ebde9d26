-- Queues: which tasks overtake, how often one was tried, and whether its worker is alive.
ALTER TABLE tasks
    ADD COLUMN priority text NOT NULL DEFAULT 'NORMAL' CHECK (priority IN ('HIGH', 'NORMAL')),
    -- Starts since it was last queued, without those that were handed back at a shutdown.
    ADD COLUMN tries    integer NOT NULL DEFAULT 0,
    -- Last sign of life of whoever works on it.
    ADD COLUMN alive_at timestamptz;

-- The full queue is decided by counting these.
CREATE INDEX tasks_pending ON tasks (queue, queued_at) WHERE status = 'PENDING';
-- Lists: the newest first.
CREATE INDEX tasks_by_typename ON tasks (typename, id);
CREATE INDEX tasks_by_requester ON tasks (requested_by, id) WHERE requested_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS membership_by_member ON membership (member_id);
