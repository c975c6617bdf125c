//! The words of the API: interaction, resource types, compartments, element paths.
//!
//! Pure values and tables of FHIR R4 (4.0.1). This room knows nothing of HTTP servers, policy or storage.

pub mod codes;
pub mod compartment;
pub mod element;
pub mod fhirpath;
pub mod id;
pub mod interaction;
pub mod json;
pub mod query;
pub mod reference;
pub mod resource_type;
pub mod search;
pub mod timestamp;
pub mod ucum;

pub use element::{Element, Type};
pub use id::Id;
pub use interaction::{
    BatchEntry, BatchKind, Interaction, InteractionKind, Level, ParseError, Request, Target, Within,
};
pub use query::{Parameter, ParameterName, Query};
pub use reference::Reference;
pub use resource_type::ResourceType;
pub use search::{SearchKind, SearchParameter};
pub use timestamp::Timestamp;
