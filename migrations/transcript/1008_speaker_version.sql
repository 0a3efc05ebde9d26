-- People name speakers together: rises with every change, so that nobody's change gets lost.
ALTER TABLE speaker ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version > 0);
