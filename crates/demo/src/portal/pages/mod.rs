//! The pages: record in, HTML out. No script; everything works with a keyboard and on paper.

mod appointments;
mod chart;
mod documents;
mod health;
mod layout;
mod looks;
mod medicines;
mod messages;
mod overview;
mod results;
mod trouble;
mod ward;
mod welcome;

pub(super) use appointments::{appointments, cancel};
pub(super) use documents::{document, documents};
pub(super) use health::{Health, health};
pub(super) use layout::{Frame, STYLE, Tab};
pub(super) use looks::looks;
pub(super) use medicines::medicines;
pub(super) use messages::{TEXT_MAX, messages};
pub(super) use overview::{Overview, overview};
pub(super) use results::{Results, results};
pub(super) use trouble::trouble;
pub(super) use ward::{ward, ward_welcome};
pub(super) use welcome::{Left, welcome};

use super::trouble::Trouble;

/// A part of a page, or why it is missing: the other parts are shown all the same.
pub(super) type Part<T> = Result<T, Trouble>;
