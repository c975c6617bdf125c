//! Where the walk is, so that what is withheld can be named by its path, once.

use crate::token::{Text, unescape};

/// The elements that the walk is in, from the resource on.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The resource's type.
    pub(crate) root: &'static str,
    /// Tells one path from another.
    pub(crate) hash: u64,
    /// The names, those of what holds the resource among them.
    names: Vec<Text>,
    /// How many of them are of what holds the resource.
    outside: usize,
}

/// What it takes to go back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    hash: u64,
    names: usize,
}

/// What it takes to go back to what holds a resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Root {
    root: &'static str,
    hash: u64,
    names: usize,
    outside: usize,
}

impl Trail {
    /// Begins anew at a resource of this type.
    pub(crate) fn begin(&mut self, root: &'static str) -> Root {
        let before = Root { root: self.root, hash: self.hash, names: self.names.len(), outside: self.outside };
        self.root = root;
        self.hash = root.bytes().fold(0, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        self.outside = self.names.len();
        before
    }

    /// And back to where that was.
    pub(crate) fn go_back(&mut self, before: Root) {
        self.root = before.root;
        self.hash = before.hash;
        self.outside = before.outside;
        self.names.truncate(before.names);
    }

    /// Into the element of that edge number and name.
    #[inline(always)]
    pub(crate) fn enter(&mut self, edge: usize, name: Text) -> Step {
        let step = Step { hash: self.hash, names: self.names.len() };
        self.hash = (self.hash.rotate_left(7) ^ (edge as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.names.push(name);
        step
    }

    /// And back.
    #[inline(always)]
    pub(crate) fn leave(&mut self, step: Step) {
        self.hash = step.hash;
        self.names.truncate(step.names);
    }

    /// The dotted path, as `Appointment.participant.actor.display`.
    pub(crate) fn dotted(&self, window: &[u8]) -> String {
        let mut path = self.root.to_owned();
        for name in self.names.iter().skip(self.outside) {
            path.push('.');
            path.push_str(&String::from_utf8_lossy(&unescape(window.get(name.start..name.end).unwrap_or_default())));
        }
        path
    }
}
