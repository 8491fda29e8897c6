//! A websocket to a vendor: the same way out, with frames that come when something happens.
//!
//! It begins as a request, so guard, proxy and certificates are those of every other. What is
//! said over it, and how long silence may last, is the connector's to say. A connection of its
//! own that goes on: it takes no request of the budget and holds no place.
//!
//! Source: RFC 6455.

use super::{Http, failed};
use crate::Error;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{StatusCode, Upgraded, header};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use url::Url;

/// Larger messages end the socket: news of one agent are far smaller.
const MESSAGE_MAX: usize = 256 * 1024;

/// An open socket. Dropped, it is closed without a word.
pub struct Socket {
    inner: WebSocketStream<Upgraded>,
}

impl Http {
    /// Opens a websocket at a `wss://` address; at a `ws://` one only where private addresses
    /// are allowed.
    ///
    /// # Errors
    /// `Invalid` naming `url` when it may not be asked; `NotFound` when there is no such socket;
    /// `Unavailable` when none was opened.
    pub async fn socket(&self, url: &Url) -> Result<Socket, Error> {
        let url = self.web_address(url)?;
        self.check(&url)?;
        let key = generate_key();
        let request = self
            .0
            .client
            .get(url)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let timeout = self.0.timeout;
        let opening = async {
            let answer = request.send().await.map_err(|error| failed(error, timeout))?;
            match answer.status() {
                StatusCode::SWITCHING_PROTOCOLS => {}
                StatusCode::NOT_FOUND => return Err(Error::NotFound),
                other => return Err(Error::unavailable(format!("no socket: status {other}"))),
            }
            let accepted = answer.headers().get(header::SEC_WEBSOCKET_ACCEPT);
            if accepted
                .is_none_or(|told| told.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
            {
                return Err(Error::protocol("a socket that was accepted for another"));
            }
            answer.upgrade().await.map_err(|error| failed(error, timeout))
        };
        let upgraded = tokio::time::timeout(timeout, opening).await;
        let upgraded = upgraded.unwrap_or_else(|_| {
            let ms = timeout.as_millis();
            Err(Error::unavailable(format!("no socket within {ms} ms")))
        })?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let inner = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        Ok(Socket { inner })
    }

    /// The address of the request that opens a socket.
    fn web_address(&self, url: &Url) -> Result<Url, Error> {
        let invalid = |reason: &str| Error::Invalid {
            field: Some("url".to_owned()),
            reason: reason.to_owned(),
        };
        let scheme = match url.scheme() {
            "wss" => "https",
            "ws" if self.0.network.allow_private_addresses => "http",
            "ws" => return Err(invalid("a socket without TLS is not opened")),
            _ => return Err(invalid("is no address of a websocket")),
        };
        let rest = url.as_str().split_once(':').map_or("", |(_, rest)| rest);
        Url::parse(&format!("{scheme}:{rest}")).map_err(|_| invalid("is no address"))
    }
}

impl Socket {
    /// The next text; `None` once the other side has closed. Given up midway it has lost
    /// nothing.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            match self.inner.next().await {
                None | Some(Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Text(text))) => return Ok(Some(text.as_str().to_owned())),
                // Pings of the protocol are answered by the library.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    /// Sends a text.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke.
    pub async fn send(&mut self, text: &str) -> Result<(), Error> {
        self.inner.send(Message::text(text)).await.map_err(|error| broken(&error))
    }
}

fn broken(error: &tungstenite::Error) -> Error {
    // Its own words may repeat what came.
    let what = match error {
        tungstenite::Error::Capacity(_) => "a message over 256 KiB came over the socket",
        tungstenite::Error::Protocol(_) => "the socket was not spoken over as agreed",
        _ => "the socket broke",
    };
    Error::unavailable(what)
}

#[cfg(test)]
mod tests {
    use super::super::{Http, Limits, Network};
    use crate::Error;
    use futures_util::{SinkExt as _, StreamExt as _};
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::Message;
    use url::Url;

    fn http(allow_private_addresses: bool) -> Http {
        let limits = Limits {
            requests_per_minute: 60,
            reserved_for_calls: 0,
            concurrent_calls: 1,
            concurrent_background: 1,
            timeout: Duration::from_secs(10),
        };
        let network = Network { allow_private_addresses, proxy_hosts: Vec::new() };
        Http::new(limits, network).expect("a client")
    }

    /// Somebody who echoes in capitals until told `bye`.
    async fn echo() -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a socket");
            while let Some(Ok(Message::Text(text))) = socket.next().await {
                if text.as_str() == "bye" {
                    socket.close(None).await.ok();
                    return;
                }
                socket.send(Message::text(text.as_str().to_uppercase())).await.expect("sent");
            }
        });
        Url::parse(&format!("ws://{address}/channels/1")).expect("an address")
    }

    #[tokio::test]
    async fn what_is_said_is_heard_until_the_other_side_closes() {
        let mut socket = http(true).socket(&echo().await).await.expect("a socket");
        for word in ["one", "two"] {
            socket.send(word).await.expect("sent");
            assert_eq!(socket.next().await.expect("heard"), Some(word.to_uppercase()));
        }
        socket.send("bye").await.expect("sent");
        assert_eq!(socket.next().await.expect("closed"), None);
    }

    #[tokio::test]
    async fn a_message_that_is_too_large_ends_the_socket() {
        let mut socket = http(true).socket(&echo().await).await.expect("a socket");
        socket.send(&"x".repeat(300_000)).await.expect("sent");
        let error = socket.next().await.expect_err("too large");
        assert!(error.to_string().contains("256 KiB"), "{error}");
    }

    #[tokio::test]
    async fn a_private_address_and_a_socket_without_tls_are_refused() {
        for (url, word) in [
            ("wss://127.0.0.1:9/x", "127.0.0.1"),
            ("wss://localhost/x", "localhost"),
            ("ws://streaming.example.com/x", "without TLS"),
            ("https://streaming.example.com/x", "no address of a websocket"),
        ] {
            let url = Url::parse(url).expect("an address");
            let Err(error) = http(false).socket(&url).await else { panic!("{url} was opened") };
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
