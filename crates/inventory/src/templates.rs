//! Path templates, learned from paths that were answered: `/Patient/17` and `/Patient/18` are one endpoint, `/Patient/{number}`.
//!
//! Two things make a part of a path a parameter: its form (a number, a date, a UUID), and that too many different ones were seen at
//! the same place. What is kept is a tree of words; its size has a bound that no caller's choice of paths can move.

use std::collections::BTreeMap;

use crate::Part;

/// The most different words below one place, before those that were seen rarely become a parameter.
pub const CHILDREN_MAX: usize = 64;
/// The most places of a tree. Each API has a tree of its own, so that a flood at one takes no room from another.
pub const NODES_MAX: usize = 20_000;
/// The most parts of a path that are looked at. What follows is one `{rest}`.
pub const PARTS_MAX: usize = 16;
/// A word that was seen so often is a word of the API, and stays when its rarer neighbours become a parameter.
const SEEN_OFTEN: u64 = 8;
/// What stands for words that were too many to be words.
const NAME: &str = "{name}";
/// What stands for the parts after [`PARTS_MAX`].
const REST: &str = "{rest}";

/// What was learned from one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Learned {
    /// The template that it follows, as far as is known by now. A later path may widen it: ask [`Templates::all`] for those in force.
    Template(String),
    /// The tree is full and has no place for this path. It is to be counted, and is not kept.
    Full,
}

/// The tree of what was learned.
#[derive(Debug, Default)]
pub struct Templates {
    root: Node,
    nodes: usize,
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<String, Node>,
    /// How many paths came through here.
    seen: u64,
    /// How many of them ended here.
    ended: u64,
}

impl Templates {
    /// Learns from the path of one request that the API answered as known (the caller leaves out what was not found: a flood of
    /// guessed paths teaches nothing). A query or a fragment is not looked at.
    pub fn learn(&mut self, path: &str) -> Learned {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let mut words: Vec<&str> =
            parts.by_ref().take(PARTS_MAX).map(|part| Part::of(part).parameter().unwrap_or(part)).collect();
        if parts.next().is_some() {
            words.push(REST);
        }
        let room = NODES_MAX.saturating_sub(self.nodes);
        let mut template = String::new();
        let Some(made) = self.root.walk(&words, room, &mut template) else { return Learned::Full };
        self.nodes += made;
        self.nodes -= self.root.narrow(&words);
        if template.is_empty() {
            template.push('/');
        }
        Learned::Template(template)
    }

    /// The templates in force, each with how many paths followed it.
    #[must_use]
    pub fn all(&self) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        self.root.list("", &mut all);
        all
    }

    /// How many places the tree has now; never more than [`NODES_MAX`].
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes
    }
}

