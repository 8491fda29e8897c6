//! Routing rules: what the CRM says of a caller decides where the call goes.
//!
//! Rules and chains are written as plain objects ([`form`]), kept as drafts, and put in
//! force together as one rule set ([`edit`]); what is in force is compiled ([`Rules`]) and
//! swapped in whole. [`decide`] answers for a call inside its deadline. What it saw is kept
//! with the call, so that it can be explained, tried and replayed.
//!
//! What a rule means: `domain::rules`.

mod decide;
pub mod edit;
mod explain;
mod fit;
pub mod form;
mod gather;
mod held;
mod keep;
mod kept;
mod places;
mod publish;
mod replay;
mod set;
mod words;

pub use decide::{Arriving, Decided, How, Routing};
pub use edit::Book;
pub use explain::{Against, ConditionSeen, DecisionTrace, Explained, LineSeen, Tried};
pub use kept::value;
pub use publish::{Published, Publishing};
pub use replay::{Replay, ReplayError, Replayed};
pub use set::{Rules, SetBody};

#[cfg(test)]
mod tests;
