-- What verification tasks found.
CREATE TABLE verification (
    task_id       uuid        PRIMARY KEY REFERENCES tasks (id),
    transcript_id uuid        NOT NULL REFERENCES transcript (id) ON DELETE CASCADE,
    -- As crate `transcript` writes them: [{"kind": "LOW_CONFIDENCE", "segmentId": …, "confidence": …}].
    findings      jsonb       NOT NULL CHECK (jsonb_typeof(findings) = 'array'),
    -- How many there were, those that are not kept among them.
    finding_count integer     NOT NULL CHECK (finding_count >= 0),
    created_at    timestamptz NOT NULL DEFAULT now()
);
