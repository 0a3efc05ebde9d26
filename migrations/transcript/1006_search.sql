-- Full-text search: parts of words, in Korean and English.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Decomposed, so that a Korean word of two syllables has three signs: src/store/search.sql looks for it so.
CREATE INDEX segment_search ON segment USING gin (normalize(lower(text), NFD) gin_trgm_ops);
