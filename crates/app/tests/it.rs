//! The real binary, from outside: one test binary, so that it is linked once.

mod crash;
mod roads;
mod support;
mod synthea;
mod walks;
