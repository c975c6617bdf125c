//! Resources made from the table of elements, with a word of its own in every place, so that what leaves can be told
//! from what stays by searching for words.

use bascule_fhir::ResourceType;
use bascule_fhir::element::{self, Element};
use serde_json::{Map, Value, json};

use super::support::Dice;

/// A made resource, and each of its words with the path at which it stands.
pub(crate) struct Made {
    pub(crate) resource: Value,
    pub(crate) words: Vec<(Vec<Step>, String)>,
}

/// One step of a path: the type that holds the element, its JSON name, and what else it may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) parent: &'static str,
    pub(crate) element: &'static Element,
}

struct Maker<'d> {
    dice: &'d mut Dice,
    words: Vec<(Vec<Step>, String)>,
    path: Vec<Step>,
}

/// Objects in one another, at most.
const DEPTH_MAX: usize = 4;

/// A resource of that type with something in nearly every element.
pub(crate) fn resource(dice: &mut Dice, resource: ResourceType) -> Made {
    let mut maker = Maker { dice, words: Vec::new(), path: Vec::new() };
    let mut members = maker.object(resource.name(), DEPTH_MAX);
    members.insert("resourceType".to_owned(), json!(resource.name()));
    members.insert("id".to_owned(), json!("made"));
    // Any order is an order.
    let mut members: Vec<(String, Value)> = members.into_iter().collect();
    for at in (1..members.len()).rev() {
        members.swap(at, maker.dice.below(at + 1));
    }
    Made { resource: Value::Object(members.into_iter().collect()), words: maker.words }
}

impl Maker<'_> {
    fn object(&mut self, type_name: &'static str, depth: usize) -> Map<String, Value> {
        let mut members = Map::new();
        let mut choices = Vec::new();
        for element in element::children(type_name).unwrap() {
            let top = depth == DEPTH_MAX;
            if element.name == "id" && top {
                continue;
            }
            // Of fifty forms of a choice a few are enough, and further in not everything is there.
            let crowded = element.choice.is_some() && choices.iter().filter(|one| **one == element.choice).count() >= 2;
            if crowded || (element.choice.is_some() && self.dice.below(8) != 0) || (!top && self.dice.below(3) == 0) {
                continue;
            }
            choices.push(element.choice);
            self.path.push(Step { parent: type_name, element });
            if let Some(value) = self.element(element, depth) {
                members.insert(element.name.to_owned(), value);
            }
            if element.has_sibling() && self.dice.below(3) == 0 {
                let sibling = Value::Object(self.object("Element", depth.min(2)));
                let sibling = if element.is_array() { json!([null, sibling]) } else { sibling };
                members.insert(format!("_{}", element.name), sibling);
            }
            self.path.pop();
        }
        members
    }

    fn element(&mut self, element: &'static Element, depth: usize) -> Option<Value> {
        let one = match element.type_name {
            "Resource" => {
                return (element.name == "contained").then(|| json!([{ "resourceType": "Basic", "id": self.word() }]));
            }
            _ if element.is_primitive() => json!(self.word()),
            _ if depth == 0 => return None,
            name => Value::Object(self.object(name, depth - 1)),
        };
        if !element.is_array() {
            return Some(one);
        }
        let another = if element.is_primitive() { json!(self.word()) } else { json!({}) };
        Some(json!([one, another]))
    }

    fn word(&mut self) -> String {
        let word = format!("w{}q", self.words.len());
        self.words.push((self.path.clone(), word.clone()));
        word
    }
}

/// Whether a word at that path may leave under these names: some name is a beginning of the path, and nothing after
/// it needs a name of its own.
pub(crate) fn may_leave(path: &[Step], names: &[Vec<String>]) -> bool {
    let Some((last, before)) = path.split_last() else { return true };
    let named = |length: usize| names.iter().any(|name| name.len() == length && begins(name, &path[..length]));
    let implied = (1..=path.len()).any(|length| named(length) && !path[length..].iter().any(alone));
    let goes_on = names.iter().any(|name| name.len() >= path.len() && begins(name, before));
    match (last.parent, last.element.name) {
        // Where an extension of which only the address is named leaves, is a matter of what else it holds.
        ("Extension", "url") => implied || goes_on,
        ("Group", "actual")
        | ("List", "mode")
        | ("MolecularSequence", "coordinateSystem")
        | ("Questionnaire.item", "type") => true,
        // The id of a primitive follows the naming of what stands below the primitive.
        ("Element", "id") => named(path.len()) || (may_leave(before, names) && goes_on),
        _ => implied,
    }
}

/// Whether the first words of the name lead along the steps.
fn begins(name: &[String], steps: &[Step]) -> bool {
    name.iter().zip(steps).all(|(word, step)| {
        *word == step.element.name || step.element.choice.is_some_and(|choice| *word == format!("{choice}[x]"))
    })
}

/// Whether the element does not come with what holds it.
fn alone(step: &Step) -> bool {
    match (step.parent, step.element.name, step.element.type_name) {
        ("Extension", _, "Extension") => false,
        (_, "contained", _) | (_, _, "Extension" | "Narrative") => true,
        ("Element", "id", _) => true,
        (parent, name, _) => element::is_display_copy(parent, name) && name != "div",
    }
}
