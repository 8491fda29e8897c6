//! Writes OData V4 requests in which nothing a caller says can become syntax.
//!
//! Dataverse has no bind parameters. So the types here are the only way to an address:
//! names pass a fixed pattern ([`Name`]), ids are GUIDs ([`Guid`]), texts become literals
//! with their quotes doubled ([`literal`], the one escape), and every part is
//! percent-encoded on its own. [`ODATA`] and [`FETCH_XML`] do the same for what an
//! administrator wrote.
//!
//! Sources: OData 4.0, "URL Conventions"; Microsoft Learn, "Filter rows using OData" and
//! "Use wildcard characters in conditions for string values".

pub(super) use kit::odata::below;
use kit::odata::{encoded, literal};
use kit::{Error, Language};
use url::Url;

/// Longest `$filter` in one address, percent-encoded. An address may have 32,768 characters.
const FILTER_MAX: usize = 14_000;
/// Conditions in one `$filter`; Dataverse takes 500 in a query.
const TERMS_MAX: usize = 200;
/// What Dataverse does not take in the value of an alternate key.
const NO_KEY: &str = "/<>*%&:\\?+#";

/// Name of a table's set, a column or a navigation property.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(String);

/// A record's id, in lower case with hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guid(String);

/// The text of a condition, complete and escaped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Filter(String);

/// A request for rows of one table.
#[derive(Clone)]
pub(super) struct Query {
    pub(super) set: Name,
    pub(super) filter: Option<Filter>,
    pub(super) select: Vec<Name>,
    /// Navigation properties, and what is wanted of whom they lead to.
    pub(super) expand: Vec<(Name, Vec<Name>)>,
    pub(super) top: Option<u16>,
}

