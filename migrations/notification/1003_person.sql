-- Whom something is about, besides whom it is told: their name is looked up when the text is made.
ALTER TABLE notification ADD COLUMN person_id uuid;
