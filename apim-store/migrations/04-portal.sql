-- The developers' side: applications, what they subscribed to, and their keys.
CREATE TABLE application (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    policy TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, owner, name)
);

CREATE TABLE subscription (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    application TEXT NOT NULL,
    api TEXT NOT NULL,
    plan TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, application, api),
    FOREIGN KEY (tenant, application) REFERENCES application (tenant, id) ON DELETE CASCADE
);
CREATE INDEX subscription_api ON subscription (tenant, api);

-- Which OAuth client of which key manager speaks for an application.
CREATE TABLE key_mapping (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    application TEXT NOT NULL,
    key_manager TEXT NOT NULL,
    key_type TEXT NOT NULL,
    client TEXT NOT NULL,
    -- CREATED by us, or MAPPED: registered elsewhere.
    mode TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, application, key_manager, key_type),
    -- One client speaks for one application; client ids are unique over all tenants.
    UNIQUE (key_manager, client),
    FOREIGN KEY (tenant, application) REFERENCES application (tenant, id) ON DELETE CASCADE
);

CREATE TABLE api_key (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    application TEXT NOT NULL,
    -- Who made it; only they see it.
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    key_type TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, application) REFERENCES application (tenant, id) ON DELETE CASCADE
);
CREATE INDEX api_key_application ON api_key (tenant, application);

-- The administrators' side.
CREATE TABLE policy (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- application, subscription or advanced.
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, kind, name)
);

CREATE TABLE deny (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- The condition's value, in one spelling, so that the same is not denied twice.
    value TEXT NOT NULL,
    active BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, kind, value)
);

CREATE TABLE role (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);
