//! Any JSON that an OpenAPI description describes, by the same walk: a schema and the property paths of a grant become the
//! graph that the filter knows, and what neither names stays.
//!
//! A path is property names with dots between them, below the body; arrays are gone through without a word
//! (`appointments.start`). A named object brings the properties that its schema describes, and nothing else; where a
//! description leaves open what stands there (a map, a free object, an array of arrays) only `….*` brings it, as it is.
//! `*` alone is the whole body. There is no masked value in the place of a required property: JSON Schema has no word for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bascule_crypto::digest::sha256;
use bascule_policy::{Narrowing, TotalRule};
use serde_json::Value as Json;

use crate::fault::{Fault, Flaw};
use crate::limits::Limits;
use crate::log::Log;
use crate::mask::{Edge, Mask, Node, Role, Value};
use crate::masks::Masks;
use crate::plan::Plan;
use crate::released::Released;
use crate::reply::Shape;
use crate::rewrite::Rewrite;
use crate::scan::Index;
use crate::token::{Cursor, Place};
use crate::walk::{Fate, Walk};
use crate::withheld::Withheld;

/// Schemas in one another by `$ref`, `allOf`, `oneOf` and `anyOf`, before a description counts as leading back to itself.
const REFERENCES_MAX: usize = 32;

/// Nodes of one graph.
const NODES_MAX: usize = 1 << 14;

/// What may leave of the bodies that one schema describes.
#[derive(Debug)]
pub struct Described {
    mask: Mask,
    root: Option<Value>,
    /// Those of FHIR that every walk has at hand.
    masks: Masks,
}

/// What is wrong with a description, or with a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescribedFault {
    /// The operation is not in the description, or has no such answer in JSON.
    #[error("the description has no JSON answer {status} of {method} {path}")]
    NoAnswer {
        /// As the description writes it: `/patients/{id}`.
        path: String,
        /// In small letters.
        method: String,
        /// As the description writes it.
        status: String,
    },
    /// A `$ref` that leads nowhere, out of the description, or back to itself.
    #[error("`{reference}` leads nowhere in the description; mend: only `#/…` is followed")]
    NoSuchReference {
        /// As written.
        reference: String,
    },
    /// A path that the schema does not describe.
    #[error("no such property: `{path}`")]
    NoSuchProperty {
        /// As the grant writes it.
        path: String,
    },
    /// More than [`NODES_MAX`] objects.
    #[error("the schema is too large to be compiled")]
    TooLarge,
}

type Paths = BTreeSet<Vec<String>>;

/// How much of what a schema describes leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Grant {
    named: bool,
    paths: Paths,
}

struct Compiler<'d> {
    document: &'d Json,
    nodes: Vec<Option<Node>>,
    numbers: HashMap<(*const Json, Grant), u32>,
}

impl Described {
    /// What the paths name of the answer `status` (`200`, `default`) to `method` of `path`, by an OpenAPI 3 description.
    ///
    /// # Errors
    /// [`DescribedFault`].
    pub fn answer(
        document: &Json,
        path: &str,
        method: &str,
        status: &str,
        paths: &BTreeSet<String>,
    ) -> Result<Self, DescribedFault> {
        let none =
            || DescribedFault::NoAnswer { path: path.to_owned(), method: method.to_owned(), status: status.to_owned() };
        let answer = document.get("paths").and_then(|all| all.get(path)).and_then(|one| one.get(method));
        let answer = answer.and_then(|one| one.get("responses")).and_then(|all| all.get(status)).ok_or_else(none)?;
        let answer = follow(document, answer)?;
        let content = answer.get("content").and_then(Json::as_object).ok_or_else(none)?;
        let is_json = |name: &str| name.starts_with("application/json") || name.ends_with("+json");
        let schema = content.iter().find(|(name, _)| is_json(name)).and_then(|(_, one)| one.get("schema"));
        Self::schema(document, schema.ok_or_else(none)?, paths)
    }

    /// What the paths name of a body of that schema, which stands in `document`.
    ///
    /// # Errors
    /// [`DescribedFault`].
    pub fn schema(document: &Json, schema: &Json, paths: &BTreeSet<String>) -> Result<Self, DescribedFault> {
        let steps = |path: &String| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let paths: Paths = paths.iter().map(steps).collect();
        for path in &paths {
            if !is_described(document, schema, path)? {
                return Err(DescribedFault::NoSuchProperty { path: path.join(".") });
            }
        }
        let mut compiler = Compiler { document, nodes: Vec::new(), numbers: HashMap::new() };
        let root = compiler.value(schema, &Grant { named: false, paths })?;
        let nodes = compiler.nodes.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Self { mask: Mask { nodes }, root, masks: Masks::default() })
    }

    /// Lets out of `body` what is named.
    ///
    /// # Errors
    /// [`Withheld`] if the body cannot be read, is larger than `resource_bytes_max`, or nothing of it is named.
    pub fn release(&self, body: &[u8], limits: &Limits) -> Result<Released, Withheld> {
        let (left, log) = self.filtered(body, limits)?;
        let (received, released) = (sha256(body), sha256(&left));
        Ok(Released::new(left, log, received, released))
    }

    fn filtered(&self, body: &[u8], limits: &Limits) -> Result<(Vec<u8>, Log), Fault> {
        if body.len() > limits.resource_bytes_max {
            return Err(Fault::TooLarge);
        }
        std::str::from_utf8(body).map_err(|_| Fault::NotUtf8)?;
        let mut index = Index::default();
        index.extend(body, true)?;
        let rewrite = Rewrite::new("", "", &|_, _| None);
        let nothing = Narrowing { types: BTreeMap::new(), total: TotalRule::Absent };
        let plan = Plan::new(&self.masks, &nothing, Shape::Resource, &rewrite, limits);
        let (mut out, mut log, mut keys) = (Vec::with_capacity(body.len()), Log::new(*limits), Default::default());
        let cursor = Cursor::new(body, &index, Place::default(), true);
        let mut walk = Walk::new(cursor, &mut out, &plan, &mut log, &mut keys);
        let (start, _) = walk.cursor.peek()?;
        walk.slices.start(start);
        let (_, edge) = Edge::new("", true, self.root.ok_or(Fault::NotGranted)?, Role::None);
        let node = Node::new(Vec::new());
        let (fate, end) = walk.value(&self.mask, &node, &edge)?;
        if walk.cursor.peek().is_ok() {
            return Err(Fault::Malformed(Flaw::Afterwards));
        }
        if fate == Fate::Emptied {
            return Err(Fault::NotGranted);
        }
        walk.slices.stop(end);
        Ok((out, log))
    }
}

