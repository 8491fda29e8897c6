//! Where a call goes, asked by flows and switches, each in its own format.

pub mod asterisk;
pub mod decide;
pub mod freeswitch;
mod switch;
