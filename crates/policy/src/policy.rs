//! A policy: the rules, and the tables made of them so that a decision is a few look-ups.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use bascule_fhir::{InteractionKind, ResourceType};

use crate::decision::Condition;
use crate::label::Label;
use crate::rules::{Denied, Deny, Grant, Named, NoRelation, Role, Settings, Terms, without};
use crate::{Elements, schema};

/// The rules of access of a house, loaded and checked.
#[derive(Debug, Clone)]
pub struct Policy {
    roles: BTreeMap<Arc<str>, Role>,
    denies: Vec<Deny>,
    settings: Settings,
    hash: Arc<str>,
    tables: Tables,
    unlabelled: Unlabelled,
    role_denies: bool,
}

/// Conditions that every decision of their kind has, made once.
#[derive(Debug, Clone)]
pub(crate) struct Unlabelled {
    /// None of the labels that nobody but the individual sees without a record that names it.
    pub(crate) sensitive: Condition,
    /// None of those of services to which a minor consented alone.
    pub(crate) minor_consented: Condition,
}

impl Unlabelled {
    fn of(settings: &Settings) -> Self {
        let without = |labels: &Arc<[Label]>| Condition::Not([Condition::HasLabel(Arc::clone(labels))].into());
        Self { sensitive: without(&settings.sensitive), minor_consented: without(&settings.minor_consented) }
    }
}

/// By API, then by role: a decision is about one API and asks for each role.
type Tables = HashMap<String, HashMap<Arc<str>, Table, Quick>, Quick>;
/// Names come from the policy's own files and from records, never from a stranger, so that a quick hash will do.
type Quick = BuildHasherDefault<Fnv>;

/// FNV-1a over the bytes of a name.
#[derive(Debug, Clone)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// What the roles of a principal may do at one API.
#[derive(Clone, Copy)]
pub(crate) struct AtApi<'a>(Option<&'a HashMap<Arc<str>, Table, Quick>>);

impl<'a> AtApi<'a> {
    /// What a role may do in that interaction on that type; and whether the role denies anything to others.
    pub(crate) fn cell(self, role: &str, resource: ResourceType, kind: InteractionKind) -> Option<&'a Cell> {
        self.0?.get(role)?.cells.get(place(resource, kind))?.as_ref()
    }
}

/// What one role may do on one API, by type and interaction.
#[derive(Debug, Clone)]
struct Table {
    cells: Vec<Option<Cell>>,
}

/// What a role may do in one interaction on one type.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// Granted, each under its terms.
    Granted(Arc<[Arc<Reach>]>),
    /// A deny took it away.
    Denied(Arc<str>),
}

/// How far the grants of one role under one set of terms reach, for one type and interaction.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) role: Arc<str>,
    pub(crate) rule: Arc<str>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) no_relation: NoRelation,
    pub(crate) elements: Arc<Elements>,
    /// What leaves where minimum necessary does not act: all but what is denied by name.
    pub(crate) elements_lifted: Arc<Elements>,
    pub(crate) search: Arc<Searchable>,
    /// What may be used where minimum necessary does not act: all that the file lists, whatever it reads.
    pub(crate) search_lifted: Arc<Searchable>,
    pub(crate) operations: Arc<BTreeSet<String>>,
    pub(crate) writes: Option<Arc<Writable>>,
    pub(crate) labels_denied: Option<Arc<[Label]>>,
}

/// Which parameters may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Searchable {
    /// What the file lists; `None` is all whose elements are granted.
    pub(crate) listed: Option<BTreeSet<String>>,
    /// Parameters that may search.
    pub(crate) plain: BTreeSet<&'static str>,
    /// Parameters that may sort.
    pub(crate) sorts: BTreeSet<&'static str>,
}

/// What a write may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writable {
    pub(crate) elements: Arc<Elements>,
    pub(crate) values: Arc<BTreeMap<String, Vec<String>>>,
    pub(crate) references: BTreeMap<String, Named>,
    pub(crate) targets: Arc<BTreeMap<String, Vec<String>>>,
}

const KINDS: usize = InteractionKind::ALL.len();

