//! Evaluation over a JSON resource. Nothing is copied: what is found is borrowed from the resource.

use std::cell::Cell;
use std::fmt;

use serde_json::Value;

use super::{Expression, Function, Node, Operator};
use crate::ResourceType;
use crate::element::{self, Element, Type};
use crate::reference::Reference;

/// A value that an expression found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The JSON value; `null` only for a primitive of which nothing but `_name` is there (see [`Found::has_value`]).
    pub value: &'a Value,
    /// For a primitive, what stands under `_name`: its id and extensions.
    pub sibling: Option<&'a Value>,
    kind: Kind,
}

/// What is known of a value's type.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A type of the table.
    Of(&'static Type),
    /// What a reference points at, which is not at hand; its type if the reference tells.
    Target(Option<ResourceType>),
    /// Outside the table: an element that R4 does not have.
    Unknown,
}

/// Everything that the expression finds on the resource, in order; primitives without a value are left out.
#[must_use]
pub fn select<'a>(resource: &'a Value, expression: &'a Expression) -> Vec<Found<'a>> {
    select_from(resource, Found::resource(resource), expression)
}

/// As [`select`], for an expression that a stranger wrote: nested criteria over `%resource` or contained resources can
/// ask for more work than there is time.
///
/// # Errors
///
/// [`TooMuchWork`] after that many steps; nothing that was found until then is given out.
pub fn select_within<'a>(
    resource: &'a Value,
    expression: &'a Expression,
    steps_max: usize,
) -> Result<Vec<Found<'a>>, TooMuchWork> {
    let evaluator = Evaluator { resource, steps_left: Cell::new(steps_max) };
    let mut found = evaluator.evaluate(&expression.0, Found::resource(resource));
    found.retain(Found::has_value);
    if evaluator.steps_left.get() == 0 { Err(TooMuchWork { steps_max }) } else { Ok(found) }
}

/// An evaluation that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuchWork {
    /// The bound that it reached.
    pub steps_max: usize,
}

impl fmt::Display for TooMuchWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FHIRPath: more than {} steps; name the element more directly", self.steps_max)
    }
}

impl std::error::Error for TooMuchWork {}

/// As [`select`], standing on `focus` (`%resource` is still the resource): for the parts of a composite parameter.
#[must_use]
pub fn select_from<'a>(resource: &'a Value, focus: Found<'a>, expression: &'a Expression) -> Vec<Found<'a>> {
    let mut found = Evaluator { resource, steps_left: Cell::new(usize::MAX) }.evaluate(&expression.0, focus);
    found.retain(Found::has_value);
    found
}

impl<'a> Found<'a> {
    /// A whole resource, of the type that its `resourceType` says.
    #[must_use]
    pub fn resource(resource: &'a Value) -> Self {
        Self { value: resource, sibling: None, kind: kind_of_resource(resource) }
    }

    /// A value of a data type or backbone element.
    #[must_use]
    pub fn of_type(value: &'a Value, type_name: &str) -> Self {
        Self { value, sibling: None, kind: Type::find(type_name).map_or(Kind::Unknown, Kind::Of) }
    }

    /// Its FHIR type (`CodeableConcept`, `code`, `Patient.contact`), where R4 knows the element.
    #[must_use]
    pub const fn type_name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Of(kind) => Some(kind.name),
            Kind::Target(_) | Kind::Unknown => None,
        }
    }

    /// Whether there is a value, not only an `_name`.
    #[must_use]
    pub fn has_value(&self) -> bool {
        !self.value.is_null()
    }

    fn is(&self, name: &str) -> bool {
        match self.kind {
            Kind::Of(kind) => element::is_a(kind.name, name),
            Kind::Target(target) => target.is_some_and(|target| element::is_a(target.name(), name)),
            Kind::Unknown => false,
        }
    }

    fn text(&self, member: &str) -> Option<&'a str> {
        self.value.get(member).and_then(Value::as_str)
    }
}

fn kind_of_resource(value: &Value) -> Kind {
    value.get("resourceType").and_then(Value::as_str).and_then(Type::find).map_or(Kind::Unknown, Kind::Of)
}

static TRUE: Value = Value::Bool(true);
static FALSE: Value = Value::Bool(false);
static NULL: Value = Value::Null;

