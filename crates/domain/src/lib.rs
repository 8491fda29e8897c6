//! What Tieline knows about people, numbers and calls, and nothing else.
//!
//! Pure decisions over plain values: no I/O, no clock, no serialization, no
//! vendor. Odd input is an outcome here, never an error. Start at
//! [`phone::parse`] (who is on the line), then [`matching::choose`] (which
//! record answers), then [`freshness`] (whether our copy may answer), and
//! [`timeline`] for what a call has come to when it is over. Two records of one person are
//! kept the same by what [`sync`] plans; one agent's statuses in two systems by what
//! [`presence`] decides.

pub mod beside;
pub mod call;
pub mod contact;
pub mod external_id;
pub mod freshness;
mod hidden;
pub mod matching;
pub mod phone;
pub mod presence;
mod record_id;
pub mod rules;
pub mod sync;
mod time;
pub mod timeline;
mod value;
mod words;

pub use call::{CallId, Direction, MediaType, Source, Status};
pub use contact::{Contact, ContactPhone, PhoneKind};
pub use external_id::{ExternalId, Prefix};
pub use hidden::Hidden;
pub use phone::{Caller, Numbering, Phone, Region, Written};
pub use record_id::IdFormat;
pub use time::Timestamp;
pub use value::Value;
