-- Todos are found by those whose names are taken off them.
CREATE INDEX todo_author ON todo (created_by) WHERE created_by IS NOT NULL;
