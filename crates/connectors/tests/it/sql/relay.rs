//! A network between us and a server, that hangs, cuts and refuses as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// All goes through.
    Fine,
    /// Nothing goes through, and nobody is told.
    Hangs,
    /// Connections are reset as they come, and those there are.
    Cuts,
}

/// It listens until it is dropped.
pub(super) struct Relay {
    pub(super) port: u16,
    weather: watch::Sender<Weather>,
    opened: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (weather, seen) = watch::channel(Weather::Fine);
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(carry(stream, server, seen.clone()));
            }
        });
        Self { port, weather, opened, task }
    }

    pub(super) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Connections that were begun so far.
    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, server: u16, mut weather: watch::Receiver<Weather>) {
    let address = SocketAddr::from(([127, 0, 0, 1], server));
    let Ok(mut upstream) = TcpStream::connect(address).await else { return };
    loop {
        let now = *weather.borrow_and_update();
        match now {
            Weather::Cuts => {
                // Closed with what is unread, so that the other side sees a reset.
                let _ = client.set_zero_linger();
                return;
            }
            Weather::Hangs => {
                if weather.changed().await.is_err() {
                    return;
                }
            }
            Weather::Fine => tokio::select! {
                _ = copy_bidirectional(&mut client, &mut upstream) => return,
                changed = weather.changed() => if changed.is_err() { return },
            },
        }
    }
}
