//! Small texts through one check: a principal asks, the shipped policy answers.

mod support;

mod lanes;
mod roles;
