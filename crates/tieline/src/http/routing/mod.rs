//! Where a call goes, asked by flows and switches.

pub mod decide;
