//! SCIM 2.0 (RFC 7643, RFC 7644): a directory of people feeds ours, so that who leaves there may do nothing here from the
//! next request on. Only a system client with the scope `bascule/provision` may; it needs no person.

mod error;
mod filter;
mod group;
mod http;
mod patch;
mod schema;
mod user;

use std::collections::BTreeMap;

pub(crate) use self::http::router;

/// Which groups give which roles. A group that is not named here gives none.
pub(crate) type RolesOfGroups = BTreeMap<String, Vec<String>>;

/// Where the endpoints stand below the bridge's address.
pub(crate) const BASE: &str = "/scim/v2";
