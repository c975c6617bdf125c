//! Which APIs there are: what is learned of endpoints and of the data that they carry, from what passed through the bridge.
//!
//! Nothing here opens a socket, a file or a database, reads a clock, or keeps a value that it was shown: what is kept of a path is
//! its template, what is kept of a value is its shape.

mod check_digit;
mod drift;
mod part;
mod shape;
mod templates;

pub use check_digit::{luhn_holds, npi_holds, verhoeff_holds};
pub use drift::{Declared, Drift, Seen, drift};
pub use part::Part;
pub use shape::{Assurance, Shape};
pub use templates::{CHILDREN_MAX, Learned, NODES_MAX, PARTS_MAX, Templates};
