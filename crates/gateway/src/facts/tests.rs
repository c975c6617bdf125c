//! What is gathered from a real shelf, and that it is asked once.

mod closed;
mod gathered;

use std::sync::LazyLock;

use bascule_fhir::{Id, ResourceType, Timestamp};
use bascule_policy::party::{Consent, Organization};
use bascule_policy::record::{Authorization, Hold, Period, Representation, Restriction};
use bascule_policy::{Facts, Needs, Policy};
use bascule_store::Store;
use bascule_store::filed::{Ended, Filed, Kind, Record, Represented};

use super::*;

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// A shelf in a folder of its own.
pub(super) struct House {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) about_all: AboutAll,
    pub(super) feeds: ConsentFeeds,
    pub(super) policy: &'static Policy,
}

pub(super) fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("bascule.db"), NOW).unwrap();
    let organization = Organization {
        id: "house".into(),
        name: "Mercy".into(),
        address: None,
        class: Some("workforce".into()),
        verified: None,
    };
    store.add_organization(&organization, NOW).unwrap();
    static SHIPPED: LazyLock<Policy> = LazyLock::new(|| bascule_policy::shipped::policy().unwrap());
    let policy = &SHIPPED;
    House { folder, store, about_all: AboutAll::default(), feeds: ConsentFeeds::new(), policy }
}

pub(super) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

pub(super) fn kind(text: &str) -> ResourceType {
    ResourceType::parse(text).unwrap()
}

pub(super) const ALWAYS: Period = Period { from: Timestamp::from_seconds(0), until: None };

pub(super) fn consent(patient: &str, permit: bool) -> Consent {
    Consent {
        patient: id(patient),
        permit,
        actors: Vec::new(),
        from: ALWAYS.from,
        until: None,
        types: Vec::new(),
        items: Vec::new(),
        purposes: Vec::new(),
        labels: Vec::new(),
        exceptions: Vec::new(),
    }
}

pub(super) fn restriction(patient: &str) -> Record {
    Record::Restriction(Restriction {
        id: "r".into(),
        patient: id(patient),
        towards: Vec::new(),
        health_plans: false,
        purposes: Vec::new(),
        types: Vec::new(),
        labels: Vec::new(),
        period: ALWAYS,
    })
}

pub(super) fn authorization(patient: &str) -> Record {
    Record::Authorization(Authorization {
        id: "a".into(),
        patient: id(patient),
        recipient: "house".into(),
        psychotherapy_notes: true,
        period: ALWAYS,
    })
}

pub(super) fn representation(patient: &str, born: Option<&str>) -> Record {
    let record = Representation {
        id: "p".into(),
        user: "amal".into(),
        patient: id(patient),
        basis: "parent".into(),
        document: "certificate".into(),
        scope: Vec::new(),
        period: ALWAYS,
        verified_by: "registrar".into(),
        suspended: false,
    };
    let born = born.and_then(bascule_store::filed::Born::parse);
    Record::Representation(Represented { record, label: "Ana".into(), born })
}

pub(super) fn hold(patient: &str, item: &str) -> Record {
    Record::Hold(Hold {
        id: "h".into(),
        patient: id(patient),
        item: (kind("Observation"), id(item)),
        ground: "164.524(a)(3)(i)".into(),
        by: "Practitioner/d1".into(),
        from: ALWAYS.from,
        until: NOW.plus_seconds(3_600),
        review: NOW,
    })
}

impl House {
    pub(super) fn file(&self, name: &str, api: &str, record: Record) {
        let filed = Filed {
            id: name.into(),
            api: api.into(),
            record,
            source: "registrar".into(),
            filed_by: "uid 0".into(),
            filed_at: NOW,
            ended: None,
        };
        self.store.file(&filed).unwrap();
    }

    pub(super) fn end(&self, kind: Kind, name: &str) {
        let ended = Ended { by: "uid 0".into(), at: NOW, because: "test".into() };
        self.store.end_filed(kind, name, &ended).unwrap();
    }

    pub(super) fn link(&self, one: (&str, &str), other: (&str, &str)) {
        let of = |(api, patient): (&str, &str)| (api.to_owned(), id(patient));
        self.store.link(&of(one), &of(other), None, "registrar", "uid 0", ALWAYS.from).unwrap();
    }

    pub(super) fn unlink(&self, (api, patient): (&str, &str), wrong: bool, at: Timestamp) {
        self.store.unlink(&(api.to_owned(), id(patient)), wrong, "test", at).unwrap();
    }

    /// What is gathered for a request at `api` with a token whose ids count in `home`.
    pub(super) fn gather(&self, api: &str, home: &str, needs: &Needs) -> Facts {
        let shelf = Shelf { store: &self.store, about_all: &self.about_all, feeds: &self.feeds };
        gather(&shelf, needs, &Question { api, home, settings: self.policy.settings(), now: NOW })
    }

    /// Makes a table unreadable, behind the shelf's back.
    pub(super) fn break_table(&self, table: &str) {
        let connection = rusqlite::Connection::open(self.folder.path().join("bascule.db")).unwrap();
        connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; DROP TABLE {table}")).unwrap();
    }
}
