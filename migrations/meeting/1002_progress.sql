-- How far what comes after a meeting is, told by other services' events.
ALTER TABLE meetings
    ADD COLUMN minutes_verified_at timestamptz,
    ADD COLUMN minutes_shared_at   timestamptz,
    -- Of its todos: how many are done, and how many there are.
    ADD COLUMN todo_done           integer NOT NULL DEFAULT 0,
    ADD COLUMN todo_total          integer NOT NULL DEFAULT 0;
