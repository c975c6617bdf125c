//! From the elements that a grant names to the graph that the filter walks.

use std::collections::{BTreeSet, HashMap};

use bascule_fhir::ResourceType;
use bascule_fhir::element::Element;
use bascule_policy::{Elements, Profile, Treatment, mask as masks};

use crate::absent;
use crate::bound;
use crate::mask::{Edge, Holder, Mask, Node, NodeKind, Print, Required, Role, Value};
use crate::masking::Masked;
use crate::table;

/// The mask of `resource` under `elements`.
pub(crate) fn compile(resource: ResourceType, elements: &Elements) -> Mask {
    let grant = match elements {
        Elements::Whole => Grant::Whole,
        Elements::Only(paths) => Grant::Only { named: false, paths: Paths::of(paths.iter().map(String::as_str)) },
        Elements::Profiled { named: Some(paths), .. } => {
            Grant::Only { named: false, paths: Paths::of(paths.iter().map(String::as_str)) }
        }
        Elements::Profiled { named: None, .. } => Grant::Only { named: true, paths: Paths::default() },
    };
    let subsets = grant != Grant::Whole && !matches!(resource.name(), "OperationOutcome" | "Bundle" | "Parameters");
    let mut compiler = Compiler { subsets, profile: elements.profile(), ..Compiler::default() };
    compiler.number(State {
        type_name: resource.name(),
        grant,
        actors: table::actors(resource),
        place: Place::Resource,
    });
    let mut done = 0;
    while let Some(state) = compiler.states.get(done).cloned() {
        let node = compiler.node(&state);
        compiler.nodes.push(node);
        done += 1;
    }
    Mask { nodes: compiler.nodes }
}

/// Paths that are still to be followed from an object on, each as its remaining steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Paths(BTreeSet<(Vec<String>, Option<masks::Mask>)>);

/// How much of an object leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Grant {
    /// All of it, whatever it is.
    Whole,
    /// None of it; it is only looked at on the way to what decides.
    Watched,
    /// If `named`, all that R4 knows and that needs no name of its own; and what the paths name.
    Only { named: bool, paths: Paths },
}

/// Where an object stands, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Resource,
    Meta,
    Tag,
    Elsewhere,
}

/// Paths to references that place the resource in compartments, as far as they remain.
type Actors = Vec<table::Actor>;

/// What makes two objects the same to the filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    type_name: &'static str,
    grant: Grant,
    actors: Actors,
    place: Place,
}

#[derive(Debug, Default)]
struct Compiler {
    states: Vec<State>,
    numbers: HashMap<State, u32>,
    nodes: Vec<Node>,
    /// Whether resources are tagged `SUBSETTED`: not those that leave whole.
    subsets: bool,
    /// The profile that narrows what is named.
    profile: Option<Profile>,
}

impl Paths {
    fn of<'p>(dotted: impl Iterator<Item = &'p str>) -> Self {
        let steps = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        // A word after the mark that is no mask names nothing.
        let sound = dotted.map(|path| (masks::split(path), path.contains('|')));
        let sound = sound.filter(|((_, mask), marked)| mask.is_some() == *marked);
        Self(sound.map(|((path, mask), _)| (steps(path), mask)).collect())
    }

    /// What is left of the paths once they have gone through `element`.
    fn through(&self, element: &Element) -> Self {
        let choice = element.choice.map(|choice| format!("{choice}[x]"));
        let goes = |step: &String| step == element.name || Some(step) == choice.as_ref();
        let rests = self.0.iter().filter_map(|(path, mask)| path.split_first().map(|(step, rest)| (step, rest, *mask)));
        Self(rests.filter(|(step, ..)| goes(step)).map(|(_, rest, mask)| (rest.to_vec(), mask)).collect())
    }

    fn names_this(&self) -> bool {
        self.0.contains(&(Vec::new(), None))
    }

    /// The mask of this, if it is named with one.
    fn mask(&self) -> Option<masks::Mask> {
        self.0.iter().filter(|(path, _)| path.is_empty()).filter_map(|(_, mask)| *mask).min()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn below(mut self) -> Self {
        self.0.retain(|(path, _)| !path.is_empty());
        self
    }
}

impl Grant {
    /// The grant of a child, or `None` if nothing of it leaves.
    fn of_child(&self, parent: &State, element: &Element) -> Option<Self> {
        let (named, paths) = match self {
            Self::Whole => return Some(Self::Whole),
            Self::Watched => return None,
            Self::Only { named, paths } => (*named, paths.through(element)),
        };
        let always = parent.place == Place::Resource && element.name == "id";
        let identifies = element.plain && element.min > 0 && element.type_name != "xhtml";
        let identifies = identifies || bound::always_leaves(parent.type_name, element.name);
        let implied = named && !table::needs_own_name(parent.type_name, element);
        let named = always || identifies || implied || paths.names_this();
        if bound::needed(parent.type_name, element).is_some_and(|other| !self.names(parent, other)) {
            return None;
        }
        let paths = paths.below();
        (named || !paths.is_empty()).then_some(Self::Only { named, paths })
    }
}

