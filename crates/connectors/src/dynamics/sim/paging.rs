//! What leads from one page to the next: cookies in XML, and change tokens.

use super::http::Answer;

/// A change token, as the vendor's: the version and when it was given.
pub(super) fn token(version: u64) -> String {
    format!("{version}!11/22/2026 08:10:44")
}

/// What a page remembers of the one before.
#[derive(Default)]
pub(super) struct Cookie {
    pub(super) page: u64,
    pub(super) last: String,
    pub(super) offset: usize,
    /// The version from which changes are told after the last page.
    pub(super) tracked: Option<u64>,
    /// The version since which changes are told on this one.
    pub(super) since: Option<u64>,
}

impl Cookie {
    pub(super) fn write(&self) -> String {
        let number =
            |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        format!(
            "<cookie pagenumber=\"{}\" last=\"{}\" offset=\"{}\" tracked=\"{}\" since=\"{}\" istracking=\"False\" />",
            self.page + 1,
            self.last,
            self.offset,
            number(self.tracked),
            number(self.since)
        )
    }

    pub(super) fn read(text: &str) -> Result<Cookie, Answer> {
        let malformed = || Answer::bad("Malformed XML in the Paging Cookie");
        if !text.starts_with("<cookie ") || !text.ends_with("/>") {
            return Err(malformed());
        }
        let part = |name: &str| {
            let rest = text.split_once(&format!(" {name}=\""))?.1;
            rest.split_once('"').map(|(value, _)| value)
        };
        let page: u64 = part("pagenumber").and_then(|p| p.parse().ok()).ok_or_else(malformed)?;
        Ok(Cookie {
            page: page.saturating_sub(1),
            last: part("last").ok_or_else(malformed)?.to_owned(),
            offset: part("offset").and_then(|o| o.parse().ok()).ok_or_else(malformed)?,
            tracked: part("tracked").and_then(|v| v.parse().ok()),
            since: part("since").and_then(|v| v.parse().ok()),
        })
    }
}
