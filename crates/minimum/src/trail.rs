//! Where the walk is, so that what is withheld can be named by its path, once.

use crate::token::{Text, unescape};

/// The elements that the walk is in, from the resource on.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The resource's type.
    pub(crate) root: &'static str,
    /// Tells one path from another.
    pub(crate) hash: u64,
    names: Vec<Text>,
}

/// What it takes to go back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    hash: u64,
    names: usize,
}

impl Trail {
    /// A trail that begins at a resource of this type.
    pub(crate) fn at(root: &'static str) -> Self {
        let hash = root.bytes().fold(0, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { root, hash, names: Vec::new() }
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
        for name in &self.names {
            path.push('.');
            path.push_str(&String::from_utf8_lossy(&unescape(window.get(name.start..name.end).unwrap_or_default())));
        }
        path
    }
}
