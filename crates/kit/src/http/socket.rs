//! Websockets of a vendor: the same way out, for texts that come by themselves.
//!
//! The request that asks for a socket is one like any other: guard, proxy and certificates
//! are those of [`Http`]; then the connection is handed over. It takes no request of the budget
//! and holds no place. A text has a bound, and a socket no memory: what nobody asks for stays
//! in the network until the vendor is kept waiting.
//!
//! Source: RFC 6455, by tungstenite.

use super::{Http, Inner, failed, plain};
use crate::Error;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{StatusCode, Upgraded};
use std::fmt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as Broken, Message};
use url::Url;

/// A text larger than this ends its socket: news are far smaller.
const TEXT_MAX: usize = 256 * 1024;

/// An open socket; dropped, it ends.
pub struct Socket(Box<WebSocketStream<Upgraded>>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl Http {
    /// Opens a socket at a `wss` address, or at a `ws` one where private addresses are allowed.
    ///
    /// # Errors
    /// `Invalid` naming `url` when the address may not be asked; `NotFound` and others when
    /// the vendor does not open it.
    pub async fn socket(&self, address: &Url) -> Result<Socket, Error> {
        let url = self.0.as_http(address)?;
        self.check(&url)?;
        let key = generate_key();
        let asking = self.0.client.get(url);
        let asking = asking.header(CONNECTION, "upgrade").header(UPGRADE, "websocket");
        let asking = asking.header(SEC_WEBSOCKET_VERSION, "13").header(SEC_WEBSOCKET_KEY, &key);
        let timeout = self.0.timeout;
        let opening = async {
            let answer = asking.send().await.map_err(|e| failed(e, timeout))?;
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(not_opened(answer.status().as_u16()));
            }
            let accept = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
            let expected = derive_accept_key(key.as_bytes());
            if accept.is_none_or(|told| told.as_bytes() != expected.as_bytes()) {
                return Err(Error::protocol("whoever answered does not speak websocket"));
            }
            answer.upgrade().await.map_err(|e| Error::unavailable(plain(e)))
        };
        let opened = tokio::time::timeout(timeout, opening).await;
        let raw = opened.unwrap_or_else(|_| {
            Err(Error::unavailable(format!("no socket within {} ms", timeout.as_millis())))
        })?;
        let bounds = WebSocketConfig::default()
            .max_message_size(Some(TEXT_MAX))
            .max_frame_size(Some(TEXT_MAX));
        let stream = WebSocketStream::from_raw_socket(raw, Role::Client, Some(bounds)).await;
        Ok(Socket(Box::new(stream)))
    }
}

impl Inner {
    /// The address as the request for a socket has it.
    fn as_http(&self, address: &Url) -> Result<Url, Error> {
        let scheme = match address.scheme() {
            "wss" => "https",
            "ws" if self.network.allow_private_addresses => "http",
            _ => return Err(refused("a socket needs an address that begins with wss://")),
        };
        let mut url = address.clone();
        url.set_scheme(scheme).map_err(|()| refused("is no address of a socket"))?;
        Ok(url)
    }
}

fn refused(reason: &str) -> Error {
    Error::Invalid { field: Some("url".to_owned()), reason: reason.to_owned() }
}

/// What another answer than a socket means.
fn not_opened(status: u16) -> Error {
    match status {
        401 => Error::Unauthorized { reason: "status 401".to_owned() },
        403 => Error::Forbidden { missing: "status 403".to_owned() },
        404 | 410 => Error::NotFound,
        429 => Error::RateLimited { retry_after: None },
        408 | 500.. => Error::unavailable(format!("status {status}")),
        _ => Error::protocol(format!("status {status} in place of a socket")),
    }
}

impl Socket {
    /// # Errors
    /// `Unavailable` when the socket has ended.
    pub async fn send(&mut self, text: &str) -> Result<(), Error> {
        self.0.send(Message::text(text)).await.map_err(|error| broken(&error))
    }

    /// The next text; `None` when the vendor has closed the socket. May be given up at any
    /// time without losing one.
    ///
    /// # Errors
    /// After which nothing more comes: `Unavailable` when the socket broke off, `Protocol`
    /// when what came is larger than a text may be.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            match self.0.next().await {
                None | Some(Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Text(text))) => return Ok(Some(text.as_str().to_owned())),
                // Pings are answered by the stream itself.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }
}