/// Evaluates on one resource.
struct Evaluator<'a> {
    resource: &'a Value,
    /// Items that may still be looked at; at none, everything is empty and the result is not given out.
    steps_left: Cell<usize>,
}

impl<'a> Evaluator<'a> {
    /// Counts the work; false once there is none left to do.
    fn may_take(&self, steps: usize) -> bool {
        let left = self.steps_left.get().saturating_sub(steps);
        self.steps_left.set(left);
        left > 0
    }

    fn evaluate(&self, node: &'a Node, focus: Found<'a>) -> Vec<Found<'a>> {
        if !self.may_take(1) {
            return Vec::new();
        }
        match node {
            Node::This => vec![focus],
            Node::Resource => vec![Found::resource(self.resource)],
            Node::Literal(value) => vec![literal(value)],
            Node::Nothing => Vec::new(),
            Node::Child(parent, name) if **parent == Node::This => children(focus, name, true),
            Node::Child(parent, name) => {
                let parents = self.evaluate(parent, focus);
                if !self.may_take(parents.len()) {
                    return Vec::new();
                }
                parents.into_iter().flat_map(|item| children(item, name, false)).collect()
            }
            Node::Index(parent, at) => self.evaluate(parent, focus).into_iter().skip(*at).take(1).collect(),
            Node::Call(parent, function) => self.call(self.evaluate(parent, focus), function),
            Node::Binary(left, operator, right) => self.binary(left, *operator, right, focus),
        }
    }

    fn call(&self, mut items: Vec<Found<'a>>, function: &'a Function) -> Vec<Found<'a>> {
        match function {
            Function::Where(criterion) => {
                items.retain(|item| self.holds(criterion, *item));
                items
            }
            Function::Exists(None) => boolean(!items.is_empty()),
            Function::Exists(Some(criterion)) => boolean(items.iter().any(|item| self.holds(criterion, *item))),
            Function::Empty => boolean(items.is_empty()),
            Function::Not => truth(&items).map_or_else(Vec::new, |is_true| boolean(!is_true)),
            Function::First => items.into_iter().take(1).collect(),
            Function::Last => items.pop().into_iter().collect(),
            Function::HasValue => boolean(matches!(items.as_slice(), [only] if is_value(only))),
            Function::Resolve => items.into_iter().filter_map(|item| self.resolve(item)).collect(),
            Function::Extension(url) => items
                .into_iter()
                .flat_map(|item| children(item, "extension", false))
                .filter(|extension| extension.text("url") == Some(url))
                .collect(),
            Function::OfType(name) => {
                items.retain(|item| item.is(name));
                items
            }
            Function::Is(name) => match items.as_slice() {
                [] => Vec::new(),
                several => boolean(several.iter().all(|item| item.is(name))),
            },
        }
    }

    fn binary(&self, left: &'a Node, operator: Operator, right: &'a Node, focus: Found<'a>) -> Vec<Found<'a>> {
        let mut found = self.evaluate(left, focus);
        let other = self.evaluate(right, focus);
        match operator {
            Operator::Union if !self.may_take(found.len().saturating_mul(other.len())) => Vec::new(),
            Operator::Union => {
                for item in other {
                    if !found.iter().any(|known| std::ptr::eq(known.value, item.value)) {
                        found.push(item);
                    }
                }
                found
            }
            Operator::Equal | Operator::Unequal if found.is_empty() || other.is_empty() => Vec::new(),
            Operator::Equal => boolean(all_equal(&found, &other)),
            Operator::Unequal => boolean(!all_equal(&found, &other)),
            Operator::And => logic(truth(&found), truth(&other), false),
            Operator::Or => logic(truth(&found), truth(&other), true),
        }
    }

    fn holds(&self, criterion: &'a Node, item: Found<'a>) -> bool {
        truth(&self.evaluate(criterion, item)) == Some(true)
    }

    /// A contained resource itself; else what the reference tells of its target.
    fn resolve(&self, item: Found<'a>) -> Option<Found<'a>> {
        if let Some(id) = item.text("reference").and_then(|text| text.strip_prefix('#')) {
            return self.contained(id);
        }
        let target = match item.value {
            Value::String(url) => Reference::parse(url).ok()?.resource(),
            Value::Object(_) => {
                let stated = item.text("type").and_then(ResourceType::parse);
                Reference::of(item.value)?.resource().or(stated)
            }
            _ => return None,
        };
        Some(Found { kind: Kind::Target(target), ..item })
    }

    fn contained(&self, id: &str) -> Option<Found<'a>> {
        if id.is_empty() {
            return Some(Found::resource(self.resource));
        }
        let contained = self.resource.get("contained")?.as_array()?;
        if !self.may_take(contained.len()) {
            return None;
        }
        contained.iter().map(Found::resource).find(|resource| resource.text("id") == Some(id))
    }
}

