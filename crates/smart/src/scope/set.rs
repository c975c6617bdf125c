//! Sets of scopes: what is allowed of what is asked, and whether one set lies within another.

use super::{Context, Rights, Scope, Scopes};

impl Rights {
    /// `rs`, v1 `read`.
    pub const READ: Self = Self { create: false, read: true, update: false, delete: false, search: true };
    /// `cud`, v1 `write`.
    pub const WRITE: Self = Self { create: true, read: false, update: true, delete: true, search: false };
    /// `cruds`, v1 `*`.
    pub const ALL: Self = Self { create: true, read: true, update: true, delete: true, search: true };

    /// The rights that both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            create: self.create && other.create,
            read: self.read && other.read,
            update: self.update && other.update,
            delete: self.delete && other.delete,
            search: self.search && other.search,
        }
    }

    /// The rights that either has.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            create: self.create || other.create,
            read: self.read || other.read,
            update: self.update || other.update,
            delete: self.delete || other.delete,
            search: self.search || other.search,
        }
    }

    /// Whether it is no right at all.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Whether something may be changed.
    #[must_use]
    pub const fn writes(self) -> bool {
        self.create || self.update || self.delete
    }
}

impl Scope {
    /// The part of this scope that `allowed` lets through; a wildcard shrinks to the allowed type, a granular part
    /// is added to one's own.
    fn within(&self, allowed: &Self) -> Option<Self> {
        let (
            Self::Resource { context, resource, rights, narrowing, v1 },
            Self::Resource { context: may, resource: type_allowed, rights: rights_allowed, narrowing: extra, .. },
        ) = (self, allowed)
        else {
            return (self == allowed).then(|| self.clone());
        };
        let resource = match (resource, type_allowed) {
            (asked, None) => *asked,
            (None, some) => *some,
            (asked, some) if asked == some => *asked,
            _ => return None,
        };
        let rights = rights.and(*rights_allowed);
        if context != may || rights.is_none() {
            return None;
        }
        let mut narrowing = narrowing.clone();
        narrowing.extend(extra.iter().filter(|pair| !narrowing.contains(pair)).cloned().collect::<Vec<_>>());
        Some(Self::Resource { context: *context, resource, rights, narrowing, v1: *v1 })
    }

    /// Whether every access under `other` is one under this scope.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (
            Self::Resource { context, resource, rights, narrowing, .. },
            Self::Resource { context: c, resource: r, rights: asked, narrowing: n, .. },
        ) = (self, other)
        else {
            return self == other;
        };
        context == c
            && (resource.is_none() || resource == r)
            && rights.and(*asked) == *asked
            && narrowing.iter().all(|pair| n.contains(pair))
    }

    /// Whether it is about resources, not about identity, launch or refresh.
    #[must_use]
    pub const fn is_resource(&self) -> bool {
        matches!(self, Self::Resource { .. })
    }

    fn one_right_each(&self) -> Vec<Self> {
        let Self::Resource { context, resource, rights, narrowing, v1 } = self else { return vec![self.clone()] };
        let none = Rights::default();
        [
            Rights { create: true, ..none },
            Rights { read: true, ..none },
            Rights { update: true, ..none },
            Rights { delete: true, ..none },
            Rights { search: true, ..none },
        ]
        .into_iter()
        .filter(|single| !rights.and(*single).is_none())
        .map(|rights| Self::Resource {
            context: *context,
            resource: *resource,
            rights,
            narrowing: narrowing.clone(),
            v1: *v1,
        })
        .collect()
    }

    /// Joins the rights of two scopes that differ in nothing else.
    fn joined(&self, other: &Self) -> Option<Self> {
        let (
            Self::Resource { context, resource, rights, narrowing, v1 },
            Self::Resource { context: c, resource: r, rights: more, narrowing: n, v1: w },
        ) = (self, other)
        else {
            return (self == other).then(|| self.clone());
        };
        ((context, resource, narrowing, v1) == (c, r, n, w)).then(|| Self::Resource {
            context: *context,
            resource: *resource,
            rights: rights.or(*more),
            narrowing: narrowing.clone(),
            v1: *v1,
        })
    }
}

impl Scopes {
    /// What `allowed` lets through of these, in their order.
    #[must_use]
    pub fn intersect(&self, allowed: &Self) -> Self {
        let mut out = Self::default();
        for asked in &self.0 {
            let mut parts: Vec<Scope> = Vec::new();
            for part in allowed.0.iter().filter_map(|allowed| asked.within(allowed)) {
                match parts.iter_mut().find_map(|known| known.joined(&part).map(|joined| (known, joined))) {
                    Some((known, joined)) => *known = joined,
                    None => parts.push(part),
                }
            }
            let widest: Vec<Scope> = parts
                .iter()
                .enumerate()
                .filter(|(at, part)| !parts.iter().enumerate().any(|(other, by)| covered(by, other, part, *at)))
                .map(|(_, part)| part.clone())
                .collect();
            widest.into_iter().for_each(|part| out.add(part));
        }
        out
    }

    /// Whether every access under these is one under `granted`.
    #[must_use]
    pub fn is_within(&self, granted: &Self) -> bool {
        self.0.iter().flat_map(Scope::one_right_each).all(|asked| granted.0.iter().any(|scope| scope.covers(&asked)))
    }

