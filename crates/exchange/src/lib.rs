//! The machines' door: what laboratories, scanners and other systems send, on its way into the chart.
//!
//! What stands here so far is the translation: an HL7 v2 message becomes a FHIR transaction (`map`). It opens no socket.

pub mod map;
