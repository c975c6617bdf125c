//! Where a walk stands, as FHIRPath that is put together only if there is something to tell.

use std::fmt;

/// A step from its parent: a name, an index, or (for the resource) nothing before it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The resource itself.
    pub(super) const fn root(name: &'a str) -> Self {
        Self { parent: None, step: Step::Name(name) }
    }

    /// `….name`
    pub(super) const fn name(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Name(name) }
    }

    /// `…[index]`
    pub(super) const fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match (self.parent, self.step) {
            (_, Step::Index(index)) => write!(f, "[{index}]"),
            (None, Step::Name(name)) => f.write_str(name),
            (Some(_), Step::Name(name)) => write!(f, ".{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_path() {
        let patient = At::root("Patient");
        let names = patient.name("name");
        let second = names.index(1);
        assert_eq!(second.name("family").to_string(), "Patient.name[1].family");
    }
}