impl Node {
    /// The name under which a word stands here: its own, or that of the parameter that swallowed it.
    fn name_of<'a>(&self, word: &'a str) -> &'a str {
        if !self.children.contains_key(word) && self.children.contains_key(NAME) { NAME } else { word }
    }

    /// Goes down these words, making at most `room` places; answers how many it made, and changes nothing if that would be too many.
    fn walk(&mut self, words: &[&str], room: usize, template: &mut String) -> Option<usize> {
        let Some((word, rest)) = words.split_first() else {
            self.seen += 1;
            self.ended += 1;
            return Some(0);
        };
        let name = self.name_of(word);
        template.push('/');
        template.push_str(name);
        let made = if let Some(child) = self.children.get_mut(name) {
            child.walk(rest, room, template)?
        } else {
            let room = room.checked_sub(1)?;
            let mut child = Self::default();
            let made = child.walk(rest, room, template)?;
            self.children.insert(name.to_owned(), child);
            made + 1
        };
        self.seen += 1;
        Some(made)
    }

    /// Where these words lead past a place with too many children, makes a parameter of the rare ones; answers how many places
    /// that freed.
    fn narrow(&mut self, words: &[&str]) -> usize {
        let mut freed = 0;
        if self.children.len() > CHILDREN_MAX {
            freed += self.merge_rare();
        }
        if let Some((word, rest)) = words.split_first() {
            let name = self.name_of(word).to_owned();
            freed += self.children.get_mut(&name).map_or(0, |child| child.narrow(rest));
        }
        freed
    }

    fn merge_rare(&mut self) -> usize {
        let before = self.size();
        let (mut kept, mut rare) = (BTreeMap::new(), Self::default());
        // If even the words seen often are too many, they are a parameter too.
        let often = self.children.values().filter(|child| child.seen >= SEEN_OFTEN).count();
        for (name, child) in std::mem::take(&mut self.children) {
            let stays = name.starts_with('{') && name != NAME || child.seen >= SEEN_OFTEN && often < CHILDREN_MAX / 2;
            if stays && name != NAME {
                kept.insert(name, child);
            } else {
                rare.absorb(child);
            }
        }
        kept.insert(NAME.to_owned(), rare);
        self.children = kept;
        before - self.size()
    }

    /// Takes in all that was learned at another place.
    fn absorb(&mut self, other: Self) {
        self.seen += other.seen;
        self.ended += other.ended;
        for (name, child) in other.children {
            self.children.entry(name).or_default().absorb(child);
        }
        if self.children.len() > CHILDREN_MAX {
            self.merge_rare();
        }
    }

    /// How many places are below this one.
    fn size(&self) -> usize {
        self.children.values().map(|child| 1 + child.size()).sum()
    }

    fn list(&self, above: &str, all: &mut Vec<(String, u64)>) {
        if self.ended > 0 {
            all.push((if above.is_empty() { "/".to_owned() } else { above.to_owned() }, self.ended));
        }
        for (name, child) in &self.children {
            child.list(&format!("{above}/{name}"), all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(paths: impl IntoIterator<Item = String>) -> Templates {
        let mut templates = Templates::default();
        for path in paths {
            templates.learn(&path);
        }
        templates
    }

    #[test]
    fn values_are_parameters_from_the_first_on() {
        let mut templates = Templates::default();
        let mut check = |path: &str, expect: &str| assert_eq!(templates.learn(path), Learned::Template(expect.into()));
        check("/fhir/Patient/17?_format=json", "/fhir/Patient/{number}");
        check("/fhir/Patient/18/$everything", "/fhir/Patient/{number}/$everything");
        check("/visits/2026-01-31/notes", "/visits/{date}/notes");
        check("//", "/");
        assert_eq!(templates.all().len(), 4);
    }

    #[test]
    fn words_that_are_too_many_become_a_parameter_and_frequent_ones_stay() {
        let often = (0..50).map(|_| "/users/search".to_owned());
        let names = (0..500).map(|at| format!("/users/{}/visits", name(at)));
        let templates = learned(often.chain(names));
        let found: Vec<_> = templates.all().into_iter().filter(|(template, _)| template.contains('{')).collect();
        assert_eq!(found, [("/users/{name}/visits".to_owned(), 500)]);
        assert!(templates.all().contains(&("/users/search".to_owned(), 50)));
        assert_eq!(templates.nodes(), templates.root.size());
    }

    #[test]
    fn a_hundred_thousand_distinct_paths_stay_within_bounds() {
        let mut templates = Templates::default();
        for at in 0..100_000 {
            templates.learn(&format!("/{}/{}/{}", name(at), name(at * 7 + 1), name(at * 13 + 5)));
            assert!(templates.nodes() <= NODES_MAX);
        }
        assert_eq!(templates.nodes(), templates.root.size());
        assert!(templates.nodes() <= CHILDREN_MAX * 3, "{} places", templates.nodes());
        let counted: u64 = templates.all().iter().map(|(_, ended)| ended).sum();
        assert_eq!(counted, 100_000, "none is lost, they are one template");
    }

    #[test]
    fn a_caller_cannot_write_a_parameter() {
        let templates = learned((0..1000).map(|at| format!("/{{{}}}", name(at))));
        assert_eq!(templates.all(), [("/{id}".to_owned(), 1000)]);
    }

    #[test]
    fn a_full_tree_says_so_and_still_knows_what_it_knew() {
        let mut templates = Templates { nodes: NODES_MAX, ..Templates::default() };
        assert_eq!(templates.learn("/new"), Learned::Full);
        assert!(templates.all().is_empty(), "what did not fit left nothing");
        assert_eq!(templates.learn("/"), Learned::Template("/".into()));
    }

    #[test]
    fn a_path_without_end_is_cut() {
        let templates = learned([format!("/{}", "a/".repeat(10_000))]);
        assert_eq!(templates.nodes(), PARTS_MAX + 1);
    }

    /// A word of letters only, different for each number.
    fn name(mut number: usize) -> String {
        let mut letters = String::from("n");
        for _ in 0..5 {
            letters.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
            number /= 26;
        }
        letters
    }
}
