-- Who is to be erased stands in the kernel's table, as in every service. Processes of the version before go through the
-- view: it is the same table.
INSERT INTO erasing (person_id, noted_at) SELECT user_id, noted_at FROM erasure;
DROP TABLE erasure;
CREATE VIEW erasure AS SELECT person_id AS user_id, noted_at FROM erasing;
