CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE type_code (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE parameter_code (code INTEGER PRIMARY KEY, type BIGINT NOT NULL, name TEXT NOT NULL, UNIQUE (type, name));
CREATE TABLE word (code INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- seq 0: only referred to. live 0 with seq > 0: deleted.
CREATE TABLE resource (
    pk INTEGER PRIMARY KEY,
    type BIGINT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    live BIGINT NOT NULL,
    UNIQUE (type, id)
);
CREATE INDEX resource_live ON resource (type, pk) WHERE live = 1;
CREATE INDEX resource_updated ON resource (type, updated, pk) WHERE live = 1;

-- method: 1 created, 2 updated, 3 deleted (body empty).
CREATE TABLE version (
    seq INTEGER PRIMARY KEY,
    pk BIGINT NOT NULL,
    type BIGINT NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    method BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX version_of ON version (pk, version);
CREATE INDEX version_type ON version (type, seq);

-- slot: 0 for ordinary parameters; in a composite, which of the elements the parts belong to.
CREATE TABLE token (
    parameter BIGINT NOT NULL, code TEXT NOT NULL, pk BIGINT NOT NULL, system BIGINT NOT NULL, slot BIGINT NOT NULL,
    display BIGINT NOT NULL,
    PRIMARY KEY (parameter, code, pk, system, slot, display)
) WITHOUT ROWID;
CREATE TABLE string (
    parameter BIGINT NOT NULL, pk BIGINT NOT NULL, slot BIGINT NOT NULL, folded TEXT NOT NULL, exact TEXT NOT NULL,
    PRIMARY KEY (parameter, pk, slot, exact)
) WITHOUT ROWID;
CREATE INDEX string_folded ON string (parameter, folded, pk);
CREATE TABLE reference (
    parameter BIGINT NOT NULL, target BIGINT NOT NULL, pk BIGINT NOT NULL, slot BIGINT NOT NULL,
    PRIMARY KEY (parameter, target, pk, slot)
) WITHOUT ROWID;
CREATE INDEX reference_from ON reference (parameter, pk, target);
CREATE TABLE uri (
    parameter BIGINT NOT NULL, value TEXT NOT NULL, pk BIGINT NOT NULL, slot BIGINT NOT NULL,
    PRIMARY KEY (parameter, value, pk, slot)
) WITHOUT ROWID;
-- low included, high excluded; microseconds since 1970.
CREATE TABLE date (
    parameter BIGINT NOT NULL, pk BIGINT NOT NULL, slot BIGINT NOT NULL, low BIGINT NOT NULL, high BIGINT NOT NULL,
    PRIMARY KEY (parameter, pk, slot, low, high)
) WITHOUT ROWID;
CREATE INDEX date_low ON date (parameter, low, pk);
CREATE INDEX date_high ON date (parameter, high, pk);
-- low and high included.
CREATE TABLE number (
    parameter BIGINT NOT NULL, pk BIGINT NOT NULL, slot BIGINT NOT NULL, low DOUBLE PRECISION NOT NULL, high DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (parameter, pk, slot, low, high)
) WITHOUT ROWID;
CREATE INDEX number_low ON number (parameter, low, pk);
CREATE TABLE quantity (
    parameter BIGINT NOT NULL, pk BIGINT NOT NULL, slot BIGINT NOT NULL, low DOUBLE PRECISION NOT NULL, high DOUBLE PRECISION NOT NULL,
    system BIGINT NOT NULL, code TEXT NOT NULL, unit TEXT NOT NULL,
    PRIMARY KEY (parameter, pk, slot, low, high, system, code, unit)
) WITHOUT ROWID;
CREATE INDEX quantity_low ON quantity (parameter, low, pk);

-- content: the words beside the narrative; _content asks for both columns.
CREATE VIRTUAL TABLE words USING fts5 (narrative, content, content='', contentless_delete=1, detail=column, tokenize='unicode61 remove_diacritics 2');
-- Loading makes many small segments; merging them late is cheaper.
INSERT INTO words (words, rank) VALUES ('automerge', 16);

-- Long work that a client asked for and comes back to.
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    answer TEXT NOT NULL
);
