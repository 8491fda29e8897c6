//! The simulated source, for those who do not know it by name.

use super::sim::{self, CLIENT, Config, KEY, Source, TOKEN, USER};
use crate::{Setup, Simulation, Simulator, Starting};
use ::sim::faults::Faults;
use async_trait::async_trait;
use kit::{Secret, Settings};
use std::io;

/// What the path of every request but a login has in it.
pub const API: &str = "/api/";

/// Starts a source.
pub fn start(setup: Setup) -> Starting {
    Box::pin(async move {
        if setup.requests_per_minute.is_some() {
            let reason = "the simulated source counts no requests";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let Setup { port, people, .. } = setup;
        let source = sim::start(Config { port, people, ..Config::default() }).await?;
        let logins = logins(&source.url());
        Ok(Simulation { simulator: Box::new(source), logins, api: API })
    })
}

/// What an administrator would write to use it, in each way of logging in.
#[must_use]
pub fn logins(url: &str) -> Vec<Settings> {
    let token_url = format!("{url}/oauth/token");
    let by_client = [
        ("auth", "client_credentials"),
        ("token_url", &token_url),
        ("client_id", CLIENT.0),
        ("scope", "customers"),
    ];
    let in_form: Vec<(&str, &str)> =
        by_client.iter().copied().chain([("client_auth", "form")]).collect();
    vec![
        login(url, &by_client, &[("client_secret", CLIENT.1)]),
        login(url, &in_form, &[("client_secret", CLIENT.1)]),
        login(url, &[("auth", "basic"), ("username", USER.0)], &[("password", USER.1)]),
        login(url, &[("auth", "bearer")], &[("token", TOKEN)]),
        login(url, &[("auth", "api_key")], &[("api_key", KEY)]),
    ]
}

fn login(url: &str, auth: &[(&str, &str)], secrets: &[(&str, &str)]) -> Settings {
    let plain = format!(
        r#"
        base_url = "{url}/api"
        by_phone = "/customers?phone={{phone.e164}}"
        by_email = "/customers?email={{email}}"
        by_record = "/customers/{{record}}"
        by_account = "/accounts/{{account}}/invoices"
        records_at = "/data/customers"
        record_at = "/customer"
        object = "Customer"
        account_records_at = "/invoices"
        account_id_at = "/account"
        account_name_at = "/name"
        account_count = "openInvoiceCount"
        error_at = "/error/code"
        paging = "next_link"
        next_at = "/links/next"
        [fields]
        record = "/id"
        first_name = "/name/first"
        last_name = "/name/last"
        email = "/contact/mail"
        phone = "/contact/work"
        mobile_phone = "/contact/mobile"
        account = "/company/number"
        modified_at = "/changed"
        [data]
        loyaltyTier = "/tier"
        company = "/company/name"
        isVip = "/vip"
        [account_data]
        openBalance = "/total"
        [account_lists]
        openInvoices = "/number"
        [error_codes]
        busy = "rate_limited"
        "#
    );
    let mut plain: toml::Table = plain.parse().expect("written in this file");
    plain.extend(auth.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())));
    let secret = |(key, text): &(&str, &str)| ((*key).to_owned(), Secret::new((*text).to_owned()));
    Settings { plain: plain.into_iter().collect(), secrets: secrets.iter().map(secret).collect() }
}

#[async_trait]
impl Simulator for Source {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn faults(&self) -> &Faults {
        Self::faults(self)
    }

    fn revoke_tokens(&self) {
        Self::revoke_tokens(self);
    }

    fn contacts(&self) -> usize {
        self.customers()
    }

    async fn stop(self: Box<Self>) {
        Self::stop(*self).await;
    }
}
