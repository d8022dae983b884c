-- What gateways write of calls. An API without a row: nothing.
CREATE TABLE log_level (
    tenant TEXT NOT NULL,
    api TEXT NOT NULL REFERENCES api (id) ON DELETE CASCADE,
    -- Both empty: of all its calls. Else of those of one operation.
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    level TEXT NOT NULL,
    PRIMARY KEY (api, method, path)
);