impl<'d> Compiler<'d> {
    /// What of a value of that schema leaves; `None` if nothing does.
    fn value(&mut self, schema: &'d Json, grant: &Grant) -> Result<Option<Value>, DescribedFault> {
        if grant.paths.iter().any(|path| path.as_slice() == ["*"]) {
            return Ok(Some(Value::Opaque));
        }
        let schema = follow(self.document, schema)?;
        if let Some(items) = schema.get("items") {
            let of_items = follow(self.document, items)?;
            let nested = of_items.get("items").is_some();
            return if nested { Ok(None) } else { self.value(of_items, grant) };
        }
        let mut properties = BTreeMap::new();
        collect(self.document, schema, &mut properties, 0)?;
        if properties.is_empty() {
            let scalar = schema.get("type").is_some_and(is_scalar) || schema.get("enum").is_some();
            return Ok((grant.named && scalar).then_some(Value::Primitive));
        }
        self.object(schema, &properties, grant).map(|number| Some(Value::Object(number)))
    }

    fn object(
        &mut self,
        schema: &'d Json,
        properties: &BTreeMap<&'d str, Option<&'d Json>>,
        grant: &Grant,
    ) -> Result<u32, DescribedFault> {
        let state = (std::ptr::from_ref(schema), grant.clone());
        if let Some(number) = self.numbers.get(&state) {
            return Ok(*number);
        }
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        if self.nodes.len() >= NODES_MAX {
            return Err(DescribedFault::TooLarge);
        }
        self.nodes.push(None);
        self.numbers.insert(state, number);
        let mut edges = Vec::new();
        for (name, schema) in properties {
            let through = grant.paths.iter().filter_map(|path| path.split_first()).filter(|(step, _)| step == name);
            let mut paths: Paths = through.map(|(_, rest)| rest.to_vec()).collect();
            let own = paths.remove(&Vec::new());
            let below = Grant { named: grant.named || own, paths };
            let wanted = below.named || !below.paths.is_empty();
            let value = match schema {
                Some(schema) if wanted => self.value(schema, &below)?,
                _ => None,
            };
            edges.push(match value {
                Some(value) => Edge::new(name, true, value, Role::None),
                None => Edge::new(name, false, Value::Opaque, Role::None),
            });
        }
        if let Some(slot) = self.nodes.get_mut(number as usize) {
            *slot = Some(Node::new(edges));
        }
        Ok(number)
    }
}

/// Whether the path leads to something that the schema describes.
fn is_described(document: &Json, schema: &Json, path: &[String]) -> Result<bool, DescribedFault> {
    let Some((step, rest)) = path.split_first() else { return Ok(true) };
    if step == "*" {
        return Ok(rest.is_empty());
    }
    let schema = follow(document, schema)?;
    if let Some(items) = schema.get("items") {
        return is_described(document, items, path);
    }
    let mut properties = BTreeMap::new();
    collect(document, schema, &mut properties, 0)?;
    match properties.get(step.as_str()) {
        Some(Some(below)) => is_described(document, below, rest),
        Some(None) => Ok(rest.is_empty()),
        None => Ok(false),
    }
}

fn is_scalar(kind: &Json) -> bool {
    let one = |kind: &Json| matches!(kind.as_str(), Some("string" | "number" | "integer" | "boolean" | "null"));
    kind.as_array().map_or_else(|| one(kind), |kinds| kinds.iter().all(one))
}

/// What a `$ref` stands for.
fn follow<'d>(document: &'d Json, schema: &'d Json) -> Result<&'d Json, DescribedFault> {
    let mut at = schema;
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = at.get("$ref").and_then(Json::as_str) else { return Ok(at) };
        let lost = || DescribedFault::NoSuchReference { reference: reference.to_owned() };
        at = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)).ok_or_else(lost)?;
    }
    Err(DescribedFault::NoSuchReference { reference: "a circle of references".to_owned() })
}

/// Every property that the schema describes, by itself or by its parts. Of two parts that describe one property
/// differently neither is believed: it is known, and stays.
fn collect<'d>(
    document: &'d Json,
    schema: &'d Json,
    all: &mut BTreeMap<&'d str, Option<&'d Json>>,
    depth: usize,
) -> Result<(), DescribedFault> {
    let schema = follow(document, schema)?;
    if depth > REFERENCES_MAX {
        return Err(DescribedFault::TooLarge);
    }
    for (name, one) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let one = follow(document, one)?;
        match all.get(name.as_str()) {
            Some(Some(other)) if *other != one => all.insert(name, None),
            Some(_) => None,
            None => all.insert(name, Some(one)),
        };
    }
    for parts in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get(parts).and_then(Json::as_array).into_iter().flatten() {
            collect(document, part, all, depth + 1)?;
        }
    }
    Ok(())
}
