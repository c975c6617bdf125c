//! The shape of the database: each migration brings it one step forward, none goes back. A step that was released is
//! never edited; a change is a new step.

mod filed;
mod people;

/// The steps, in order. `user_version` counts those that were taken.
pub(crate) const MIGRATIONS: &[&str] = &[
    FIRST,
    crate::policy_change::SHAPE,
    people::PEOPLE,
    crate::care::SHAPE,
    crate::observed::SHAPE,
    filed::FILED,
    FEDERATION,
    people::LINKED_REPRESENTATIVES,
];

const FIRST: &str = "
CREATE TABLE migration (shape INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE policy_acceptance (
  policy_hash TEXT NOT NULL, accepted_by TEXT NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (policy_hash, accepted_by)) STRICT;

CREATE TABLE organization (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT, class TEXT, verified INTEGER, status TEXT NOT NULL,
  created INTEGER NOT NULL) STRICT;
CREATE TABLE agreement (
  id TEXT PRIMARY KEY, organization TEXT NOT NULL REFERENCES organization (id), kind TEXT NOT NULL,
  from_at INTEGER NOT NULL, until_at INTEGER, purposes TEXT NOT NULL, citation TEXT) STRICT;
CREATE INDEX agreement_by_organization ON agreement (organization);
CREATE TABLE relation (
  practitioner TEXT NOT NULL, patient TEXT NOT NULL, kind TEXT NOT NULL, from_at INTEGER NOT NULL,
  until_at INTEGER, source TEXT NOT NULL, seen INTEGER NOT NULL,
  PRIMARY KEY (practitioner, patient, kind, source)) STRICT;
CREATE INDEX relation_by_patient ON relation (patient);

CREATE TABLE user (
  id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT NOT NULL, email TEXT,
  password TEXT, roles TEXT NOT NULL, fhir_user TEXT, status TEXT NOT NULL, external_issuer TEXT,
  external_subject TEXT, second_factor BLOB, second_factor_step INTEGER, created INTEGER NOT NULL,
  UNIQUE (external_issuer, external_subject)) STRICT;
CREATE TABLE user_patient (
  user TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE, api TEXT NOT NULL, patient TEXT NOT NULL,
  label TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (user, api, patient)) STRICT;

CREATE TABLE client (
  id TEXT PRIMARY KEY, organization TEXT REFERENCES organization (id), metadata TEXT NOT NULL,
  roles TEXT NOT NULL, status TEXT NOT NULL, created INTEGER NOT NULL) STRICT;
CREATE TABLE client_secret (
  client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE, digest BLOB NOT NULL, created INTEGER NOT NULL,
  until_at INTEGER, PRIMARY KEY (client, digest)) STRICT;

CREATE TABLE session (
  digest BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, created INTEGER NOT NULL,
  seen INTEGER NOT NULL, authenticated INTEGER NOT NULL, second_factor INTEGER NOT NULL, ended INTEGER) STRICT;
CREATE INDEX session_by_user ON session (user);

CREATE TABLE grant_record (
  id TEXT PRIMARY KEY, client TEXT NOT NULL, user TEXT, apis TEXT NOT NULL, scopes TEXT NOT NULL, patient TEXT,
  encounter TEXT, context TEXT NOT NULL, purpose TEXT, session TEXT, authenticated INTEGER, nonce TEXT,
  binding TEXT, created INTEGER NOT NULL, used INTEGER NOT NULL, ended INTEGER, ended_because TEXT) STRICT;
CREATE INDEX grant_by_user ON grant_record (user);
CREATE INDEX grant_by_client ON grant_record (client);
CREATE INDEX grant_by_session ON grant_record (session);
CREATE TABLE access_token (
  digest BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, grant_id TEXT NOT NULL, scopes TEXT NOT NULL,
  issued INTEGER NOT NULL, expires INTEGER NOT NULL, ended INTEGER) STRICT;
CREATE INDEX access_token_by_grant ON access_token (grant_id);
CREATE INDEX access_token_by_expiry ON access_token (expires);
CREATE TABLE refresh_token (
  digest BLOB PRIMARY KEY, grant_id TEXT NOT NULL, issued INTEGER NOT NULL, expires INTEGER NOT NULL,
  used INTEGER) STRICT;
CREATE INDEX refresh_token_by_grant ON refresh_token (grant_id);
CREATE TABLE code (
  digest BLOB PRIMARY KEY, client TEXT NOT NULL, grant_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
  challenge TEXT NOT NULL, dpop_key TEXT, expires INTEGER NOT NULL, used INTEGER) STRICT;
CREATE INDEX code_by_grant ON code (grant_id);
CREATE TABLE pending (
  digest BLOB PRIMARY KEY, kind TEXT NOT NULL, client TEXT NOT NULL, body TEXT NOT NULL, browser BLOB,
  expires INTEGER NOT NULL) STRICT;
CREATE TABLE launch (
  digest BLOB PRIMARY KEY, body TEXT NOT NULL, expires INTEGER NOT NULL, used INTEGER) STRICT;
CREATE TABLE consent (
  user TEXT NOT NULL, client TEXT NOT NULL, api TEXT NOT NULL, patient TEXT NOT NULL, scopes TEXT NOT NULL,
  at INTEGER NOT NULL, ended INTEGER, PRIMARY KEY (user, client, api, patient)) STRICT;

CREATE TABLE replay (
  issuer TEXT NOT NULL, identifier TEXT NOT NULL, until_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, identifier)) STRICT, WITHOUT ROWID;
