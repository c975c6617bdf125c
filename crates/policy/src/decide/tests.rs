//! Small texts through one check: a principal asks, the shipped policy answers.

mod support;

mod calls;
mod consents;
mod explained;
mod lanes;
mod monotone;
mod recipients;
mod records;
mod roles;
