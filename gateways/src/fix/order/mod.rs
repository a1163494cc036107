//! The application's messages: requests written, reports read.

mod names;
mod report;
mod request;

pub use names::{Name, Names, Purpose};
pub use report::{Execution, FieldError, Said, What, match_number, read, venue_ref};
pub use request::{OrderTerms, Requests};
