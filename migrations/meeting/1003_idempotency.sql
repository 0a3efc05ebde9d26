-- Keys of repeated requests stand in the kernel's table, as in every service. Processes of the version before write
-- through the view: it is the same table.
DROP TABLE idempotency;
ALTER TABLE idempotency_keys RENAME TO idempotency;
CREATE VIEW idempotency_keys AS
    SELECT viewer_id, mutation, key, answer_id, created_at FROM idempotency;
