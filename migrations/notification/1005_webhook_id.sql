-- Tells the webhook that a request set up from one that came in its place, so that the request can be answered again.
ALTER TABLE webhook ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