/// The values of an element, each item of an array by itself. A type's name at the start stands for the item itself.
fn children<'a>(item: Found<'a>, name: &str, at_start: bool) -> Vec<Found<'a>> {
    if at_start && name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return if item.is(name) { vec![item] } else { Vec::new() };
    }
    match item.kind {
        Kind::Of(kind) if kind.primitive => {
            item.sibling.map_or_else(Vec::new, |sibling| members(sibling, name, kind.child(name)))
        }
        Kind::Of(kind) => match kind.child(name) {
            Some(element) => members(item.value, element.name, Some(element)),
            None => {
                let forms = kind.forms(name).iter();
                forms.flat_map(|element| members(item.value, element.name, Some(element))).collect()
            }
        },
        Kind::Target(_) => Vec::new(),
        Kind::Unknown => members(item.value, name, None),
    }
}

/// The member of that name and its `_name`, item by item.
fn members<'a>(object: &'a Value, name: &str, element: Option<&Element>) -> Vec<Found<'a>> {
    let value = object.get(name);
    let sibling = match element {
        Some(element) if element.has_sibling() => object.get(format!("_{name}")),
        _ => None,
    };
    let kind = element.and_then(Element::kind);
    match (value, sibling) {
        (None, None) => Vec::new(),
        (Some(Value::Array(values)), sibling) => {
            let siblings = sibling.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let length = values.len().max(siblings.len());
            (0..length).filter_map(|at| item(values.get(at), siblings.get(at), kind)).collect()
        }
        (None, Some(Value::Array(siblings))) => {
            siblings.iter().filter_map(|sibling| item(None, Some(sibling), kind)).collect()
        }
        (value, sibling) => item(value, sibling, kind).into_iter().collect(),
    }
}

fn item<'a>(value: Option<&'a Value>, sibling: Option<&'a Value>, kind: Option<&'static Type>) -> Option<Found<'a>> {
    let value = value.unwrap_or(&NULL);
    let sibling = sibling.filter(|sibling| !sibling.is_null());
    if value.is_null() && sibling.is_none() {
        return None;
    }
    let kind = match kind {
        Some(kind) if kind.name == "Resource" => kind_of_resource(value),
        Some(kind) => Kind::Of(kind),
        None => Kind::Unknown,
    };
    Some(Found { value, sibling, kind })
}

fn literal(value: &Value) -> Found<'_> {
    let name = match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "decimal",
        _ => "string",
    };
    Found::of_type(value, name)
}

fn boolean<'a>(is_true: bool) -> Vec<Found<'a>> {
    vec![literal(if is_true { &TRUE } else { &FALSE })]
}

fn is_value(item: &Found<'_>) -> bool {
    item.has_value() && !item.value.is_object()
}

/// A boolean, or that there is one thing; nothing and several things are neither true nor false.
fn truth(items: &[Found<'_>]) -> Option<bool> {
    match items {
        [only] => Some(only.value.as_bool().unwrap_or(true)),
        _ => None,
    }
}

/// `and` (decided by a false) and `or` (decided by a true) over what may be unknown.
fn logic<'a>(left: Option<bool>, right: Option<bool>, decisive: bool) -> Vec<Found<'a>> {
    match (left, right) {
        (Some(one), _) | (_, Some(one)) if one == decisive => boolean(decisive),
        (Some(_), Some(_)) => boolean(!decisive),
        _ => Vec::new(),
    }
}

fn all_equal(left: &[Found<'_>], right: &[Found<'_>]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(one, other)| same(one.value, other.value))
}

/// Equal as JSON; numbers by their value (`1.0` is `1`).
fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(one), Some(other)) => left == right || one.to_bits() == other.to_bits(),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests;
