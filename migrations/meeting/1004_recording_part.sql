-- Recordings that come in parts while the meeting runs, and how long recordings are kept.

ALTER TABLE recordings
    -- Whether it has no file of its own, but parts; at most one of a meeting.
    ADD COLUMN parted            boolean     NOT NULL DEFAULT false,
    -- Of a part: the recording that it belongs to, its place there from 0, and where it begins in the recording as its
    -- sender says (NULL: where the part before it ends).
    ADD COLUMN part_of           uuid        REFERENCES recordings (id) ON DELETE CASCADE,
    ADD COLUMN sequence          integer     CHECK (sequence >= 0),
    ADD COLUMN start_ms          bigint      CHECK (start_ms >= 0),
    -- Of a recording in parts: how many there are, as far as somebody said so at the end, and since when no more come.
    ADD COLUMN part_count        integer     CHECK (part_count > 0),
    ADD COLUMN closed_at         timestamptz,
    -- Since when its file isn't to be had any more, and since when it isn't there either.
    ADD COLUMN deleted_at        timestamptz,
    ADD COLUMN object_deleted_at timestamptz,
    ADD CONSTRAINT recordings_part CHECK ((part_of IS NULL) = (sequence IS NULL)),
    ADD CONSTRAINT recordings_parted_whole CHECK (NOT parted OR part_of IS NULL),
    DROP CONSTRAINT recordings_size_bytes_check,
    ADD CONSTRAINT recordings_size CHECK (size_bytes > 0 OR parted);

CREATE UNIQUE INDEX recordings_parted ON recordings (meeting_id) WHERE parted;
CREATE UNIQUE INDEX recordings_sequence ON recordings (part_of, sequence) WHERE part_of IS NOT NULL;
-- What the sweeper looks for.
CREATE INDEX recordings_open ON recordings (id) WHERE parted AND closed_at IS NULL AND deleted_at IS NULL;
CREATE INDEX recordings_unsent ON recordings (upload_expires_at)
    WHERE status = 'PENDING' AND NOT parted AND deleted_at IS NULL;
CREATE INDEX recordings_removable ON recordings (deleted_at)
    WHERE deleted_at IS NOT NULL AND object_deleted_at IS NULL;

-- For how long its recordings are kept, in days; NULL: as long as the installation says.
ALTER TABLE meetings ADD COLUMN recording_retention_days integer CHECK (recording_retention_days > 0);
CREATE INDEX recordings_kept ON recordings (uploaded_at)
    WHERE status = 'UPLOADED' AND part_of IS NULL AND deleted_at IS NULL;
CREATE INDEX meetings_retention ON meetings (ended_at) WHERE recording_retention_days IS NOT NULL;
