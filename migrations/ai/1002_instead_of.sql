-- The engine that was asked first, when another one stood in for it.
ALTER TABLE insight ADD COLUMN instead_of text;
