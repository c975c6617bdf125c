//! The machines' door: what laboratories, scanners and other systems send, on its way into the chart.
//!
//! A message comes in over MLLP (`listener`), is judged by the partner's rules and kept before it is acknowledged (`desk`), and is
//! carried into the chart in the order of its patient (`courier`), translated into a FHIR transaction on the way (`map`). The
//! chart is reached through the bridge like by any other client (`chart`): the same policy decides, the same log proves.

pub mod chart;
pub mod courier;
pub mod desk;
pub mod event;
pub mod listener;
pub mod map;
mod resolve;
pub mod rules;
mod token;

pub use chart::{Chart, ChartSettings, Trouble};
pub use courier::Courier;
pub use desk::Desk;
pub use event::{Event, Record};
pub use rules::{Orders, Rules};
