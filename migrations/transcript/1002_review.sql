-- People look minutes over: they mend sections, and verify them, which locks them.

-- Who leads the meeting; NULL: not heard yet.
ALTER TABLE meeting ADD COLUMN host_id uuid;

-- Rises with every change of the minutes or of a section of theirs.
ALTER TABLE minutes
    ADD COLUMN version      integer     NOT NULL DEFAULT 1 CHECK (version > 0),
    -- When the last section was verified; NULL while they are a draft.
    ADD COLUMN finalised_at timestamptz;

ALTER TABLE minutes_section
    -- Rises with every change by a person; 1 is as drafted.
    ADD COLUMN version     integer     NOT NULL DEFAULT 1 CHECK (version > 0),
    -- When it was verified; from then on it is locked. NULL: it can be changed.
    ADD COLUMN verified_at timestamptz,
    -- By whom; NULL also when the account is gone.
    ADD COLUMN verified_by uuid,
    -- When somebody last changed its words, and who; NULL: nobody did, or the account is gone.
    ADD COLUMN edited_at   timestamptz,
    ADD COLUMN edited_by   uuid,
    ADD CONSTRAINT verified_by_somebody CHECK (verified_by IS NULL OR verified_at IS NOT NULL);
