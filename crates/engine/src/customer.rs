//! Who is asked for: the customer of a call, as far as its request says.
//!
//! The number in whatever form it came, the e-mail, an externalId of an earlier
//! answer. What cannot be used becomes a warning, never an error: the caller is
//! on the line.

use crate::Connection;
use crate::lookup::{Engine, Request};
use domain::{Caller, Direction, ExternalId, phone};
use kit::Ask;
use std::sync::Arc;

/// Who is asked for.
pub(crate) struct Customer {
    pub ask: Option<Ask>,
    /// The connection that an externalId of the request belongs to.
    pub owner: Option<Arc<Connection>>,
    pub warnings: Vec<String>,
}

impl Engine {
    /// Who the customer of a call is, as far as the request says.
    pub(crate) fn customer(&self, request: &Request) -> Customer {
        let mut warnings = Vec::new();
        let number = match request.direction {
            Direction::Inbound => request.from.as_deref(),
            Direction::Outbound => request.to.as_deref(),
        };
        let phone = match number.map(|text| phone::parse(text, self.options.region)) {
            Some(Caller::Number(phone)) => Some(phone),
            Some(Caller::Unusable { reason }) => {
                warnings.push(format!("the number is not usable: {reason}"));
                None
            }
            Some(Caller::Withheld) | None => None,
        };
        let email = request.email.as_deref().map(str::trim).filter(|e| !e.is_empty());
        let email = match email {
            Some(text) if is_email(text) => Some(text.to_lowercase()),
            Some(_) => {
                warnings.push("the e-mail address is not usable".to_owned());
                None
            }
            None => None,
        };
        let (owner, record) = self.record(request, &mut warnings);
        let ask = Ask { phone: phone.map(without_extension), email, record };
        let is_empty = ask == Ask::default();
        Customer { ask: (!is_empty).then_some(ask), owner, warnings }
    }

    /// An externalId that came along names the record and whose it is.
    fn record(
        &self,
        request: &Request,
        warnings: &mut Vec<String>,
    ) -> (Option<Arc<Connection>>, Option<String>) {
        let text = request.external_id.as_deref().map(str::trim).filter(|t| !t.is_empty());
        match text.map(str::parse) {
            Some(Ok(ExternalId::Record { prefix, record })) => {
                let owner = self.connections.by_prefix(&prefix);
                if owner.is_none() {
                    warnings.push("the externalId's prefix belongs to no connection".to_owned());
                    return (None, None);
                }
                (owner.cloned(), Some(record))
            }
            Some(Ok(ExternalId::Phone(_) | ExternalId::Unknown)) | None => (None, None),
            Some(Err(reason)) => {
                warnings.push(format!("the externalId is not usable: {reason}"));
                (None, None)
            }
        }
    }
}

/// One person has one directory key, whatever extension they dialled from.
fn without_extension(mut phone: domain::Phone) -> domain::Phone {
    phone.extension = None;
    phone
}

/// Enough to tell an address from rubbish; whether it exists is the CRM's to say.
fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    text.len() <= 254
        && text.bytes().all(|b| b.is_ascii_graphic() || !b.is_ascii())
        && parts
            .is_some_and(|(local, host)| !local.is_empty() && host.len() > 2 && !host.contains('@'))
}
