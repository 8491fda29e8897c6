//! Writes OData V2 requests in which nothing a caller says can become syntax.
//!
//! OData has no bind parameters. So the types here are the only way to an address:
//! names pass a fixed pattern ([`Name`]), texts become literals with their quotes
//! doubled ([`Filter`], [`Entity`]), and every part is percent-encoded on its own.
//!
//! Source: OData 2.0, "URI Conventions" (primitive types, `$filter`, `$expand`).

use domain::Timestamp;
use kit::odata::literal;
pub(super) use kit::odata::{below, encoded};
use url::Url;

/// Longest `$filter` in one address, percent-encoded. SAP states no limit; proxies
/// and web dispatchers cut whole addresses at 8,192 characters.
pub(super) const FILTER_MAX: usize = 4_500;

/// Conditions in one `$filter`: a parser may go one level deeper with each `or`, and
/// ends with an error of the server at some depth.
const TERMS_MAX: usize = 50;

/// Name of an entity set or property, or a path to a property: `to_Customer/DeliveryIsBlocked`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// The text of a condition, complete and escaped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Filter(String);

/// A request for rows of an entity set.
#[derive(Clone)]
pub(super) struct Query {
    pub(super) set: &'static str,
    pub(super) filter: Option<Filter>,
    pub(super) select: Vec<Name>,
    pub(super) expand: Vec<Name>,
    /// The property that rows are ordered by, where that matters.
    pub(super) order: Option<&'static str>,
    pub(super) top: u16,
}

/// One entity by its key: `A_BusinessPartner('1003764')`.
pub struct Entity {
    set: Name,
    keys: Vec<(Name, String)>,
}

impl Name {
    /// The name, or `None` when a step of it is not letters, digits and `_`, beginning with a letter.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_step = |step: &str| {
            step.starts_with(|c: char| c.is_ascii_alphabetic())
                && step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let fits = text.len() <= 255 && text.split('/').all(is_step);
        fits.then(|| Self(text.to_owned()))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Filter {
    /// The property holds exactly this text.
    pub(super) fn eq(property: &Name, value: &str) -> Self {
        Self(format!("{} eq {}", property.0, literal(value)))
    }

    /// The property begins with this text.
    pub(super) fn starts_with(property: &Name, value: &str) -> Self {
        Self(format!("startswith({},{})", property.0, literal(value)))
    }

    /// The property comes after this text in the system's own order.
    pub(super) fn after(property: &Name, value: &str) -> Self {
        Self(format!("{} gt {}", property.0, literal(value)))
    }

    /// The property holds this day or a later one.
    pub(super) fn since_day(property: &Name, day: Timestamp) -> Self {
        let day: String = day.to_string().chars().take(10).collect();
        Self(format!("{} ge datetime'{day}T00:00:00'", property.0))
    }

    /// Both conditions hold.
    pub(super) fn and(self, other: Self) -> Self {
        Self(format!("({}) and ({})", self.0, other.0))
    }

    /// At least one of the conditions holds; `None` when there are none.
    pub(super) fn any(filters: Vec<Self>) -> Option<Self> {
        let texts: Vec<String> = filters.into_iter().map(|filter| filter.0).collect();
        (!texts.is_empty()).then(|| Self(texts.join(" or ")))
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
    /// The address of the first page, below that of the service.
    pub(super) fn url(&self, service: &Url, fixed: &[(&str, &str)]) -> Url {
        let mut options: Vec<(&str, String)> =
            fixed.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        options.push(("$format", "json".to_owned()));
        if let Some(filter) = &self.filter {
            options.push(("$filter", filter.0.clone()));
        }
        for (key, names) in [("$select", &self.select), ("$expand", &self.expand)] {
            if !names.is_empty() {
                options.push((key, list(names)));
            }
        }
        if let Some(order) = self.order {
            options.push(("$orderby", order.to_owned()));
        }
        options.push(("$top", self.top.to_string()));
        let options = options.iter().map(|(key, value)| format!("{key}={}", encoded(value)));
        let mut url = below(service, self.set);
        url.set_query(Some(&options.collect::<Vec<_>>().join("&")));
        url
    }
}

impl Entity {
    /// The entity of that set with these key properties and their values.
    #[must_use]
    pub fn new<'a>(set: Name, keys: impl IntoIterator<Item = (Name, &'a str)>) -> Self {
        let keys = keys.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        Self { set, keys }
    }

    /// Its address below that of the service.
    pub(super) fn url(&self, service: &Url, fixed: &[(&str, &str)]) -> Url {
        let key = match self.keys.as_slice() {
            [(_, value)] => encoded(&literal(value)),
            keys => {
                let pairs = keys.iter();
                let pairs =
                    pairs.map(|(name, value)| format!("{}={}", name.0, encoded(&literal(value))));
                pairs.collect::<Vec<_>>().join(",")
            }
        };
        let mut url = below(service, &format!("{}({key})", self.set.0));
        if !fixed.is_empty() {
            let fixed = fixed.iter().map(|(key, value)| format!("{key}={}", encoded(value)));
            url.set_query(Some(&fixed.collect::<Vec<_>>().join("&")));
        }
        url
    }
}

