//! As much of the query language as a sync asks: fields, one condition, an order, a limit.

use domain::Timestamp;

/// A question about contacts.
pub(crate) struct Query {
    pub(crate) fields: Vec<String>,
    pub(crate) which: Which,
    pub(crate) limit: usize,
}

/// Of whom it asks.
pub(crate) enum Which {
    All,
    Since(Timestamp),
    /// In the order of time and id, after this one.
    After(Timestamp, String),
    /// Whose field has one of these values.
    Among(String, Vec<String>),
}

impl Query {
    /// `None`: asked in another form than those that are known here.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (fields, rest) = text.strip_prefix("SELECT ")?.split_once(" FROM ")?;
        let limit = rest.rsplit_once(" LIMIT ").and_then(|(_, limit)| limit.parse().ok());
        let condition = rest.split_once(" WHERE ").map(|(_, after)| after);
        let condition = condition.and_then(|text| text.split(" ORDER BY ").next());
        let which = match condition {
            None => Which::All,
            Some(text) => Self::which(text)?,
        };
        let fields = fields.split(", ").map(str::to_owned).collect();
        Some(Self { fields, which, limit: limit.unwrap_or(usize::MAX) })
    }

    fn which(text: &str) -> Option<Which> {
        if let Some((field, list)) = text.split_once(" IN (") {
            let list = list.split_once(')')?.0;
            let values = list.split(", ").map(|one| one.trim_matches('\'').to_owned());
            return Some(Which::Among(field.to_owned(), values.collect()));
        }
        if let Some(since) = text.strip_prefix("SystemModstamp >= ") {
            return Timestamp::parse(since).map(Which::Since);
        }
        let rest = text.strip_prefix("(SystemModstamp > ")?;
        let moment = Timestamp::parse(rest.split(' ').next()?)?;
        let (_, id) = rest.split_once("Id > '")?;
        Some(Which::After(moment, id.split('\'').next()?.to_owned()))
    }
}
