//! The one shelf: everything durable, one file per subject.
//!
//! Who can rewrite the database can make himself anybody: users, clients, agreements and grants are trusted as they
//! stand. Tokens, codes and secrets lie here as digests only, passwords as argon2id, private keys encrypted under a key
//! file beside; a copy of the database opens no door. What happened is proved in the log, whose page says who is trusted with
//! it.

pub mod agreement;
pub mod alert;
pub mod care;
pub mod client;
pub mod code;
pub mod consent;
pub mod credentials;
pub mod database;
pub mod delivery;
pub mod directory;
pub mod error;
pub mod facts;
pub mod feed;
pub mod filed;
pub mod grant;
pub mod identity;
pub mod key_file;
pub mod keys;
pub mod known_browser;
pub mod launch;
pub mod launched;
pub mod link_code;
pub mod log;
pub mod mode;
pub mod observed;
pub mod organization;
pub mod page_link;
pub mod passkey;
pub mod password;
pub mod pending;
pub mod policy_change;
pub mod preserved;
pub mod proof;
pub mod provider_session;
pub mod random;
pub mod relation;
pub mod replay;
pub mod schema;
pub mod sealed;
pub mod session;
pub mod setting;
pub mod signing_key;
pub mod suspension;
pub mod token;
pub mod user;

mod kept;

pub use database::Store;
pub use error::StoreError;