    /// Adds a scope once.
    pub fn add(&mut self, scope: Scope) {
        if !self.0.contains(&scope) {
            self.0.push(scope);
        }
    }

    /// Whether it holds exactly this scope.
    #[must_use]
    pub fn has(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// The scopes about resources.
    pub fn resources(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter().filter(|scope| scope.is_resource())
    }

    /// Whether some resource scope is of this context.
    #[must_use]
    pub fn has_context(&self, wanted: Context) -> bool {
        self.0.iter().any(|scope| matches!(scope, Scope::Resource { context, .. } if *context == wanted))
    }

    /// Those for which `keep` says so.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Scope) -> bool) -> Self {
        Self(self.0.iter().filter(|scope| keep(scope)).cloned().collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether `by` (at `other`) makes `part` (at `at`) superfluous; of two that cover each other the first stays.
fn covered(by: &Scope, other: usize, part: &Scope, at: usize) -> bool {
    other != at && by.covers(part) && (other < at || !part.covers(by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(asked: &str, allowed: &str, granted: &str) {
        let (asked, allowed): (Scopes, Scopes) = (asked.parse().unwrap(), allowed.parse().unwrap());
        assert_eq!(asked.intersect(&allowed).to_string(), granted);
    }

    #[test]
    fn what_is_allowed_of_what_is_asked() {
        check("patient/Observation.rs openid", "patient/*.rs openid", "patient/Observation.rs openid");
        check("patient/*.rs", "patient/Observation.rs patient/Patient.r", "patient/Observation.rs patient/Patient.r");
        check("patient/*.cruds", "patient/*.rs patient/Observation.rs", "patient/*.rs");
        check("patient/Observation.rs", "patient/Observation.r patient/Observation.s", "patient/Observation.rs");
        check("patient/Observation.read", "patient/*.cruds", "patient/Observation.read");
        check("patient/Observation.read", "patient/Observation.r", "patient/Observation.r");
        check("patient/Observation.*", "patient/Observation.rs", "patient/Observation.read");
        check("user/Observation.rs", "patient/Observation.rs", "");
        check("launch", "launch/patient", "");
        check("system/Observation.cud", "system/*.rs", "");
    }

    #[test]
    fn a_granular_part_only_grows() {
        check("patient/Observation.rs", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a");
        check("patient/Observation.rs?category=a", "patient/*.rs", "patient/Observation.rs?category=a");
        check(
            "patient/Observation.rs?category=a",
            "patient/Observation.rs?category=b",
            "patient/Observation.rs?category=a&category=b",
        );
    }

    #[test]
    fn a_narrower_scope_lies_within_and_a_wider_does_not() {
        let within = |a: &str, b: &str| a.parse::<Scopes>().unwrap().is_within(&b.parse().unwrap());
        assert!(within("patient/Observation.r", "patient/*.rs"));
        assert!(within("patient/Observation.rs", "patient/Observation.r patient/Observation.s"));
        assert!(within("patient/Observation.rs?category=a", "patient/Observation.rs"));
        assert!(!within("patient/Observation.rs", "patient/Observation.rs?category=a"));
        assert!(!within("patient/*.rs", "patient/Observation.rs"));
        assert!(!within("patient/Observation.rs", "patient/Observation.r"));
        assert!(!within("openid", "profile"));
        assert!(within("", ""));
    }

    fn scope() -> impl Strategy<Value = Scope> {
        let context = prop_oneof![Just("patient"), Just("user"), Just("system")];
        let name = prop_oneof![Just("*"), Just("Observation"), Just("Patient")];
        let letters = prop_oneof![Just("rs"), Just("r"), Just("cruds"), Just("cud"), Just("read"), Just("*")];
        let granular = prop_oneof![Just(""), Just("?category=a"), Just("?category=b")];
        (context, name, letters, granular).prop_map(|(context, name, letters, granular)| {
            let granular = if matches!(letters, "read" | "*") { "" } else { granular };
            format!("{context}/{name}.{letters}{granular}").parse().unwrap()
        })
    }

    fn scopes() -> impl Strategy<Value = Scopes> {
        proptest::collection::vec(scope(), 0..6).prop_map(Scopes)
    }

    proptest! {
        #[test]
        fn an_intersection_lies_within_both(asked in scopes(), allowed in scopes()) {
            let granted = asked.intersect(&allowed);
            prop_assert!(granted.is_within(&asked));
            prop_assert!(granted.is_within(&allowed));
        }

        #[test]
        fn what_lies_within_both_is_kept(asked in scopes(), allowed in scopes(), one in scope()) {
            let one = Scopes(vec![one]);
            if one.is_within(&asked) && one.is_within(&allowed) {
                prop_assert!(one.is_within(&asked.intersect(&allowed)));
            }
        }

        #[test]
        fn print_and_parse_are_inverse(scopes in scopes()) {
            let mut once = Scopes::default();
            scopes.0.into_iter().for_each(|scope| once.add(scope));
            prop_assert_eq!(once.to_string().parse::<Scopes>().unwrap(), once);
        }
    }
}
