//! The client's door: the request's walk, upstream connections, SMART endpoints over HTTP.
//!
//! The file to read first is `walk.rs`.

pub mod gateway;
pub mod settings;
pub mod smart;

mod walk;

mod answer;
mod apis;
mod ask;
mod batch;
mod bulk;
mod capability;
mod codes;
pub mod consents;
mod credentials;
mod duties;
mod facts;
mod feeds;
mod floods;
mod head;
mod headers;
mod identity;
mod issuers;
mod judge;
mod keep;
mod key_set;
mod links;
mod matching;
mod members;
mod mode;
mod narrow;
mod observe;
mod offer;
mod origins;
mod outbound;
mod outcome;
mod outside;
mod pages;
mod parameters;
mod patch;
mod path_patch;
mod reading;
mod record;
mod refill;
mod refuse;
mod rewrite;
mod safety;
mod stream;
mod transaction;
mod upstream;
mod write;

pub use floods::Floods;
pub use gateway::{Gateway, GatewayService, Rooms};
pub use reading::{AUDIT_API, AUDIT_PATH, ReadingSettings};
pub use settings::{
    ActingUserSettings, ApiSettings, ClientProof, ExchangeSettings, IssuerSettings, Limits, OauthSettings, Settings,
    UpstreamCredential, UpstreamSettings, Verification,
};