impl Policy {
    pub(crate) fn compile(
        roles: BTreeMap<Arc<str>, Role>,
        denies: Vec<Deny>,
        settings: Settings,
        hash: Arc<str>,
    ) -> Self {
        let unlabelled = Unlabelled::of(&settings);
        let role_denies = roles.values().any(|role| !role.denies.is_empty());
        let mut policy = Self { roles, denies, settings, hash, tables: Tables::default(), unlabelled, role_denies };
        let mut tables = Tables::default();
        for role in policy.roles.values() {
            for (api, table) in policy.tables_of(role) {
                tables.entry(api).or_default().insert(Arc::clone(&role.name), table);
            }
        }
        share_terms(&mut tables);
        policy.tables = tables;
        policy
    }

    /// Hex SHA-256 of the files that it was loaded from.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub(crate) const fn shared_hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// Every role, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// The role of that name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// The denies that stand in no role.
    #[must_use]
    pub fn denies(&self) -> &[Deny] {
        &self.denies
    }

    pub(crate) const fn unlabelled(&self) -> &Unlabelled {
        &self.unlabelled
    }

    /// What it says beside its roles.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The APIs that its rules name, sorted.
    #[must_use]
    pub fn apis(&self) -> BTreeSet<&str> {
        self.roles.values().flat_map(Role::apis).collect()
    }

    /// What a role may do in that interaction on that type.
    pub(crate) fn cell(&self, role: &str, api: &str, resource: ResourceType, kind: InteractionKind) -> Option<&Cell> {
        self.at_api(api).cell(role, resource, kind)
    }

    /// What the roles may do at that API.
    pub(crate) fn at_api(&self, api: &str) -> AtApi<'_> {
        AtApi(self.tables.get(api))
    }

    /// Whether any role takes away what another grants.
    pub(crate) const fn any_role_denies(&self) -> bool {
        self.role_denies
    }

    /// The denies of a role and those that stand in no role.
    pub(crate) fn denies_of<'a>(&'a self, role: &str) -> impl Iterator<Item = &'a Deny> {
        self.roles.get(role).into_iter().flat_map(|role| &role.denies)
    }

    fn tables_of(&self, role: &Role) -> HashMap<String, Table> {
        let apis: BTreeSet<&String> = role.grants.iter().flat_map(|grant| &grant.apis).collect();
        apis.into_iter().map(|api| (api.clone(), self.cells_of(role, api))).collect()
    }

    fn cells_of(&self, role: &Role, api: &str) -> Table {
        let mut cells = vec![None; ResourceType::COUNT * KINDS];
        for resource in ResourceType::all() {
            for kind in InteractionKind::ALL {
                if let Some(slot) = cells.get_mut(place(resource, kind)) {
                    *slot = self.cell_of(role, api, resource, kind);
                }
            }
        }
        Table { cells }
    }

    fn cell_of(&self, role: &Role, api: &str, resource: ResourceType, kind: InteractionKind) -> Option<Cell> {
        let mut reaches: Vec<Reach> = Vec::new();
        for grant in role.grants.iter().filter(|grant| grant.is_about(api, resource, kind)) {
            let Some(reach) = Reach::of(role, grant, resource, kind) else { continue };
            match reaches.iter_mut().find(|other| other.same_terms(&reach)) {
                Some(other) => other.join(&reach),
                None => reaches.push(reach),
            }
        }
        if reaches.is_empty() {
            return None;
        }
        for deny in self.denies.iter().chain(&role.denies).filter(|deny| deny.is_about(api, resource, kind)) {
            if deny.what == Denied::Interaction {
                return Some(Cell::Denied(Arc::clone(&deny.id)));
            }
            reaches = reaches.iter().map(|reach| reach.less(deny, resource)).collect();
        }
        Some(Cell::Granted(reaches.into_iter().map(Arc::new).collect()))
    }
}

