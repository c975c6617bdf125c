//! How the program ends: 0 done, 1 found something, 64 bad usage or config, 70 our fault.

use std::process::ExitCode;

/// The end of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// A check, scan or verification found something.
    Found,
    /// Bad usage or configuration.
    Usage,
    /// Our fault.
    Fault,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Found => 1,
            Exit::Usage => 64,
            Exit::Fault => 70,
        })
    }
}
