-- Segments in which all of five words ($2 to $6, patterns) are found, of the newest transcript of each
-- meeting that $1 takes part in or that is shared with them, the latest first, after $7.
--
-- The index is over decomposed text, since a Korean word of two syllables has no three signs composed.
-- What is found there is looked at again composed, for a syllable isn't its beginning. OFFSET 0 keeps the
-- planner from walking all segments in the order of their ids until it has found enough of them.
SELECT s.id, s.transcript_id, t.meeting_id, s.ordinal, s.speaker_id, v.label AS "speaker_label?",
       v.user_id AS "speaker_user?", v.version AS "speaker_version?", s.start_ms, s.end_ms, s.text, s.confidence, s.revision,
       s.edited_at, s.edited_by
FROM (
    SELECT s.id FROM segment s JOIN transcript t ON t.id = s.transcript_id
    WHERE normalize(lower(s.text), NFD) LIKE normalize(lower($2), NFD)
      AND normalize(lower(s.text), NFD) LIKE normalize(lower($3), NFD)
      AND normalize(lower(s.text), NFD) LIKE normalize(lower($4), NFD)
      AND normalize(lower(s.text), NFD) LIKE normalize(lower($5), NFD)
      AND normalize(lower(s.text), NFD) LIKE normalize(lower($6), NFD)
      AND normalize(lower(s.text), NFC) LIKE normalize(lower($2), NFC)
      AND normalize(lower(s.text), NFC) LIKE normalize(lower($3), NFC)
      AND normalize(lower(s.text), NFC) LIKE normalize(lower($4), NFC)
      AND normalize(lower(s.text), NFC) LIKE normalize(lower($5), NFC)
      AND normalize(lower(s.text), NFC) LIKE normalize(lower($6), NFC)
      AND t.meeting_id IN (SELECT group_id FROM membership WHERE member_id = $1
                           UNION ALL
                           SELECT meeting_id FROM share_reader WHERE user_id = $1)
      AND NOT EXISTS (SELECT 1 FROM transcript newer
                      WHERE newer.meeting_id = t.meeting_id AND newer.id > t.id)
      AND ($7::uuid IS NULL OR s.id < $7)
    OFFSET 0
) hit
JOIN segment s ON s.id = hit.id
JOIN transcript t ON t.id = s.transcript_id
LEFT JOIN speaker v ON v.id = s.speaker_id
ORDER BY s.id DESC LIMIT $8
