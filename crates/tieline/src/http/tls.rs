//! TLS without a proxy in front: one certificate, replaced while serving.
//!
//! The two files are read every [`LOOK_EVERY`] and on SIGHUP. A new pair serves
//! the next connection; a pair that cannot be used is told once and changes
//! nothing, so that a half-copied renewal never takes the server down.

use crate::config::TlsSection;
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// A client may take this long to agree on a connection.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The certificate that is served, and where a newer one would lie.
pub struct Tls {
    section: TlsSection,
    /// Of the pair that was read first.
    first: [u8; 64],
    serving: ArcSwap<ServerConfig>,
}

/// Both files as they were read.
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the pair.
    ///
    /// # Errors
    /// A sentence that names the file at fault.
    pub fn load(section: &TlsSection) -> Result<Self, String> {
        let pair = Pair::read(section)?;
        let serving = ArcSwap::from_pointee(pair.config(section)?);
        Ok(Self { section: section.clone(), first: pair.digest(), serving })
    }

    /// Agrees with a client; `None` when that fails or takes too long.
    pub async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.serving.load_full());
        tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await.ok()?.ok()
    }

    /// Looks for a newer pair until told to stop.
    pub async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut seen = Some(self.first);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut hangups = Hangups::listen();
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                _ = looks.tick() => {}
                () = hangups.next() => {}
            }
            let section = self.section.clone();
            // A disk may hang: no call waits for it.
            let read = tokio::task::spawn_blocking(move || Pair::read(&section)).await;
            let Ok(read) = read else { continue };
            let digest = read.as_ref().ok().map(Pair::digest);
            if digest == seen {
                continue;
            }
            seen = digest;
            match read.and_then(|pair| pair.config(&self.section)) {
                Ok(config) => {
                    self.serving.store(Arc::new(config));
                    tracing::info!("a new certificate is served");
                }
                Err(reason) => tracing::error!(
                    "the new certificate cannot be used, the one before stays: {reason}"
                ),
            }
        }
    }
}

impl Pair {
    fn read(section: &TlsSection) -> Result<Self, String> {
        let read = |setting: &str, path: &PathBuf| {
            let told =
                |error| format!("server.tls.{setting}: {} cannot be read: {error}", path.display());
            std::fs::read(path).map_err(told)
        };
        Ok(Self {
            certificate: read("certificate", &section.certificate)?,
            key: read("key", &section.key)?,
        })
    }

    fn digest(&self) -> [u8; 64] {
        let mut both = [0; 64];
        both[..32].copy_from_slice(digest(&SHA256, &self.certificate).as_ref());
        both[32..].copy_from_slice(digest(&SHA256, &self.key).as_ref());
        both
    }

    fn config(&self, section: &TlsSection) -> Result<ServerConfig, String> {
        let certificate = section.certificate.display();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| format!("server.tls.certificate: {certificate} is no PEM"))?;
        if chain.is_empty() {
            return Err(format!("server.tls.certificate: {certificate} holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| {
            format!("server.tls.key: {} holds no private key", section.key.display())
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("server.tls: {error}"))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            // Above all: the key belongs to another certificate.
            .map_err(|error| format!("server.tls: certificate and key cannot be used: {error}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// SIGHUP, where there is one.
struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Self { signals: signal(SignalKind::hangup()).ok() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
