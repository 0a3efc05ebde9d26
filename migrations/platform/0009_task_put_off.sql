-- Tasks that were put off because what they need is away: not in the queue until then.
ALTER TABLE tasks ADD COLUMN resume_at timestamptz;
CREATE INDEX tasks_put_off ON tasks (queue, resume_at)
    WHERE resume_at IS NOT NULL AND status = 'PROCESSING';