/// Without the library's own sentence, which may quote what came.
fn broken(error: &Broken) -> Error {
    match error {
        Broken::Capacity(_) => Error::protocol("a text of more than 256 KiB"),
        Broken::Protocol(_) | Broken::Utf8(_) => Error::protocol("what came is no websocket's"),
        _ => Error::unavailable("the socket broke off"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Network};
    use super::{Http, TEXT_MAX};
    use crate::Error;
    use futures_util::{SinkExt as _, StreamExt as _};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::Message;
    use url::Url;

    fn http(allow_private_addresses: bool) -> Http {
        let limits = Limits {
            requests_per_minute: 600,
            reserved_for_calls: 0,
            concurrent_calls: 1,
            concurrent_background: 1,
            timeout: Duration::from_secs(5),
        };
        Http::new(limits, Network { allow_private_addresses, ..Network::default() })
            .expect("a client")
    }

    async fn server() -> (TcpListener, Url) {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("an address").port();
        (server, Url::parse(&format!("ws://127.0.0.1:{port}/channels/x")).expect("an address"))
    }

    #[tokio::test]
    async fn texts_go_both_ways_and_a_socket_holds_no_place() {
        let (server, url) = server().await;
        let served = tokio::spawn(async move {
            loop {
                let (stream, _) = server.accept().await.expect("a connection");
                tokio::spawn(async move {
                    let mut socket = accept_async(stream).await.expect("a socket");
                    let asked = socket.next().await.expect("a text").expect("whole");
                    socket.send(Message::Ping("p".into())).await.expect("sent");
                    socket.send(asked).await.expect("sent");
                    socket.close(None).await.expect("closed");
                });
            }
        });
        let http = http(true);
        let mut first = http.socket(&url).await.expect("a socket");
        first.send("hello").await.expect("sent");
        assert_eq!(first.next().await, Ok(Some("hello".to_owned())));
        assert_eq!(first.next().await, Ok(None));
        // There is one place in the background, and nobody else held it.
        let mut second = http.socket(&url).await.expect("another");
        second.send("again").await.expect("sent");
        assert_eq!(second.next().await, Ok(Some("again".to_owned())));
        served.abort();
    }

    #[tokio::test]
    async fn a_text_over_the_bound_ends_the_socket() {
        let (server, url) = server().await;
        let served = tokio::spawn(async move {
            let (stream, _) = server.accept().await.expect("a connection");
            let mut socket = accept_async(stream).await.expect("a socket");
            socket.send(Message::text("x".repeat(TEXT_MAX + 1))).await.ok();
            socket
        });
        let http = http(true);
        let mut socket = http.socket(&url).await.expect("a socket");
        assert_eq!(socket.next().await.expect_err("too large").kind(), "protocol");
        drop(served);
    }

    #[tokio::test]
    async fn a_private_address_and_one_without_tls_are_refused() {
        let (_server, plain) = server().await;
        for address in [plain.as_str(), "wss://127.0.0.1/x", "wss://localhost/x", "ws://8.8.8.8/x"]
        {
            let address = Url::parse(address).expect("an address");
            let error = http(false).socket(&address).await.expect_err("refused");
            let named = Some("url".to_owned());
            assert!(matches!(error, Error::Invalid { field, .. } if field == named), "{address}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_socket_is_told_as_what_it_is() {
        let impostor = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                        upgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
        for (answer, kind) in [
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "not_found"),
            ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "unavailable"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "protocol"),
            (impostor, "protocol"),
        ] {
            let (server, url) = server().await;
            let answering = async {
                let (mut stream, _) = server.accept().await.expect("a connection");
                let mut head = vec![0; 4_096];
                let read = stream.read(&mut head).await.expect("a request");
                stream.write_all(answer.as_bytes()).await.expect("sent");
                head.truncate(read);
                head
            };
            let http = http(true);
            let (asked, outcome) = tokio::join!(answering, http.socket(&url));
            let asked = String::from_utf8_lossy(&asked).to_lowercase();
            assert!(asked.starts_with("get /channels/x http/1.1"), "{asked}");
            assert!(asked.contains("sec-websocket-version: 13"), "{asked}");
            assert_eq!(outcome.expect_err("no socket").kind(), kind);
        }
    }
}
