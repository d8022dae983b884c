-- APIs as their publishers wrote them: the document, and the columns that lists filter and sort by.
CREATE TABLE api (
    tenant TEXT NOT NULL,
    id TEXT PRIMARY KEY,
    -- Counts changes of the API and of everything that belongs to it: lock, ETag and If-Match at once.
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    context TEXT NOT NULL,
    context_folded TEXT NOT NULL,
    api_version TEXT NOT NULL,
    provider TEXT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    description_folded TEXT NOT NULL,
    -- Whether the publisher made it the default version of its name.
    is_default BIGINT NOT NULL,
    -- Whether gateways serve it without a version. A new default takes over only once it is published.
    serves_default BIGINT NOT NULL,
    restricted BIGINT NOT NULL,
    last_revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Last, so that scans stop before it.
    doc TEXT NOT NULL,
    UNIQUE (tenant, name_folded, api_version),
    UNIQUE (tenant, context_folded, api_version)
);
CREATE INDEX api_created ON api (tenant, created_at);

-- Tags, roles, categories and what else an API has several of.
CREATE TABLE api_term (
    tenant TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    api TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE,
    PRIMARY KEY (tenant, field, value, api)
);
CREATE INDEX api_term_api ON api_term (api);

-- The definition, byte for byte as the publisher sent it.
CREATE TABLE api_definition (
    tenant TEXT NOT NULL,
    api TEXT PRIMARY KEY REFERENCES api (id) ON DELETE CASCADE,
    text BYTEA NOT NULL
);

CREATE TABLE lifecycle_event (
    tenant TEXT NOT NULL,
    api TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE,
    -- The API's version at that change.
    version BIGINT NOT NULL,
    previous TEXT NOT NULL,
    next TEXT NOT NULL,
    who TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (api, version)
);

CREATE TABLE api_revision (
    tenant TEXT NOT NULL,
    id TEXT PRIMARY KEY,
    api TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    definition BYTEA NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (api, number)
);

CREATE TABLE deployment (
    tenant TEXT NOT NULL,
    api TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    revision TEXT NOT NULL REFERENCES api_revision (id),
    vhost TEXT NOT NULL,
    on_devportal BIGINT NOT NULL,
    deployed_at BIGINT NOT NULL,
    PRIMARY KEY (api, environment)
);