impl Grant {
    /// Whether the whole of that child leaves.
    fn names(&self, parent: &State, child: &str) -> bool {
        let found = table::children(parent.type_name).iter().find(|element| element.name == child);
        found.and_then(|element| self.of_child(parent, element)).is_some_and(|grant| grant.is_named())
    }
}

impl Compiler {
    /// The number of the node of `state`, which is made when its turn comes.
    fn number(&mut self, state: State) -> u32 {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let number = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        number
    }

    fn node(&mut self, state: &State) -> Node {
        let mut edges = Vec::new();
        if state.place == Place::Resource {
            edges.push(Edge::new("resourceType", true, Value::Primitive, Role::None));
        }
        let elements = table::children(state.type_name);
        for element in elements {
            edges.extend(self.edge(state, element));
            edges.extend(self.sibling(state, element));
        }
        let mut node = Node::new(edges);
        node.verbatim = !matches!(state.grant, Grant::Only { .. });
        node.kind = self.kind(state);
        if !node.verbatim {
            node.required = required(&node, state.type_name, elements);
        }
        node
    }

    fn kind(&self, state: &State) -> NodeKind {
        match (&state.grant, state.place) {
            (Grant::Only { .. }, Place::Resource) if self.subsets => NodeKind::Resource,
            (Grant::Only { .. }, Place::Meta) if self.subsets => NodeKind::Meta,
            (Grant::Only { .. }, _) if state.type_name == "Parameters.parameter" => NodeKind::Parameter,
            (Grant::Only { .. }, _) if state.type_name == "Extension" => NodeKind::Extension,
            _ => NodeKind::Plain,
        }
    }

    fn edge(&mut self, state: &State, element: &'static Element) -> Option<(Box<str>, Edge)> {
        if let Some(masked) = self.masked(state, element) {
            return Some(Edge::new(element.name, true, Value::Masked(masked), role(state, element)));
        }
        // A path that goes on below a primitive names its id or extensions, not its value.
        let grant = self.of_child(state, element).filter(|grant| grant.is_named() || !element.is_primitive());
        // What is only watched is rolled back as a whole; until then the run just goes on.
        let keep = grant.is_some() || state.grant == Grant::Watched;
        let next = State {
            type_name: element.type_name,
            grant: grant.unwrap_or(Grant::Watched),
            actors: through(&state.actors, element),
            place: place(state, element),
        };
        let role = role(state, element);
        let decides = matches!(role, Role::Version | Role::Reference(1..)) || next.decides();
        if state.grant == Grant::Watched && !decides {
            return None;
        }
        let value = match element.type_name {
            "Resource" if !keep => Value::Opaque,
            "Resource" => Value::Resource(holder(&state.grant, element)),
            _ if element.is_primitive() => Value::Primitive,
            _ if keep || decides => Value::Object(self.number(next)),
            _ => Value::Opaque,
        };
        Some(Edge::new(element.name, keep, value, role))
    }

    /// The grant of a child, as far as the profile lets it out.
    fn of_child(&self, state: &State, element: &Element) -> Option<Grant> {
        // What the profile masks leaves masked or not at all: a part of it that is named by itself would go past the mask.
        let as_it_is = matches!(self.treatment(state, element), None | Some(Treatment::Keep));
        state.grant.of_child(state, element).filter(|_| as_it_is)
    }

    fn treatment(&self, state: &State, element: &Element) -> Option<Treatment> {
        let profile = self.profile.filter(|_| matches!(state.grant, Grant::Only { .. }))?;
        Some(profile.treatment(state.type_name, element))
    }

    /// How the child is masked, if it is: by the profile, or by its name where no name without a mask brings it too.
    fn masked(&self, state: &State, element: &Element) -> Option<Masked> {
        let Grant::Only { named, paths } = &state.grant else { return None };
        let paths = paths.through(element);
        let implied = *named && !table::needs_own_name(state.type_name, element);
        let plain = paths.names_this() || implied;
        let by_name = paths.mask().filter(|_| !plain);
        let leaves = by_name.is_some() || state.grant.of_child(state, element).is_some_and(|grant| grant.is_named());
        let mask = match self.treatment(state, element) {
            _ if !leaves => None,
            None | Some(Treatment::Keep) => by_name,
            Some(Treatment::Mask(mask)) => Some(mask),
            Some(Treatment::Withhold) => None,
        };
        mask.map(|mask| Masked { mask, profile: self.profile })
    }

