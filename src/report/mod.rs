//! What people and machines read: a plan as text or JSON, an apply as lines, bars or a stream,
//! errors, and tables. Knows plans and events, and nothing of the engine that makes them.
//!
//! Colour, width and motion are decided by the caller ([`Look`]), so that everything here renders
//! the same into a terminal, a file and a test.

mod bars;
pub mod difference;
pub mod doctor;
pub mod error;
pub mod everywhere;
pub mod history;
pub mod json;
mod lines;
pub mod look;
pub mod plan_json;
pub mod plan_text;
pub mod reporter;
pub mod saved_plan;
pub mod schemas;
pub mod status;
mod table;
pub mod validation;
pub mod version;
pub mod words;

pub use error::error_text;
pub use lines::address_lines;
pub use look::Look;
pub use reporter::Reporter;
