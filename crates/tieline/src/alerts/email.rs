//! An alert as an e-mail over SMTP.

use crate::config::{ChannelSection, MailSecurity};
use async_trait::async_trait;
use engine::{Alert, Channel};
use kit::Error;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// One mail server, and who is told.
pub(super) struct Email {
    name: String,
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    pub(super) fn open(name: &str, section: &ChannelSection) -> Result<Self, String> {
        let host = section.server.as_deref().ok_or("server: is required for e-mail")?;
        let mailbox = |setting: &str, text: &str| {
            text.parse::<Mailbox>().map_err(|_| format!("{setting}: `{text}` is no e-mail address"))
        };
        let from = section.from.as_deref().ok_or("from: is required for e-mail")?;
        let to: Result<Vec<Mailbox>, String> =
            section.to.iter().map(|text| mailbox("to", text)).collect();
        let to = to?;
        if to.is_empty() {
            return Err("to: nobody is to be told".to_owned());
        }
        let tls = |wrong: lettre::transport::smtp::Error| format!("server: {wrong}");
        let builder = match section.security {
            MailSecurity::Starttls => {
                AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(tls)?
            }
            MailSecurity::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(tls)?,
            MailSecurity::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
                .port(section.port.unwrap_or(25)),
        };
        let builder = match section.port {
            Some(port) => builder.port(port),
            None => builder,
        };
        let builder = match (&section.user, &section.password) {
            (Some(user), Some(source)) => {
                let password = source.read().map_err(|wrong| format!("password: {wrong}"))?;
                builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()))
            }
            (None, None) => builder,
            _ => return Err("user: and password go together".to_owned()),
        };
        let server = builder.timeout(Some(TIMEOUT)).build();
        Ok(Self { name: name.to_owned(), server, from: mailbox("from", from)?, to })
    }

    fn message(&self, alert: &Alert) -> Result<Message, lettre::error::Error> {
        let word = if alert.is_over { "over" } else { "alert" };
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(format!("[tieline] {word}: {}", alert.title))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let Alert { title, detail, connection, kind, since, at, .. } = alert;
        message.body(format!(
            "{title}\n\n{detail}\n\nconnection: {connection}\nkind: {kind}\nsince: {since}\nat: {at}\n"
        ))
    }
}

#[async_trait]
impl Channel for Email {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "email"
    }

    async fn send(&self, alert: &Alert) -> Result<(), Error> {
        let message = self.message(alert);
        let message = message.map_err(|_| Error::protocol("an alert that makes no message"))?;
        let sent = self.server.send(message).await;
        sent.map(drop).map_err(|error| {
            // A server's own words may quote whoever was told.
            let told = error.status().map_or_else(
                || "the mail server cannot be reached, or not as configured".to_owned(),
                |code| format!("the mail server answered {code}"),
            );
            if error.is_permanent() {
                return Error::Invalid { field: Some("server".to_owned()), reason: told };
            }
            Error::unavailable(told)
        })
    }
}
