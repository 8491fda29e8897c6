//! Clients of streams: one for server-sent events, one for WebSockets (by a library that
//! the server's side does not show).

use super::Line;
use super::plan::API_KEY;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What carries a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Sse,
    WebSocket,
}

/// A stream that is listened to.
pub(crate) enum Listener {
    Sse { response: reqwest::Response, read: String },
    WebSocket { socket: Box<WebSocketStream<MaybeTlsStream<TcpStream>>>, close_code: Option<u16> },
}

impl Line {
    /// Opens a stream with the key of tests.
    pub(crate) async fn listen(&self, by: By, path: &str) -> Listener {
        self.listen_with(by, path, &[("authorization", &format!("Bearer {API_KEY}"))]).await
    }

    /// Opens a stream with these headers.
    pub(crate) async fn listen_with(
        &self,
        by: By,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Listener {
        self.try_listen(by, path, headers).await.expect("the stream opens")
    }

    /// Opens a stream; the status where it is refused.
    pub(crate) async fn try_listen(
        &self,
        by: By,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Listener, u16> {
        match by {
            By::Sse => {
                // A client of its own: the rig's gives up after half a minute.
                let client = reqwest::Client::builder().no_proxy().build().expect("a client");
                let mut request = client.get(self.url(path)).header("accept", "text/event-stream");
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let response = request.send().await.expect("an answer");
                if response.status().as_u16() != 200 {
                    return Err(response.status().as_u16());
                }
                assert_eq!(response.headers()["content-type"], "text/event-stream");
                Ok(Listener::Sse { response, read: String::new() })
            }
            By::WebSocket => {
                let url = self.url(path).replace("http://", "ws://");
                let mut request = url.into_client_request().expect("a request");
                for (name, value) in headers {
                    request.headers_mut().insert(*name, value.parse().expect("a header"));
                }
                match tokio_tungstenite::connect_async(request).await {
                    Ok((socket, _)) => {
                        Ok(Listener::WebSocket { socket: Box::new(socket), close_code: None })
                    }
                    Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                        Err(answer.status().as_u16())
                    }
                    Err(error) => panic!("no handshake: {error}"),
                }
            }
        }
    }
}

impl Listener {
    /// The next message of any kind; `None` when the stream has ended.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        let next = async {
            match self {
                Self::Sse { response, read } => loop {
                    if let Some(message) = take_frame(read) {
                        return Some(message);
                    }
                    match response.chunk().await {
                        Ok(Some(bytes)) => {
                            read.push_str(std::str::from_utf8(&bytes).expect("text"))
                        }
                        Ok(None) | Err(_) => return None,
                    }
                },
                Self::WebSocket { socket, close_code } => loop {
                    use futures_util::StreamExt as _;
                    match socket.next().await {
                        Some(Ok(Message::Text(text))) => {
                            return Some(serde_json::from_str(&text).expect("JSON"));
                        }
                        Some(Ok(Message::Close(frame))) => {
                            *close_code = frame.map(|frame| frame.code.into());
                        }
                        Some(Ok(_)) => {}
                        None | Some(Err(_)) => return None,
                    }
                },
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a message, or the end, in time")
    }

    /// The next message that is no heartbeat.
    pub(crate) async fn news(&mut self) -> Value {
        loop {
            let message = self.message().await.expect("the stream goes on");
            if message["type"] != "heartbeat" {
                return message;
            }
        }
    }

    /// The kinds of the next so many messages.
    pub(crate) async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        while kinds.len() < count {
            kinds.push(self.news().await["type"].as_str().expect("a word").to_owned());
        }
        kinds
    }

    /// What the stream says last, before it ends.
    pub(crate) async fn closed(&mut self) -> Value {
        let mut last = Value::Null;
        while let Some(message) = self.message().await {
            last = message;
        }
        assert_eq!(last["type"], "closed", "{last}");
        last["closed"].clone()
    }

    /// The number with which a WebSocket was closed.
    pub(crate) fn close_code(&self) -> Option<u16> {
        match self {
            Self::Sse { .. } => None,
            Self::WebSocket { close_code, .. } => *close_code,
        }
    }
}

/// A whole frame out of what was read, as a browser takes it: the data, whose id and kind
/// are those of the frame.
fn take_frame(read: &mut String) -> Option<Value> {
    loop {
        let end = read.find("\n\n")?;
        let frame: String = read.drain(..end + 2).collect();
        let field = |name: &str| {
            let lines = frame.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).next()
        };
        let Some(data) = field("data") else { continue };
        let message: Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!(field("event").as_deref(), message["type"].as_str());
        assert_eq!(field("id").unwrap_or_default(), message["id"].as_str().expect("an id"));
        return Some(message);
    }
}
