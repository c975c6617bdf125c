//! The step that brings records about a patient, identity links, and relations that say in which API they hold.

/// Relations that said nothing of their API cannot be told apart from those of a stranger with the same id: they are
/// not carried over, and what is not known asks for a reason.
pub(crate) const FILED: &str = "
CREATE TABLE filed (
  kind TEXT NOT NULL, id TEXT NOT NULL, api TEXT NOT NULL, patient TEXT NOT NULL, from_at INTEGER NOT NULL,
  until_at INTEGER, body TEXT NOT NULL, source TEXT NOT NULL, filed_by TEXT NOT NULL, filed_at INTEGER NOT NULL,
  ended_by TEXT, ended_at INTEGER, ended_because TEXT, PRIMARY KEY (kind, id)) STRICT;
CREATE INDEX filed_by_source ON filed (kind, source);

CREATE TABLE identity (
  person TEXT NOT NULL, api TEXT NOT NULL, patient TEXT NOT NULL, system TEXT, identifier TEXT, source TEXT NOT NULL,
  from_at INTEGER NOT NULL, until_at INTEGER, wrong INTEGER NOT NULL, filed_by TEXT NOT NULL, ended_because TEXT,
  PRIMARY KEY (person, api, patient, from_at)) STRICT;
CREATE INDEX identity_by_patient ON identity (api, patient);
CREATE INDEX identity_by_source ON identity (source);

CREATE TABLE feed (name TEXT PRIMARY KEY, as_of INTEGER) STRICT;

CREATE TABLE organization_reference (
  reference TEXT PRIMARY KEY, organization TEXT NOT NULL REFERENCES organization (id)) STRICT;

DROP TABLE relation;
CREATE TABLE relation (
  api TEXT NOT NULL, practitioner TEXT NOT NULL, patient TEXT NOT NULL, kind TEXT NOT NULL, from_at INTEGER NOT NULL,
  until_at INTEGER, source TEXT NOT NULL, seen INTEGER NOT NULL,
  PRIMARY KEY (api, practitioner, patient, kind, source)) STRICT;
CREATE INDEX relation_by_patient ON relation (api, patient);
";
