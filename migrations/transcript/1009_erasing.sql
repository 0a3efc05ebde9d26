-- Sections are found by those whose names are taken off them.
CREATE INDEX minutes_section_by_verifier ON minutes_section (verified_by) WHERE verified_by IS NOT NULL;
CREATE INDEX minutes_section_by_editor ON minutes_section (edited_by) WHERE edited_by IS NOT NULL;
