-- What somebody chose to hear of by which way, where it isn't the default.
CREATE TABLE preference (
    user_id uuid    NOT NULL,
    kind    text    NOT NULL,
    channel text    NOT NULL CHECK (channel IN ('INBOX', 'EMAIL', 'SMS', 'WEBHOOK')),
    is_on   boolean NOT NULL,
    PRIMARY KEY (user_id, kind, channel)
);

-- Where somebody has notifications sent to. The secret is needed to sign, so it can't be a hash.
CREATE TABLE webhook (
    user_id    uuid        PRIMARY KEY,
    url        text        NOT NULL,
    secret     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Whoever doesn't want something in the inbox may still be sent it.
ALTER TABLE notification ADD COLUMN in_inbox boolean NOT NULL DEFAULT true;