/// The same terms are one value, so that they are known to be the same at a glance.
fn share_terms(tables: &mut Tables) {
    let mut known: BTreeMap<Arc<Terms>, Arc<Terms>> = BTreeMap::new();
    let cells = tables.values_mut().flat_map(HashMap::values_mut).flat_map(|table| &mut table.cells).flatten();
    for cell in cells {
        let Cell::Granted(reaches) = cell else { continue };
        *reaches = reaches
            .iter()
            .map(|reach| {
                let terms = known.entry(Arc::clone(&reach.terms)).or_insert_with(|| Arc::clone(&reach.terms));
                Arc::new(Reach { terms: Arc::clone(terms), ..Reach::clone(reach) })
            })
            .collect();
    }
}

const fn place(resource: ResourceType, kind: InteractionKind) -> usize {
    resource.index() * KINDS + kind as usize
}

impl Grant {
    fn is_about(&self, api: &str, resource: ResourceType, kind: InteractionKind) -> bool {
        self.apis.iter().any(|name| name == api)
            && self.interactions.contains(&kind)
            && self.elements.contains_key(&resource)
    }
}

impl Reach {
    fn of(role: &Role, grant: &Grant, resource: ResourceType, kind: InteractionKind) -> Option<Self> {
        let elements = Arc::clone(grant.elements.get(&resource)?);
        let profiled = elements.profile().is_some();
        let searchable = matches!(
            kind,
            InteractionKind::Search
                | InteractionKind::Operation
                | InteractionKind::Create
                | InteractionKind::Update
                | InteractionKind::Patch
                | InteractionKind::Delete
        );
        let search = if searchable {
            Searchable::of(resource, &elements, grant.search.as_deref())
        } else {
            Searchable::default()
        };
        let writes = grant.writes.elements.get(&resource).map(|elements| {
            let values = Arc::clone(&grant.writes.values);
            let targets = Arc::clone(&grant.writes.targets);
            let references = grant.writes.references.clone();
            Arc::new(Writable { elements: Arc::clone(elements), values, references, targets })
        });
        Some(Self {
            role: Arc::clone(&role.name),
            rule: Arc::clone(&grant.id),
            terms: Arc::new(grant.terms.clone()),
            no_relation: role.no_relation,
            // A profile is no measure of minimum necessary: nothing lifts it.
            elements_lifted: if profiled { Arc::clone(&elements) } else { Arc::new(Elements::Whole) },
            elements,
            search_lifted: Arc::new(match (searchable, profiled) {
                (true, true) => search.clone(),
                (true, false) => search.lifted(resource),
                (false, _) => Searchable::default(),
            }),
            search: Arc::new(search),
            operations: Arc::new(grant.operations.clone()),
            writes,
            labels_denied: None,
        })
    }

    /// Terms alone, of a grant about something else than elements: it shows everything and searches by nothing.
    pub(crate) fn bare(role: &Role, rule: &Arc<str>, terms: &Terms, labels_denied: Option<Arc<[Label]>>) -> Self {
        let (elements, search) = (Arc::new(Elements::Whole), Arc::new(Searchable::default()));
        Self {
            role: Arc::clone(&role.name),
            rule: Arc::clone(rule),
            terms: Arc::new(terms.clone()),
            no_relation: role.no_relation,
            elements_lifted: Arc::clone(&elements),
            elements,
            search_lifted: Arc::clone(&search),
            search,
            operations: Arc::default(),
            writes: None,
            labels_denied,
        }
    }

    /// Whether both act on the same resources in the same way, so that they are one.
    pub(crate) fn same_terms(&self, other: &Self) -> bool {
        (Arc::ptr_eq(&self.terms, &other.terms) || self.terms == other.terms)
            && self.writes == other.writes
            && self.no_relation == other.no_relation
            && self.labels_denied == other.labels_denied
    }

    fn join(&mut self, other: &Self) {
        self.rule = format!("{}+{}", self.rule, other.rule).into();
        self.elements = Arc::new(self.elements.union(&other.elements));
        self.search = Arc::new(self.search.union(&other.search));
        self.search_lifted = Arc::new(self.search_lifted.union(&other.search_lifted));
        self.operations = Arc::new(self.operations.union(&other.operations).cloned().collect());
    }

