//! The real binary, from outside: one test binary, so that it is linked once.

mod roads;
mod support;
mod walks;