impl Name {
    /// The name, or `None` when it is not letters, digits and `_`, beginning with one but a digit.
    pub(super) fn new(text: &str) -> Option<Self> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (begins && fits && text.len() <= 128).then(|| Self(text.to_owned()))
    }

    /// A name that stands in this folder's own code.
    pub(super) fn fixed(text: &'static str) -> Self {
        Self::new(text).expect("written in this folder")
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Guid {
    /// The id in lower case, or `None` when the text is no GUID; braces around it are taken off.
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
        let parts: Vec<&str> = text.split('-').collect();
        let is_part = |part: &&str, length: usize| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
        };
        let fits =
            parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(p, n)| is_part(p, n));
        fits.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The GUID of these bytes, marked as made by its maker's own rule (RFC 9562, version 8).
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut own = [0_u8; 16];
        for (to, from) in own.iter_mut().zip(bytes) {
            *to = *from;
        }
        own[6] = (own[6] & 0x0F) | 0x80;
        own[8] = (own[8] & 0x3F) | 0x80;
        let hex: String = own.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Self(parts.join("-"))
    }

    /// One that nobody else has.
    ///
    /// # Errors
    /// `Unavailable` when the system has no randomness.
    pub(super) fn random() -> Result<Self, Error> {
        let mut bytes = [0_u8; 16];
        let told = aws_lc_rs::rand::fill(&mut bytes);
        told.map_err(|_| Error::unavailable("no randomness for a mark"))?;
        Ok(Self::of(&bytes))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Filter {
    /// The column holds this text; in any case, as Dataverse compares.
    pub(super) fn text(column: &Name, value: &str) -> Self {
        Self(format!("{} eq {}", column.0, literal(value)))
    }

    /// The column holds this id.
    pub(super) fn id(column: &Name, id: &Guid) -> Self {
        Self(format!("{} eq {}", column.0, id.0))
    }

    /// The column holds this number.
    pub(super) fn number(column: &Name, number: i64) -> Self {
        Self(format!("{} eq {number}", column.0))
    }

    /// The column begins with this text.
    pub(super) fn starts_with(column: &Name, value: &str) -> Self {
        Self(format!("startswith({},{})", column.0, literal(&tame(value))))
    }

    /// The column holds these digits in this order, with anything between them.
    pub(super) fn digits_in_order(column: &Name, digits: &str) -> Self {
        let digits = digits.chars().filter(char::is_ascii_digit).map(|c| c.to_string());
        let pattern = digits.collect::<Vec<_>>().join("%");
        Self(format!("contains({},{})", column.0, literal(&pattern)))
    }

    /// At least one of the conditions holds; `None` when there are none.
    pub(super) fn any(mut filters: Vec<Self>) -> Option<Self> {
        if filters.len() < 2 {
            return filters.pop();
        }
        let texts: Vec<String> = filters.into_iter().map(|filter| filter.0).collect();
        Some(Self(format!("({})", texts.join(" or "))))
    }

    /// Both conditions hold.
    pub(super) fn and(self, other: Self) -> Self {
        Self(format!("{} and {}", self.0, other.0))
    }

    /// Joins conditions into as few as fit one address and one parser each.
    pub(super) fn packed(filters: Vec<Self>) -> Vec<Self> {
        const BETWEEN: usize = "%20or%20".len();
        let mut packs: Vec<Vec<Self>> = Vec::new();
        let mut length = 0;
        for filter in filters {
            let more = encoded(&filter.0).len() + BETWEEN;
            match packs.last_mut() {
                Some(pack) if length + more <= FILTER_MAX && pack.len() < TERMS_MAX => {
                    pack.push(filter);
                }
                _ => {
                    packs.push(vec![filter]);
                    length = 0;
                }
            }
            length += more;
        }
        packs.into_iter().filter_map(Self::any).collect()
    }
}

impl Query {
    /// The address of the first page, below that of the API.
    pub(super) fn url(&self, api: &Url) -> Url {
        let mut options = vec![("$select", list(&self.select))];
        if let Some(filter) = &self.filter {
            options.push(("$filter", filter.0.clone()));
        }
        if !self.expand.is_empty() {
            let expand = self
                .expand
                .iter()
                .map(|(way, names)| format!("{}($select={})", way.0, list(names)));
            options.push(("$expand", expand.collect::<Vec<_>>().join(",")));
        }
        if let Some(top) = self.top {
            options.push(("$top", top.to_string()));
        }
        let options = options.iter().map(|(key, value)| format!("{key}={}", encoded(value)));
        let mut url = below(api, self.set.as_str());
        url.set_query(Some(&options.collect::<Vec<_>>().join("&")));
        url
    }
}

/// The address of one record, with the columns that an answer shall have.
pub(super) fn record(api: &Url, set: &Name, id: &Guid, select: &[Name]) -> Url {
    let mut url = below(api, &format!("{}({})", set.0, id.0));
    if !select.is_empty() {
        url.set_query(Some(&format!("$select={}", encoded(&list(select)))));
    }
    url
}

/// The address of the record with this alternate key; `None` where Dataverse takes no
/// such value in an address.
pub(super) fn keyed(api: &Url, set: &Name, key: (&Name, &str), select: &[Name]) -> Option<Url> {
    let (column, value) = key;
    if value.is_empty() || value.contains(|c: char| NO_KEY.contains(c) || c.is_control()) {
        return None;
    }
    let mut url = below(api, &format!("{}({}={})", set.0, column.0, encoded(&literal(value))));
    url.set_query(Some(&format!("$select={}", encoded(&list(select)))));
    Some(url)
}

/// Values in `$filter` and its like, and in the keys of a path.
pub(super) const ODATA: Language = Language { name: "OData", literal: in_odata };
/// Values in the keys of a path, where some characters cannot stand.
pub(super) const ODATA_KEY: Language = Language { name: "OData", literal: in_key };
/// Values in attributes and texts of FetchXML.
pub(super) const FETCH_XML: Language = Language { name: "FetchXML", literal: in_xml };

fn in_odata(before: &str, value: &str) -> Result<String, &'static str> {
    // A doubled quote inside a literal closes and opens it again: the count stays right.
    if !before.matches('\'').count().is_multiple_of(2) {
        return Ok(value.replace('\'', "''"));
    }
    let is_apart = before.ends_with([' ', '(', '=', ',']);
    let is_number = value.len() <= 19 && !value.is_empty();
    let is_number = is_number && value.bytes().all(|b| b.is_ascii_digit());
    if is_apart && (is_number || Guid::new(value).is_some_and(|id| id.0.len() == value.len())) {
        return Ok(value.to_owned());
    }
    Err("outside quotes stands only a GUID or a whole number; put quotes around a text")
}

fn in_key(before: &str, value: &str) -> Result<String, &'static str> {
    if value.contains(|c: char| NO_KEY.contains(c) || c.is_control()) {
        return Err("Dataverse takes none of / < > * % & : \\ ? + # in a key; use $filter");
    }
    in_odata(before, value)
}

