//! The leak hunt: every element of every type holds a word of its own; each word that may not leave is searched for in
//! every byte that leaves.

use std::collections::HashSet;

use bascule_fhir::ResourceType;
use bascule_policy::Elements;

use super::made::{self, Made};
use super::oracle;
use super::support::{Dice, filter, is_long};
use crate::bound;
use crate::reply::Shape;

/// Some of the paths that the resource has, or of those that it might have.
fn names(dice: &mut Dice, name: &str, made: &Made) -> Vec<String> {
    let share = [2, 5, 15, 60][dice.below(4)];
    oracle::paths_of(name, &made.resource).into_iter().filter(|_| dice.below(share) == 0).collect()
}

#[test]
fn no_word_leaves_that_no_name_lets_out_and_every_other_does() {
    let mut dice = Dice::new(3);
    let rounds = if is_long() { 40 } else { 1 };
    for resource in ResourceType::all()
        .filter(|one| !matches!(one.name(), "Bundle" | "Parameters" | "OperationOutcome" | "SubscriptionStatus"))
    {
        for _ in 0..rounds {
            let made = made::resource(&mut dice, resource);
            let names = names(&mut dice, resource.name(), &made);
            hunt(resource, &made, &names);
        }
    }
}

fn hunt(resource: ResourceType, made: &Made, names: &[String]) {
    let narrowing = oracle::of_types(&[(resource.name(), Elements::Only(names.iter().cloned().collect()))]);
    let steps: Vec<Vec<String>> = names.iter().map(|name| name.split('.').map(str::to_owned).collect()).collect();
    let text = made.resource.to_string();
    let bundle = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{text}}}]}}"#);
    for (shape, body) in
        [(Shape::Resource, &text), (Shape::Bundle, &bundle), (Shape::BatchResponse, &bundle), (Shape::Ndjson, &text)]
    {
        let left = String::from_utf8(filter(&narrowing, shape, body.as_bytes()).unwrap().into_body()).unwrap();
        let words: HashSet<&str> = left.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
        for (path, word) in &made.words {
            let may = made::may_leave(path, &steps) && path.first().is_none_or(|step| step.element.name != "contained");
            // What leaves only beside something else (the value of an extension, the status of an abatement) is a matter
            // of the comparison with the twin below.
            let beside = |step: &made::Step| {
                step.element.type_name == "Extension" || bound::needed(step.parent, step.element).is_some()
            };
            if words.contains(word.as_str()) != may && !(may && path.iter().any(beside)) {
                let dotted: Vec<&str> = path.iter().map(|step| step.element.name).collect();
                let near: Vec<&String> = names.iter().filter(|name| name.starts_with(dotted[0])).collect();
                panic!("{resource}.{} has left: {}, under {near:?}", dotted.join("."), !may);
            }
        }
        if shape == Shape::Resource {
            let expected = oracle::resource(&narrowing, &made.resource).unwrap();
            assert!(
                serde_json::from_str::<serde_json::Value>(&left).unwrap() == expected,
                "{resource} under {names:?}"
            );
        }
    }
}
