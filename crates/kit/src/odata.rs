//! How OData is written, whatever its version: literals, encoding and addresses.
//!
//! OData has no bind parameters. Texts become literals by [`literal`], its one escape, and
//! every part of an address is percent-encoded on its own by [`encoded`].
//!
//! Sources: OData 2.0, "URI Conventions"; OData 4.0, "URL Conventions".

mod batch;

pub use batch::{Operation, answers, batch};

use url::Url;

/// `'…'` with every quote inside doubled: OData's only escape.
#[must_use]
pub fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Percent-encodes all but letters, digits, `-`, `_`, `.`, `~`, and `,` between names. A
/// space is `%20`: not every gateway reads `+` as one.
#[must_use]
pub fn encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + text.len() / 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// An address below that of the API; the path is written as it is.
#[must_use]
pub fn below(api: &Url, path: &str) -> Url {
    let mut url = api.clone();
    url.set_path(&format!("{}/{path}", api.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::{below, encoded, literal};
    use url::Url;

    #[test]
    fn no_quote_ends_a_literal_and_no_letter_begins_another_part() {
        assert_eq!(literal("O'Hara' or 1 eq 1"), "'O''Hara'' or 1 eq 1'");
        assert_eq!(encoded("a b&c=d/é,e"), "a%20b%26c%3Dd%2F%C3%A9,e");
        let api = Url::parse("https://crm.example.com/api/").expect("an address");
        assert_eq!(below(&api, "contacts(1)").as_str(), "https://crm.example.com/api/contacts(1)");
    }
}