fn in_xml(before: &str, value: &str) -> Result<String, &'static str> {
    let tag = before.rfind('<').map(|at| &before[at..]);
    if tag.is_some_and(is_bare) {
        return Err("in FetchXML a value stands in quotes or between tags");
    }
    if value.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return Err("XML has no such control characters");
    }
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Does the text end within a tag, and there outside an attribute's quotes?
fn is_bare(tag: &str) -> bool {
    let mut quote = None;
    for c in tag.chars() {
        match quote {
            Some(open) => quote = (c != open).then_some(open),
            None if c == '>' => return false,
            None => quote = matches!(c, '\'' | '"').then_some(c),
        }
    }
    quote.is_none()
}

fn list(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    names.join(",")
}

/// Takes their meaning from the wildcards that `startswith` and `contains` know.
fn tame(value: &str) -> String {
    value.replace('[', "[[]").replace('%', "[%]").replace('_', "[_]")
}

#[cfg(test)]
mod tests {
    use super::{
        FILTER_MAX, Filter, Guid, Name, Query, TERMS_MAX, encoded, in_key, in_odata, in_xml, keyed,
    };
    use proptest::prelude::*;
    use url::Url;

    fn name(text: &str) -> Name {
        Name::new(text).expect(text)
    }

    fn api() -> Url {
        Url::parse("https://org.crm.dynamics.com/api/data/v9.2").expect("a URL")
    }

    fn query(filter: Filter) -> Query {
        let (set, select) = (name("contacts"), vec![name("contactid"), name("fullname")]);
        Query { set, filter: Some(filter), select, expand: vec![], top: None }
    }

