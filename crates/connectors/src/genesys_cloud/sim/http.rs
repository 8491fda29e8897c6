//! Speaks the platform's HTTP: one table of operations, one gate in front of them.
//!
//! `gate` does what is the same for every request (token, rate, permission, size,
//! media type, correlation id), then one handler reads `Ask`, locks the `World`
//! and answers. Paths and permissions are the vendor's API description's.

pub(crate) mod bulk;
pub(crate) mod contacts;
pub(crate) mod control;
pub(crate) mod conversations;
pub(crate) mod gate;
pub(crate) mod integrations;
pub(crate) mod notifications;
pub(crate) mod oauth;
pub(crate) mod organization;
pub(crate) mod organizations;
pub(crate) mod paging;
pub(crate) mod platform;
pub(crate) mod presence;
pub(crate) mod schemas;
pub(crate) mod sources;
pub(crate) mod users;
