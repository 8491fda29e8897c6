//! Requests that an administrator wrote, below `/api/v2/`.
//!
//! The platform has no query language: a value is text in a path, a parameter or a body.

use super::client::{Client, Send};
use async_trait::async_trait;
use kit::{Custom, Error, Lane, Language, Place, Requests};
use serde_json::Value;
use std::sync::Arc;

/// Sends what an administrator wrote.
pub(super) struct Written {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Requests for Written {
    fn language(&self, _: Place<'_>) -> Option<Language> {
        None
    }

    async fn send(&self, lane: Lane, request: &Custom) -> Result<Value, Error> {
        let reply = self.client.send_in(lane, Send::Custom(request), "").await?;
        if reply.body.is_empty() { Ok(Value::Null) } else { reply.json() }
    }
}