    /// Reads one literal as the vendor does: its value and what follows it.
    fn read_literal(text: &str) -> (String, &str) {
        let mut rest = text.strip_prefix('\'').expect("a literal");
        let mut value = String::new();
        loop {
            let (before, after) = rest.split_once('\'').expect("closed");
            value.push_str(before);
            match after.strip_prefix('\'') {
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => return (value, after),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back_as_the_same_literals(values in prop::collection::vec(any::<String>(), 2..5)) {
            let filters = values.iter().map(|value| Filter::text(&name("emailaddress1"), value)).collect();
            let url = query(Filter::any(filters).expect("values")).url(&api());
            // What the vendor sees: options split at `&`, then decoded.
            let options: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            let keys: Vec<&str> = options.iter().map(|(key, _)| key.as_str()).collect();
            prop_assert_eq!(keys, ["$select", "$filter"]);
            prop_assert_eq!(url.fragment(), None);
            let mut rest = options[1].1.strip_prefix('(').expect("together");
            for (at, expected) in values.iter().enumerate() {
                let (value, after) = read_literal(rest.strip_prefix("emailaddress1 eq ").expect("the column"));
                prop_assert_eq!(&value, expected);
                rest = after.strip_prefix(if at + 1 < values.len() { " or " } else { ")" }).expect("the next");
            }
            prop_assert_eq!(rest, "");
        }

        #[test]
        fn a_key_is_one_step_of_the_path_whatever_it_holds(value in any::<String>()) {
            if let Some(url) = keyed(&api(), &name("contacts"), (&name("externaluseridentifier"), &value), &[name("contactid")]) {
                let steps: Vec<&str> = url.path_segments().expect("a path").collect();
                prop_assert_eq!(steps.len(), 4);
                let decoded: Vec<(String, String)> =
                    url::form_urlencoded::parse(steps[3].replace('=', "%3D").as_bytes()).into_owned().collect();
                let key = decoded[0].0.strip_prefix("contacts(externaluseridentifier=").expect("the key");
                let (read, after) = read_literal(key);
                prop_assert_eq!((read.as_str(), after), (value.as_str(), ")"));
                prop_assert_eq!((url.query(), url.fragment()), (Some("$select=contactid"), None));
            }
        }

        #[test]
        fn a_value_stays_in_the_quotes_that_an_administrator_wrote(value in any::<String>(), earlier in "[a-z ]{0,9}") {
            let before = format!("startswith({earlier},'x''y");
            let whole = format!("{before}{}')", in_odata(&before, &value).expect("inside quotes"));
            let (read, after) = read_literal(&whole[whole.find('\'').expect("quoted")..]);
            prop_assert_eq!((read, after), (format!("x'y{value}"), ")"));
        }

        #[test]
        fn outside_quotes_nothing_but_a_number_or_an_id_stands(value in any::<String>()) {
            let is_plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
            prop_assert!(in_odata("contactid eq ", &value).is_err() || is_plain);
            prop_assert!(in_key("contacts(", &value).is_err() || is_plain);
        }

        #[test]
        fn no_value_ends_an_attribute_of_fetch_xml(value in any::<String>()) {
            if let Ok(written) = in_xml("<condition attribute='telephone1' operator='eq' value='", &value) {
                prop_assert!(!written.contains(['<', '>', '\'', '"']));
            }
        }

        #[test]
        fn only_letters_digits_and_underscores_are_a_name(text in any::<String>()) {
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            prop_assert!(Name::new(&text).is_none() || plain);
        }

        #[test]
        fn packs_hold_every_condition_and_stay_short(values in prop::collection::vec("[0-9a-z&+ ]{0,40}", 0..400)) {
            let filters: Vec<Filter> =
                values.iter().map(|value| Filter::text(&name("telephone1"), value)).collect();
            let packs = Filter::packed(filters.clone());
            for pack in &packs {
                prop_assert!(encoded(&pack.0).len() <= FILTER_MAX + 20);
                prop_assert!(pack.0.matches("telephone1 eq '").count() <= TERMS_MAX);
            }
            let joined: Vec<String> = packs.into_iter().map(|pack| pack.0).collect();
            let joined = joined.join(" or ");
            prop_assert_eq!(joined.matches("telephone1 eq '").count(), filters.len());
            prop_assert!(filters.iter().all(|filter| joined.contains(&filter.0)));
        }
    }

    #[test]
    fn ids_are_guids_and_nothing_else() {
        let id = "49b0be2e-d01c-ed11-b83e-000d3a572421";
        assert_eq!(Guid::new(&id.to_uppercase()).expect("an id").as_str(), id);
        assert_eq!(Guid::new(&format!("{{{id}}}")).expect("in braces").as_str(), id);
        for odd in [
            "",
            "1000001",
            "49b0be2e-d01c-ed11-b83e-000d3a57242",
            "49b0be2ed01ced11b83e000d3a572421",
            "49b0be2e-d01c-ed11-b83e-000d3a57242g",
        ] {
            assert_eq!(Guid::new(odd), None, "{odd}");
        }
        let made = Guid::of(&[0xFF; 32]);
        assert_eq!(made.as_str(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(Guid::new(made.as_str()), Some(made));
    }

    #[test]
    fn requests_read_as_the_vendor_documents() {
        let phone = Filter::any(vec![
            Filter::starts_with(&name("telephone1"), "+1 (555)"),
            Filter::text(&name("lastname"), "O'Neil & sons"),
            Filter::digits_in_order(&name("mobilephone"), "555"),
        ]);
        let filter = phone.expect("three").and(Filter::number(&name("statecode"), 0));
        let expand = vec![(name("parentcustomerid_account"), vec![name("name")])];
        let query = Query { expand, top: Some(5), ..query(filter) };
        assert_eq!(
            query.url(&api()).as_str(),
            "https://org.crm.dynamics.com/api/data/v9.2/contacts?$select=contactid,fullname\
             &$filter=%28startswith%28telephone1,%27%2B1%20%28555%29%27%29%20or%20lastname%20eq%20%27O%27%27Neil\
             %20%26%20sons%27%20or%20contains%28mobilephone,%275%255%255%27%29%29%20and%20statecode%20eq%200\
             &$expand=parentcustomerid_account%28%24select%3Dname%29&$top=5"
        );
    }

    #[test]
    fn where_no_value_can_stand_the_reason_is_told() {
        assert!(in_odata("fullname eq ", "x' or 1 eq 1").is_err());
        assert!(in_odata("telephone", "1").is_err(), "no part of a name");
        assert_eq!(in_odata("accountnumber eq '", "O'Neil"), Ok("O''Neil".to_owned()));
        assert!(in_key("contacts(emailaddress1='", "a/b").is_err());
        assert!(in_xml("<condition attribute=", "x").is_err());
        assert_eq!(in_xml("<condition value=\"it's ", "x"), Ok("x".to_owned()));
        assert_eq!(in_xml("<value>", "a<b"), Ok("a&lt;b".to_owned()));
    }
}
