//! The real binary, from outside: one test binary, so that it is linked once.

mod support;
mod walks;
