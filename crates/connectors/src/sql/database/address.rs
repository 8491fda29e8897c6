//! Where a database server is, and how the way to it is kept private.
//!
//! Every session begins here: the host is resolved anew and each of its addresses must be
//! one that the connection may ask (`kit::guard`).

use super::Failure;
use kit::{Error, Network, Settings, guard};
use sqlx::ConnectOptions;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

/// How the way is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Tls {
    /// TLS, and the server's certificate is for this host and by somebody trusted.
    Verify,
    /// TLS, by whatever certificate: it keeps out who only listens.
    Encrypt,
    /// None.
    Off,
}

/// A server, its database, and who we are there.
#[derive(Clone)]
pub(in crate::sql) struct Address {
    pub(in crate::sql) host: String,
    pub(in crate::sql) port: u16,
    pub(in crate::sql) database: String,
    pub(in crate::sql) user: String,
    pub(in crate::sql) password: kit::Secret,
    pub(in crate::sql) tls: Tls,
    /// Certificates of one's own authorities, in PEM form.
    pub(in crate::sql) authorities: Option<Vec<u8>>,
    pub(in crate::sql) network: Network,
}

impl Address {
    /// Reads it from the settings; the port is the engine's own unless one is set.
    ///
    /// # Errors
    /// `Invalid` naming the setting.
    pub(in crate::sql) fn of(
        settings: &Settings,
        network: Network,
        usual_port: u16,
    ) -> Result<Self, Error> {
        let host = settings.required("host")?.trim().to_owned();
        guard::check_name(&host, &network)?;
        let port = settings.number("port", u64::from(usual_port));
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| Error::Invalid {
            field: Some("port".to_owned()),
            reason: "is a number from 1 to 65535".to_owned(),
        })?;
        let tls = match settings.text("tls") {
            Some("encrypt") => Tls::Encrypt,
            Some("off") => Tls::Off,
            _ => Tls::Verify,
        };
        Ok(Self {
            host,
            port,
            database: settings.required("database")?.to_owned(),
            user: settings.required("user")?.to_owned(),
            password: settings.secret("password")?.clone(),
            tls,
            authorities: settings.text("tls_authorities").map(certificates).transpose()?,
            network,
        })
    }

    /// The addresses to connect to now, in the order in which to try them.
    ///
    /// # Errors
    /// `Invalid` naming `host` when none may be asked, `Unavailable` when there is none.
    pub(in crate::sql) async fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let mut found = guard::addresses(&self.host, self.port, &self.network).await?;
        found.truncate(ADDRESSES_MAX);
        Ok(found)
    }

    /// A session by sqlx, at the first of the addresses that answers. `options`: how to ask
    /// at an address; `failed`: what an error means, after which another address is tried
    /// only where the way is broken.
    ///
    /// # Errors
    /// What the last error means.
    pub(in crate::sql) async fn connect<O: ConnectOptions>(
        &self,
        limit: Duration,
        options: impl Fn(&str) -> O + Send + Sync,
        failed: impl Fn(&sqlx::Error, Duration) -> Failure + Send + Sync,
    ) -> Result<Session<O::Connection>, Failure>
    where
        O::Connection: Sized,
    {
        let mut failure = Failure::Broken(Error::unavailable("the host has no address"));
        for address in self.resolve().await.map_err(Failure::Told)? {
            match options(&address.ip().to_string()).connect().await {
                Ok(connection) => return Ok(Session { connection, limit }),
                Err(error) => failure = failed(&error, limit),
            }
            if !matches!(failure, Failure::Broken(_)) {
                break;
            }
        }
        Err(failure)
    }
}

/// A session, and how long its queries may run.
pub(in crate::sql) struct Session<C> {
    pub(in crate::sql) connection: C,
    pub(in crate::sql) limit: Duration,
}

/// Prepared queries that one session keeps.
pub(in crate::sql) const PREPARED_MAX: usize = 64;

/// A file of certificates, as it is when the connection is opened.
fn certificates(file: &str) -> Result<Vec<u8>, Error> {
    let invalid = |reason: &str| Error::Invalid {
        field: Some("tls_authorities".to_owned()),
        reason: reason.to_owned(),
    };
    let pem = std::fs::read_to_string(file).map_err(|_| invalid("is no file that can be read"))?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(invalid("holds no certificate in PEM form"));
    }
    Ok(pem.into_bytes())
}

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// What sqlx says when it was no server that spoke: the way is cut, or leads somewhere else.
pub(in crate::sql) fn cut(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Io(cause) if cause.kind() == ErrorKind::InvalidData => {
            Failure::Told(Error::Invalid {
                field: Some("tls".to_owned()),
                reason: format!("the server's certificate is not trusted ({cause})"),
            })
        }
        sqlx::Error::Io(cause) => {
            Failure::Broken(Error::unavailable(format!("the connection is cut: {}", cause.kind())))
        }
        sqlx::Error::Tls(cause) => Failure::Told(Error::Invalid {
            field: Some("tls".to_owned()),
            reason: format!("no TLS with this server: {cause}"),
        }),
        _ => Failure::Broken(Error::protocol("an answer outside the server's protocol")),
    }
}
