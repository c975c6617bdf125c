//! From the elements that a grant names to the graph that the filter walks.

use std::collections::{BTreeSet, HashMap};

use bascule_fhir::ResourceType;
use bascule_fhir::element::Element;
use bascule_policy::Elements;

use crate::absent;
use crate::mask::{Edge, Holder, Mask, Node, NodeKind, Print, Required, Role, Value};
use crate::table;

/// The mask of `resource` under `elements`.
pub(crate) fn compile(resource: ResourceType, elements: &Elements) -> Mask {
    let grant = match elements {
        Elements::Whole => Grant::Whole,
        Elements::Only(paths) => Grant::Only { named: false, paths: Paths::of(paths.iter().map(String::as_str)) },
    };
    let subsets = grant != Grant::Whole && !matches!(resource.name(), "OperationOutcome" | "Bundle" | "Parameters");
    let mut compiler = Compiler { subsets, ..Compiler::default() };
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
struct Paths(BTreeSet<Vec<String>>);

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
}

impl Paths {
    fn of<'p>(dotted: impl Iterator<Item = &'p str>) -> Self {
        Self(dotted.map(|path| path.split('.').map(str::to_owned).collect()).collect())
    }

    /// What is left of the paths once they have gone through `element`.
    fn through(&self, element: &Element) -> Self {
        let choice = element.choice.map(|choice| format!("{choice}[x]"));
        let goes = |step: &String| step == element.name || Some(step) == choice.as_ref();
        let rests = self.0.iter().filter_map(|path| path.split_first());
        Self(rests.filter(|(step, _)| goes(step)).map(|(_, rest)| rest.to_vec()).collect())
    }

    fn names_this(&self) -> bool {
        self.0.contains(&Vec::new())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn below(mut self) -> Self {
        self.0.remove(&Vec::new());
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
        let implied = named && !table::needs_own_name(parent.type_name, element);
        let named = always || identifies || implied || paths.names_this();
        let paths = paths.below();
        (named || !paths.is_empty()).then_some(Self::Only { named, paths })
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
            node.required = required(&node, elements);
        }
        node
    }

    fn kind(&self, state: &State) -> NodeKind {
        match (&state.grant, state.place) {
            (Grant::Only { .. }, Place::Resource) if self.subsets => NodeKind::Resource,
            (Grant::Only { .. }, Place::Meta) if self.subsets => NodeKind::Meta,
            (Grant::Only { .. }, _) if state.type_name == "Parameters.parameter" => NodeKind::Parameter,
            _ => NodeKind::Plain,
        }
    }

    fn edge(&mut self, state: &State, element: &'static Element) -> Option<(Box<str>, Edge)> {
        // A path that goes on below a primitive names its id or extensions, not its value.
        let grant = state.grant.of_child(state, element).filter(|grant| grant.is_named() || !element.is_primitive());
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

    /// `_name`, which carries id and extensions of a primitive.
    fn sibling(&mut self, state: &State, element: &'static Element) -> Option<(Box<str>, Edge)> {
        if !element.has_sibling() || state.grant == Grant::Watched {
            return None;
        }
        let grant = match &state.grant {
            Grant::Only { .. } => state.grant.of_child(state, element).filter(Grant::goes_deeper),
            other => Some(other.clone()),
        };
        let name = format!("_{}", element.name);
        let Some(grant) = grant else {
            return Some(Edge::new(&name, false, Value::Opaque, Role::None));
        };
        let next = State { type_name: "Element", grant, actors: Actors::new(), place: Place::Elsewhere };
        let number = self.number(next);
        let value = if element.is_array() { Value::Sibling(number) } else { Value::Object(number) };
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

/// The elements that R4 requires: each with every JSON name that it may have.
fn required(node: &Node, elements: &'static [Element]) -> Vec<Required> {
    let mut found: Vec<(&str, Required)> = Vec::new();
    for element in elements.iter().filter(|element| element.min > 0) {
        let group = element.choice.unwrap_or(element.name);
        let names = [element.name.to_owned(), format!("_{}", element.name)];
        let edges = names
            .iter()
            .filter_map(|name| node.find(Print::of(name.as_bytes()), name.as_bytes()))
            .filter_map(|(number, _)| u16::try_from(number).ok());
        match found.iter_mut().find(|(name, _)| *name == group) {
            Some((_, required)) => required.edges.extend(edges),
            None => {
                found.push((group, Required { edges: edges.collect(), text: absent::masked_member(element).into() }))
            }
        }
    }
    found.into_iter().map(|(_, required)| required).collect()
}
