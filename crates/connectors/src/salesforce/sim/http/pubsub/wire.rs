//! The Pub/Sub API's messages as its `.proto` numbers them, and gRPC's frames around them.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct TopicRequest {
    #[prost(string, tag = "1")]
    pub(super) topic_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TopicTold {
    #[prost(string, tag = "1")]
    pub(super) topic_name: String,
    #[prost(string, tag = "2")]
    pub(super) tenant_guid: String,
    #[prost(bool, tag = "3")]
    pub(super) can_publish: bool,
    #[prost(bool, tag = "4")]
    pub(super) can_subscribe: bool,
    #[prost(string, tag = "5")]
    pub(super) schema_id: String,
    #[prost(string, tag = "6")]
    pub(super) rpc_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SchemaRequest {
    #[prost(string, tag = "1")]
    pub(super) schema_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SchemaTold {
    #[prost(string, tag = "1")]
    pub(super) schema_json: String,
    #[prost(string, tag = "2")]
    pub(super) schema_id: String,
    #[prost(string, tag = "3")]
    pub(super) rpc_id: String,
}

/// `replay_preset`: 0 latest, 1 earliest, 2 custom.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FetchRequest {
    #[prost(string, tag = "1")]
    pub(super) topic_name: String,
    #[prost(int32, tag = "2")]
    pub(super) replay_preset: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) replay_id: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub(super) num_requested: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FetchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) events: Vec<ConsumerEvent>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) latest_replay_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) rpc_id: String,
    #[prost(int32, tag = "4")]
    pub(super) pending_num_requested: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ConsumerEvent {
    #[prost(message, optional, tag = "1")]
    pub(super) event: Option<ProducerEvent>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) replay_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ProducerEvent {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) schema_id: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) payload: Vec<u8>,
}

/// How a call is refused: gRPC's number, the vendor's code and sentence.
pub(super) struct Refusal {
    pub(super) status: u32,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

impl Refusal {
    pub(super) fn headers(&self) -> HeaderMap {
        let mut told = HeaderMap::new();
        told.insert("grpc-status", HeaderValue::from(self.status));
        told.insert("grpc-message", HeaderValue::from_static(self.message));
        told.insert("error-code", HeaderValue::from_static(self.code));
        told
    }
}

/// The end of a call that went well.
pub(super) fn well() -> HeaderMap {
    let mut told = HeaderMap::new();
    told.insert("grpc-status", HeaderValue::from_static("0"));
    told
}

/// A message in its frame.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0][..], &length, &body].concat().into()
}

/// The first whole message of what came so far.
pub(super) fn unframed(came: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = came.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
    let end = usize::try_from(length).ok()?.checked_add(5)?;
    let message = came.get(5..end)?.to_vec();
    came.drain(..end);
    Some(message)
}