fn list(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::{Entity, FILTER_MAX, Filter, Name, Query, TERMS_MAX, encoded};
    use proptest::prelude::*;
    use url::Url;

    fn name(text: &str) -> Name {
        Name::new(text).expect(text)
    }

    fn service() -> Url {
        Url::parse("https://erp.example.com/sap/opu/odata/sap/API_BUSINESS_PARTNER").expect("a URL")
    }

    fn query(filter: Filter) -> Query {
        Query {
            set: "A_AddressEmailAddress",
            filter: Some(filter),
            select: vec![name("AddressID")],
            expand: vec![],
            order: None,
            top: 7,
        }
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
        fn what_is_escaped_reads_back_as_the_same_literals(values in prop::collection::vec(any::<String>(), 1..5)) {
            let filters = values.iter().map(|value| Filter::eq(&name("EmailAddress"), value)).collect();
            let url = query(Filter::any(filters).expect("values")).url(&service(), &[("sap-client", "100")]);
            // What the vendor sees: options split at `&`, then decoded.
            let options: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            let keys: Vec<&str> = options.iter().map(|(key, _)| key.as_str()).collect();
            prop_assert_eq!(keys, ["sap-client", "$format", "$filter", "$select", "$top"]);
            prop_assert_eq!(url.fragment(), None);
            let mut rest = options[2].1.as_str();
            for (at, expected) in values.iter().enumerate() {
                let (value, after) = read_literal(rest.strip_prefix("EmailAddress eq ").expect("the property"));
                prop_assert_eq!(&value, expected);
                rest = if at + 1 < values.len() { after.strip_prefix(" or ").expect("or") } else { after };
            }
            prop_assert_eq!(rest, "");
        }

        #[test]
        fn a_key_is_one_step_of_the_path_whatever_it_holds(value in any::<String>()) {
            let url = Entity::new(name("A_BusinessPartner"), [(name("BusinessPartner"), value.as_str())])
                .url(&service(), &[]);
            let steps: Vec<&str> = url.path_segments().expect("a path").collect();
            prop_assert_eq!(steps.len(), 6);
            let decoded: Vec<(String, String)> =
                url::form_urlencoded::parse(steps[5].replace('+', "%2B").as_bytes()).into_owned().collect();
            let key = decoded[0].0.strip_prefix("A_BusinessPartner(").expect("the set");
            let (read, after) = read_literal(key);
            prop_assert_eq!((read.as_str(), after), (value.as_str(), ")"));
            prop_assert_eq!((url.query(), url.fragment()), (None, None));
        }

        #[test]
        fn only_letters_digits_underscores_and_steps_are_a_name(text in any::<String>()) {
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'/');
            prop_assert!(Name::new(&text).is_none() || plain);
        }

        #[test]
        fn packs_hold_every_condition_and_stay_short(values in prop::collection::vec(".{0,40}", 0..200)) {
            let filters: Vec<Filter> =
                values.iter().map(|value| Filter::starts_with(&name("PhoneNumber"), value)).collect();
            let packs = Filter::packed(filters.clone());
            for pack in &packs {
                prop_assert!(encoded(&pack.0).len() <= FILTER_MAX);
                prop_assert!(pack.0.matches("startswith(PhoneNumber,'").count() <= TERMS_MAX);
            }
            let joined: Vec<String> = packs.into_iter().map(|pack| pack.0).collect();
            let whole = Filter::any(filters).map(|all| all.0).unwrap_or_default();
            prop_assert_eq!(joined.join(" or "), whole);
        }
    }

    #[test]
    fn names_that_could_be_syntax_are_refused() {
        for text in ["", "1a", "a b", "a,b", "a)", "a'", "_a", "Ä", "/a", "a//b", "a/", "$top"] {
            assert_eq!(Name::new(text), None, "{text}");
        }
        assert!(Name::new("to_Customer/YY1_Tier_bp").is_some());
    }

    #[test]
    fn requests_read_as_the_vendor_documents() {
        let filter = Filter::any(vec![
            Filter::starts_with(&name("InternationalPhoneNumber"), "+15550199999"),
            Filter::eq(&name("PhoneNumber"), "O'Neil & sons"),
        ]);
        let query = Query { expand: vec![name("a/b"), name("c")], ..query(filter.expect("two")) };
        assert_eq!(
            query.url(&service(), &[]).as_str(),
            "https://erp.example.com/sap/opu/odata/sap/API_BUSINESS_PARTNER/A_AddressEmailAddress?$format=json\
             &$filter=startswith%28InternationalPhoneNumber,%27%2B15550199999%27%29%20or%20PhoneNumber%20eq%20%27O%27%27Neil%20%26%20sons%27\
             &$select=AddressID&$expand=a%2Fb,c&$top=7"
        );
        let keys =
            [(name("AddressID"), "23"), (name("Person"), ""), (name("OrdinalNumber"), "001")];
        let phone = Entity::new(name("A_AddressPhoneNumber"), keys);
        assert_eq!(
            phone.url(&service(), &[("sap-client", "100")]).as_str(),
            "https://erp.example.com/sap/opu/odata/sap/API_BUSINESS_PARTNER/A_AddressPhoneNumber(\
             AddressID=%2723%27,Person=%27%27,OrdinalNumber=%27001%27)?sap-client=100"
        );
    }
}
