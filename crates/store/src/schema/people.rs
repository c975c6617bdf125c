//! The step that brings what people sign in with beside a password, sealed accounts, linking codes and groups.

/// One step of the migrations.
pub(crate) const PEOPLE: &str = "
CREATE TABLE passkey (
  id TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE, name TEXT NOT NULL,
  credential TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER, blocked INTEGER) STRICT;
CREATE INDEX passkey_by_user ON passkey (user);
CREATE TABLE known_browser (
  user TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE, browser BLOB NOT NULL, seen INTEGER NOT NULL,
  PRIMARY KEY (user, browser)) STRICT, WITHOUT ROWID;
ALTER TABLE grant_record ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0;

CREATE TABLE sealed_account (
  user TEXT PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE, sealed INTEGER NOT NULL, drilled INTEGER) STRICT;
CREATE TABLE seal_broken (
  number INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, at INTEGER NOT NULL, drill INTEGER NOT NULL,
  reviewed INTEGER, reviewed_by TEXT, note TEXT) STRICT;

CREATE TABLE link_code (
  digest BLOB PRIMARY KEY, api TEXT NOT NULL, patient TEXT NOT NULL, kind TEXT NOT NULL, label TEXT, made_by TEXT NOT NULL, created INTEGER NOT NULL,
  expires INTEGER NOT NULL, used INTEGER, used_by TEXT) STRICT;
CREATE INDEX link_code_by_patient ON link_code (api, patient);

CREATE TABLE preserved (
  number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL,
  by_whom TEXT NOT NULL, at INTEGER NOT NULL, held TEXT NOT NULL) STRICT;

ALTER TABLE user ADD COLUMN external_id TEXT;
ALTER TABLE user ADD COLUMN changed INTEGER;
CREATE TABLE user_group (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, external_id TEXT, created INTEGER NOT NULL,
  changed INTEGER NOT NULL) STRICT;
CREATE TABLE user_group_member (
  user_group TEXT NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
  user TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE, PRIMARY KEY (user_group, user)) STRICT;
CREATE INDEX user_group_member_by_user ON user_group_member (user);
";

/// The step that lets a code on paper say whom its holder stands for.
pub(crate) const LINKED_REPRESENTATIVES: &str = "
ALTER TABLE link_code ADD COLUMN document TEXT;
ALTER TABLE link_code ADD COLUMN born TEXT;
";