    /// What a deny that is about it leaves of it.
    pub(crate) fn less(&self, deny: &Deny, resource: ResourceType) -> Self {
        let mut left = self.clone();
        match &deny.what {
            // The second is about other kinds of API.
            Denied::Interaction | Denied::Names(_) => {}
            Denied::Elements(paths) => {
                left.elements = Arc::new(without(resource, &self.elements, paths));
                left.search = Arc::new(self.search.reading_only(resource, &left.elements));
                left.elements_lifted = Arc::new(without(resource, &self.elements_lifted, paths));
                left.search_lifted = Arc::new(self.search_lifted.reading_only(resource, &left.elements_lifted));
                left.writes = self.writes.as_ref().map(|writes| {
                    Arc::new(Writable {
                        elements: Arc::new(without(resource, &writes.elements, paths)),
                        ..Writable::clone(writes)
                    })
                });
            }
            Denied::Search(names) => {
                left.search = Arc::new(self.search.without(names));
                left.search_lifted = Arc::new(self.search_lifted.without(names));
            }
            Denied::Labels(labels) => {
                let before = self.labels_denied.as_deref().unwrap_or_default();
                left.labels_denied = Some(before.iter().chain(labels.iter()).cloned().collect());
            }
        }
        left
    }
}

impl Searchable {
    fn of(resource: ResourceType, elements: &Elements, listed: Option<&BTreeSet<String>>) -> Self {
        let readable: BTreeSet<&'static str> = readable(resource, elements);
        let plain =
            readable.iter().copied().filter(|code| listed.is_none_or(|listed| listed.contains(*code))).collect();
        let sorts = readable
            .iter()
            .copied()
            .filter(|code| listed.is_none_or(|listed| listed.contains(&format!("_sort:{code}"))))
            .collect();
        Self { listed: listed.cloned(), plain, sorts }
    }

    /// What either grants.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let listed = match (&self.listed, &other.listed) {
            (Some(left), Some(right)) => Some(left.union(right).cloned().collect()),
            _ => None,
        };
        Self {
            listed,
            plain: self.plain.union(&other.plain).copied().collect(),
            sorts: self.sorts.union(&other.sorts).copied().collect(),
        }
    }

    /// Those whose elements are still granted.
    fn reading_only(&self, resource: ResourceType, elements: &Elements) -> Self {
        let readable = readable(resource, elements);
        Self {
            listed: self.listed.clone(),
            plain: self.plain.intersection(&readable).copied().collect(),
            sorts: self.sorts.intersection(&readable).copied().collect(),
        }
    }

    fn without(&self, names: &BTreeSet<String>) -> Self {
        let keep = |code: &&'static str| !names.contains(*code);
        let mut listed = self.listed.clone().unwrap_or_else(|| {
            let sorts = self.sorts.iter().map(|code| format!("_sort:{code}"));
            self.plain.iter().map(|code| (*code).to_owned()).chain(sorts).collect()
        });
        listed.retain(|name| !names.contains(name) && !names.contains(name.trim_start_matches("_sort:")));
        Self {
            listed: Some(listed),
            plain: self.plain.iter().copied().filter(keep).collect(),
            sorts: self
                .sorts
                .iter()
                .copied()
                .filter(|code| keep(code) && !names.contains(&format!("_sort:{code}")))
                .collect(),
        }
    }

    /// Everything that the file lists, whatever it reads: where minimum necessary does not act.
    pub(crate) fn lifted(&self, resource: ResourceType) -> Self {
        Self::of(resource, &Elements::Whole, self.listed.as_ref())
    }
}

/// The parameters of a type that read only these elements.
fn readable(resource: ResourceType, elements: &Elements) -> BTreeSet<&'static str> {
    schema::parameters(resource)
        .map(|parameter| parameter.code)
        .filter(|code| match schema::reads(resource, code).and_then(|reads| reads.leaves.as_ref()) {
            Some(leaves) => leaves.iter().all(|path| elements.reaches(resource, path)),
            None => *elements == Elements::Whole,
        })
        .filter(|code| !matches!(*code, "_query" | "_filter"))
        .collect()
}
