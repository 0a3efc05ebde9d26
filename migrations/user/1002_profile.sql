-- Where somebody can be called, in international form (+821012345678).
ALTER TABLE users ADD COLUMN phone text;
