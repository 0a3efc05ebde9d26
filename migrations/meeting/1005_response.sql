-- What people answered to their invitation. Whoever leads a meeting attends it: for them it isn't read.
ALTER TABLE participants
    ADD COLUMN response     text NOT NULL DEFAULT 'PENDING'
        CHECK (response IN ('PENDING', 'ACCEPTED', 'DECLINED', 'TENTATIVE')),
    ADD COLUMN responded_at timestamptz;
