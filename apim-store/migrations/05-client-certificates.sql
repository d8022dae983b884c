-- Certificates by which clients may call an API: of its draft, and of each revision a copy.
CREATE TABLE client_certificate (
    tenant TEXT NOT NULL,
    api TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE,
    -- Empty for the draft.
    revision TEXT NOT NULL,
    alias TEXT NOT NULL,
    -- PRODUCTION or SANDBOX: the endpoint it leads to.
    key_type TEXT NOT NULL,
    tier TEXT NOT NULL,
    -- SHA-256 of the certificate, in hexadecimal.
    fingerprint TEXT NOT NULL,
    -- DER.
    certificate BYTEA NOT NULL,
    PRIMARY KEY (api, revision, alias),
    UNIQUE (api, revision, fingerprint)
);