CREATE TABLE signing_key (
  id TEXT PRIMARY KEY, algorithm TEXT NOT NULL, public TEXT NOT NULL, private BLOB NOT NULL,
  use_from INTEGER NOT NULL, publish_until INTEGER) STRICT;
CREATE TABLE page_link (
  digest BLOB PRIMARY KEY, token TEXT NOT NULL, api TEXT NOT NULL, target TEXT NOT NULL,
  expires INTEGER NOT NULL) STRICT;
CREATE TABLE alert (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, rule TEXT NOT NULL, severity TEXT NOT NULL,
  client TEXT, user TEXT, api TEXT, said TEXT NOT NULL, acknowledged INTEGER, acknowledged_by TEXT) STRICT;
";

/// Sessions that began at another provider, and what EHRs gave when they launched an app through the bridge.
const FEDERATION: &str = "
CREATE TABLE provider_session (
  session TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL, sid TEXT, refresh BLOB,
  checked INTEGER NOT NULL) STRICT;
CREATE INDEX provider_session_by_subject ON provider_session (issuer, subject);
CREATE INDEX provider_session_by_sid ON provider_session (issuer, sid);
CREATE INDEX provider_session_by_check ON provider_session (issuer, checked);
CREATE TABLE launched (
  session TEXT NOT NULL, provider TEXT NOT NULL, patient TEXT NOT NULL, encounter TEXT, access BLOB NOT NULL,
  expires INTEGER NOT NULL, refresh BLOB, at INTEGER NOT NULL, PRIMARY KEY (session, provider, patient)) STRICT;
";

/// What is forgotten once it is past its time: a day later, so that a late replay is still told from a guess.
pub(crate) const SWEEP: &[&str] = &[
    "DELETE FROM access_token WHERE expires < ?1 - 86400000000",
    "DELETE FROM refresh_token WHERE expires < ?1 - 86400000000",
    "DELETE FROM code WHERE expires < ?1 - 86400000000",
    "DELETE FROM pending WHERE expires < ?1",
    "DELETE FROM launch WHERE expires < ?1 - 86400000000",
    "DELETE FROM replay WHERE until_at < ?1",
    "DELETE FROM page_link WHERE expires < ?1",
    "DELETE FROM launched WHERE expires < ?1 - 86400000000",
    "DELETE FROM provider_session WHERE checked < ?1 - 2592000000000
       AND NOT EXISTS (SELECT 1 FROM session s WHERE s.id = provider_session.session)
       AND NOT EXISTS (SELECT 1 FROM grant_record g WHERE g.session = provider_session.session)",
    "DELETE FROM session WHERE seen < ?1 - 2592000000000",
    "DELETE FROM grant_record WHERE used < ?1 - 86400000000
       AND NOT EXISTS (SELECT 1 FROM access_token t WHERE t.grant_id = grant_record.id)
       AND NOT EXISTS (SELECT 1 FROM refresh_token r WHERE r.grant_id = grant_record.id)
       AND NOT EXISTS (SELECT 1 FROM code c WHERE c.grant_id = grant_record.id)",
];
