//! Who may change the house's records over HTTP: decided here like everything else, as a permit or a denial.

use bascule_fhir::Timestamp;
use bascule_smart::{Scope, TokenRecord};

/// What somebody wants to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Administered {
    /// Users, clients, organizations, tokens: by a person of a role that administers.
    Records,
    /// The directory of people, by a system that feeds it (SCIM).
    Directory,
}

/// The terms.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Roles whose holders administer.
    pub roles: &'a [String],
    /// Seconds for which a proof with two factors counts.
    pub proof_seconds: i64,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdministered {
    /// The token lacks the scope.
    #[error("the scope `{0}` is needed")]
    Scope(Scope),
    /// No person stands behind the token.
    #[error("records are changed by a person: sign in, a client of its own may not")]
    NoPerson,
    /// A person stands behind a token that is for systems.
    #[error("the directory is fed by a system of its own, not by a person")]
    Person,
    /// The person's role does not administer.
    #[error("none of this person's roles administers")]
    Role,
    /// The proof of identity is too weak or too old.
    #[error("a proof with two factors from within the last {0} seconds is needed: sign in again with it")]
    Stale(i64),
}

/// A permit to change records. Only [`administer`] makes one.
///
/// ```compile_fail
/// let forged = bascule_policy::administer::MayAdminister { by: "me".to_owned(), what: bascule_policy::administer::Administered::Records };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayAdminister {
    by: String,
    what: Administered,
}

impl MayAdminister {
    /// Who, for the log.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// What may be changed.
    #[must_use]
    pub const fn what(&self) -> Administered {
        self.what
    }
}

/// Decides. `proved` is when the person last showed two factors, if they did.
///
/// # Errors
/// [`NotAdministered`], by the first thing that is amiss.
pub fn administer(
    token: &TokenRecord,
    proved: Option<Timestamp>,
    what: Administered,
    terms: Terms<'_>,
    now: Timestamp,
) -> Result<MayAdminister, NotAdministered> {
    let scope = match what {
        Administered::Records => Scope::Administer,
        Administered::Directory => Scope::Provision,
    };
    if !token.scopes.has(&scope) {
        return Err(NotAdministered::Scope(scope));
    }
    match (what, &token.user) {
        (Administered::Directory, None) => Ok(MayAdminister { by: format!("client {}", token.client), what }),
        (Administered::Directory, Some(_)) => Err(NotAdministered::Person),
        (Administered::Records, None) => Err(NotAdministered::NoPerson),
        (Administered::Records, Some(user)) => {
            if !token.roles.iter().any(|role| terms.roles.contains(role)) {
                return Err(NotAdministered::Role);
            }
            let fresh = proved.is_some_and(|at| at.plus_seconds(terms.proof_seconds) >= now);
            if !fresh {
                return Err(NotAdministered::Stale(terms.proof_seconds));
            }
            Ok(MayAdminister { by: format!("user {user} by {}", token.client), what })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn check(scope: &str, user: Option<&str>, role: &str, proved: Option<i64>, what: Administered) -> String {
        let token = TokenRecord {
            token_id: "t".into(),
            client: "c".into(),
            organization: None,
            apis: vec!["ehr".into()],
            scopes: scope.parse().unwrap(),
            roles: vec![role.into()],
            user: user.map(str::to_owned),
            fhir_user: None,
            patient: None,
            encounter: None,
            purpose: None,
            expires: NOW,
            active: true,
            origin: bascule_smart::Origin::default(),
        };
        let roles = ["administrator".to_owned()];
        let terms = Terms { roles: &roles, proof_seconds: 600 };
        let proved = proved.map(|ago| NOW.plus_seconds(-ago));
        match administer(&token, proved, what, terms, NOW) {
            Ok(permit) => format!("permit: {}", permit.by()),
            Err(denial) => format!("refuse: {denial}"),
        }
    }

    #[test]
    fn records_are_changed_by_an_administrator_with_a_fresh_proof() {
        use Administered::Records;
        let yes = check("bascule/administer", Some("u"), "administrator", Some(600), Records);
        assert_eq!(yes, "permit: user u by c");
        for (said, refused) in [
            ("scope", check("openid user/*.cruds", Some("u"), "administrator", Some(0), Records)),
            ("scope", check("bascule/provision", Some("u"), "administrator", Some(0), Records)),
            ("by a person", check("bascule/administer", None, "administrator", Some(0), Records)),
            ("roles", check("bascule/administer", Some("u"), "physician", Some(0), Records)),
            ("two factors", check("bascule/administer", Some("u"), "administrator", Some(601), Records)),
            ("two factors", check("bascule/administer", Some("u"), "administrator", None, Records)),
        ] {
            assert!(refused.starts_with("refuse") && refused.contains(said), "{said}: {refused}");
        }
    }

    #[test]
    fn the_directory_is_fed_by_a_system_only() {
        use Administered::Directory;
        assert_eq!(check("bascule/provision", None, "x", None, Directory), "permit: client c");
        assert!(check("bascule/provision", Some("u"), "administrator", Some(0), Directory).starts_with("refuse"));
        assert!(check("bascule/administer", None, "administrator", Some(0), Directory).starts_with("refuse"));
    }
}