    /// `_name`, which carries id and extensions of a primitive.
    fn sibling(&mut self, state: &State, element: &'static Element) -> Option<(Box<str>, Edge)> {
        if !element.has_sibling() || state.grant == Grant::Watched {
            return None;
        }
        let grant = match &state.grant {
            Grant::Only { .. } => self.of_child(state, element).filter(Grant::goes_deeper),
            other => Some(other.clone()),
        };
        let name = format!("_{}", element.name);
        let Some(grant) = grant else {
            return Some(Edge::new(&name, false, Value::Opaque, Role::None));
        };
        let next = State { type_name: "Element", grant, actors: Actors::new(), place: Place::Elsewhere };
        let number = self.number(next);
        // Places count only beside the values that stand at them.
        let placed = element.is_array() && state.grant.of_child(state, element).is_some_and(|grant| grant.is_named());
        let value = if placed { Value::Sibling(number) } else { Value::Object(number) };
        Some(Edge::new(&name, true, value, Role::None))
    }
}

impl Grant {
    const fn is_named(&self) -> bool {
        matches!(self, Self::Whole | Self::Only { named: true, .. })
    }

    /// Whether something below is named by a path of its own.
    fn goes_deeper(&self) -> bool {
        matches!(self, Self::Only { paths, .. } if !paths.is_empty())
    }
}

impl State {
    /// Whether something below has to be looked at even if it does not leave.
    fn decides(&self) -> bool {
        !self.actors.is_empty() || self.place == Place::Meta
    }
}

fn through(actors: &Actors, element: &Element) -> Actors {
    let choice = element.choice;
    let rests = actors.iter().filter_map(|(path, bits)| path.split_first().map(|(step, rest)| (*step, rest, *bits)));
    rests
        .filter(|(step, ..)| *step == element.name || Some(*step) == choice)
        .map(|(_, rest, bits)| (rest.to_vec(), bits))
        .collect()
}

fn place(state: &State, element: &Element) -> Place {
    match (state.place, element.name) {
        (Place::Resource, "meta") => Place::Meta,
        (Place::Meta, "tag") => Place::Tag,
        _ => Place::Elsewhere,
    }
}

fn holder(grant: &Grant, element: &Element) -> Holder {
    match grant {
        _ if element.name != "contained" => Holder::Envelope,
        Grant::Whole => Holder::Whole,
        Grant::Watched | Grant::Only { .. } => Holder::Contained,
    }
}

fn role(state: &State, element: &Element) -> Role {
    match (state.place, state.type_name, element.name) {
        (Place::Resource, _, "id") => Role::Id,
        (Place::Resource, _, "meta") => Role::Meta,
        (Place::Meta, _, "versionId") => Role::Version,
        (Place::Meta, _, "tag") if matches!(state.grant, Grant::Only { .. }) => Role::Tag,
        (Place::Tag, _, "code") => Role::TagCode,
        (_, "Reference", "reference") => {
            let here = state.actors.iter().filter(|(path, _)| path.is_empty());
            Role::Reference(here.fold(0, |bits, (_, more)| bits | more))
        }
        (_, "Bundle.entry", "resource") => Role::EntryResource,
        (_, "Bundle.entry.request", "url") => Role::RequestUrl,
        _ if table::is_address(state.type_name, element) => Role::Address,
        _ => Role::None,
    }
}

/// The elements that R4 requires, by number or by an invariant.
fn required(node: &Node, type_name: &str, elements: &'static [Element]) -> Vec<Required> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for element in elements.iter().filter(|element| element.min > 0) {
        let stem = element.choice.unwrap_or(element.name);
        if !groups.iter().any(|group| *group == [stem]) {
            groups.push(vec![stem]);
        }
    }
    groups.extend(bound::together(type_name).map(<[&str]>::to_vec));
    let of_stem = |stem: &&str| one_of(node, type_name, elements, stem);
    let excuse = |group: &[&str]| {
        let other = group.first().and_then(|stem| bound::excused_by(type_name, stem));
        other.and_then(|stem| of_stem(&stem)).map(|(edges, _)| edges).unwrap_or_default()
    };
    groups
        .iter()
        .map(|group| Required { elements: group.iter().filter_map(of_stem).collect(), excuse: excuse(group) })
        .collect()
}

/// The edges of an element under every JSON name that it may have, and what stands in its place.
fn one_of(node: &Node, type_name: &str, elements: &'static [Element], stem: &str) -> Option<(Vec<u16>, Box<str>)> {
    let forms = || elements.iter().filter(move |element| element.choice.unwrap_or(element.name) == stem);
    let names = forms().flat_map(|element| [element.name.to_owned(), format!("_{}", element.name)]);
    let edges = names
        .filter_map(|name| node.find(Print::of(name.as_bytes()), name.as_bytes()).map(|(number, _)| number))
        .filter_map(|number| u16::try_from(number).ok());
    let edges = edges.collect();
    forms().next().map(|first| (edges, absent::masked_member(type_name, first).into()))
}
