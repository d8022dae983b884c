-- Whom the key manager knows: users, OAuth clients, grants, signing keys, revocations.
CREATE TABLE app_user (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    locked BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE user_role (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- As the publisher wrote them.
    position BIGINT NOT NULL,
    PRIMARY KEY (tenant, name, role),
    FOREIGN KEY (tenant, name) REFERENCES app_user (tenant, name) ON DELETE CASCADE
);

CREATE TABLE client (
    tenant TEXT NOT NULL,
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (tenant, owner, name)
);

CREATE TABLE auth_code (
    tenant TEXT NOT NULL,
    hash TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0,
    doc TEXT NOT NULL
);
CREATE INDEX auth_code_client ON auth_code (client);
CREATE INDEX auth_code_expiry ON auth_code (expires_at);

CREATE TABLE refresh_token (
    tenant TEXT NOT NULL,
    hash TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    family TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0,
    doc TEXT NOT NULL
);
CREATE INDEX refresh_token_family ON refresh_token (tenant, family);
CREATE INDEX refresh_token_client ON refresh_token (client);
CREATE INDEX refresh_token_expiry ON refresh_token (expires_at);

CREATE TABLE signing_key (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    private BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE revocation (
    tenant TEXT NOT NULL,
    -- What is revoked: token, client or user.
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    -- Of two revocations of one thing, the later moment refuses more.
    moment BIGINT NOT NULL,
    -- When the revocation is moot; none: never.
    expires_at BIGINT,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, id)
);
CREATE INDEX revocation_id ON revocation (kind, id);
CREATE INDEX revocation_expiry ON revocation (expires_at);

-- Which roles may have a scope of an API; the REST contracts' own scopes are in the program.
CREATE TABLE scope (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- `shared`, or `local` to one API.
    kind TEXT NOT NULL,
    -- The API it is local to.
    api TEXT,
    id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- A JSON list; empty: everybody.
    roles TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);
CREATE INDEX scope_api ON scope (tenant, api);
