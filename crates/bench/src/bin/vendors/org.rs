//! The CRM: contacts by number, told in pages, in the order of their changes, or by id.

use super::Told;
use super::soql::{Query, Which};
use axum::http::Method;
use domain::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

pub(crate) const ORG: &str = "00D000000000001AAA";
/// The user of whoever asks; somebody else's hands are those of the people.
pub(crate) const OURS: &str = "005000000000001AAA";
const THEIRS: &str = "005000000000002AAA";
/// Rows of one page.
const PAGE: usize = 2_000;
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// A contact; which one it is, its place says.
pub(crate) struct Contact {
    pub(crate) first: Box<str>,
    pub(crate) last: Box<str>,
    pub(crate) email: Box<str>,
    pub(crate) phone: Box<str>,
    external: Option<Box<str>>,
    stamp: i64,
    is_ours: bool,
}

#[derive(Default)]
pub(crate) struct Org {
    all: Vec<Contact>,
    /// Everybody, in the order of changes.
    changed: BTreeSet<(i64, usize)>,
    by_external: HashMap<Box<str>, usize>,
}

/// `003` and twelve digits have no capitals, so that the checksum is always the same.
pub(crate) fn id(at: usize) -> String {
    format!("003{at:012}AAA")
}

fn place(id: &str) -> Option<usize> {
    id.strip_prefix("003")?.get(..12)?.parse().ok()
}

impl Org {
    /// People whose e-mails and numbers nobody else has, made in the course of a day.
    pub(crate) fn of(people: u64, now: Timestamp) -> Self {
        let mut org = Self::default();
        for at in 0..people {
            org.add(Contact {
                first: format!("First{at}").into(),
                last: format!("Last{at}").into(),
                email: format!("person{at}@example.com").into(),
                // Exchange codes of the United States begin with 2 to 9.
                phone: format!("+1{}{:07}", 201 + at / 8_000_000, 2_000_000 + at % 8_000_000)
                    .into(),
                external: None,
                stamp: now.0 - DAY_MS + i64::try_from(at).unwrap_or_default() * 20,
                is_ours: false,
            });
        }
        org
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Contact> {
        self.all.get(place(id)?)
    }

    fn add(&mut self, contact: Contact) -> usize {
        let at = self.all.len();
        self.changed.insert((contact.stamp, at));
        if let Some(external) = &contact.external {
            self.by_external.insert(external.clone(), at);
        }
        self.all.push(contact);
        at
    }

    /// Somebody gives `count` contacts, spread over all from `first` on, another last name.
    pub(crate) fn edit(&mut self, first: u64, count: u64, round: u64, now: Timestamp) {
        let step = self.all.len() / usize::try_from(count.max(1)).unwrap_or(1);
        for number in 0..usize::try_from(count).unwrap_or_default() {
            let at = usize::try_from(first).unwrap_or_default() + number * step.max(1);
            if at < self.all.len() {
                self.all[at].last = format!("Last{at}-{round}").into();
                self.touch(at, now, false);
            }
        }
    }

    fn touch(&mut self, at: usize, now: Timestamp, is_ours: bool) {
        let contact = &mut self.all[at];
        self.changed.remove(&(contact.stamp, at));
        contact.stamp = now.0;
        contact.is_ours = is_ours;
        self.changed.insert((now.0, at));
    }

    pub(crate) fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Option<Told> {
        let mut steps = path.splitn(3, '/').skip(2);
        let rest = steps.next()?;
        let steps: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        match (method.as_str(), steps.as_slice()) {
            ("GET", ["query" | "queryAll"]) => Some(self.query(&asked(query)?)?),
            ("GET", ["query", rest]) => self.next_page(rest),
            ("GET", ["sobjects", _, "deleted"]) => Some(log(query)),
            ("GET", ["sobjects", _, "describe"]) => Some(Told::json("crm read", &described())),
            ("POST", ["composite", "sobjects", _]) => self.collected(body),
            ("PATCH", ["composite", "sobjects", _, "External_Id__c"]) => {
                self.written(body, now, true)
            }
            ("PATCH", ["composite", "sobjects"]) => self.written(body, now, false),
            _ => None,
        }
    }

    fn query(&self, text: &str) -> Option<Told> {
        let query = Query::read(text)?;
        let most = query.limit.min(PAGE);
        let after = |moment: Timestamp, at: usize| {
            let from = (moment.0, at);
            self.changed.range(from..).take(most).map(|(_, at)| *at).collect::<Vec<_>>()
        };
        let rows: Vec<usize> = match &query.which {
            Which::All if text.contains("ORDER BY SystemModstamp") => after(Timestamp(0), 0),
            Which::All => return Some(self.page(&query.fields, 0)),
            Which::Since(moment) => after(*moment, 0),
            Which::After(moment, id) => after(*moment, place(id)? + 1),
            Which::Among(field, values) if field == "Id" => {
                values.iter().filter_map(|id| place(id)).filter(|at| *at < self.all.len()).collect()
            }
            Which::Among(_, values) => values
                .iter()
                .filter_map(|one| self.by_external.get(one.as_str()).copied())
                .collect(),
        };
        Some(self.told(&query.fields, &rows, None))
    }

    /// Pages of everybody, as a plain query is answered: the address of the next one says how
    /// far this one came and which fields were asked for.
    fn page(&self, fields: &[String], from: usize) -> Told {
        let to = (from + PAGE).min(self.all.len());
        let rows: Vec<usize> = (from..to).collect();
        let next = format!("/services/data/v67.0/query/{to}-{}", fields.join("-"));
        self.told(fields, &rows, (to < self.all.len()).then_some(&next))
    }

    fn next_page(&self, rest: &str) -> Option<Told> {
        let mut parts = rest.split('-');
        let from = parts.next()?.parse().ok()?;
        let fields: Vec<String> = parts.map(str::to_owned).collect();
        Some(self.page(&fields, from))
    }

    fn told(&self, fields: &[String], rows: &[usize], next: Option<&String>) -> Told {
        let mut out = String::with_capacity(rows.len() * 300 + 100);
        let _ = write!(out, "{{\"totalSize\":{},\"done\":{}", self.all.len(), next.is_none());
        if let Some(next) = next {
            let _ = write!(out, ",\"nextRecordsUrl\":\"{next}\"");
        }
        out.push_str(",\"records\":[");
        for (number, at) in rows.iter().enumerate() {
            out.push_str(if number == 0 { "" } else { "," });
            self.row(*at, fields, &mut out);
        }
        out.push_str("]}");
        Told::new("crm read", out.into_bytes())
    }

    /// A record as JSON. Values hold what needs no escaping, or come from JSON of a client.
    fn row(&self, at: usize, fields: &[String], out: &mut String) {
        let contact = &self.all[at];
        let id = id(at);
        let _ = write!(out, "{{\"attributes\":{{\"type\":\"Contact\"}}");
        for field in fields {
            let moment = || Timestamp(contact.stamp).to_string();
            let value: Value = match field.as_str() {
                "Id" => id.as_str().into(),
                "FirstName" => contact.first.as_ref().into(),
                "LastName" => contact.last.as_ref().into(),
                "Email" => contact.email.as_ref().into(),
                "Phone" => contact.phone.as_ref().into(),
                "External_Id__c" => contact.external.as_deref().into(),
                "SystemModstamp" | "LastModifiedDate" | "CreatedDate" => moment().into(),
                "LastModifiedById" => if contact.is_ours { OURS } else { THEIRS }.into(),
                "IsDeleted" => false.into(),
                _ => Value::Null,
            };
            let _ = write!(out, ",\"{field}\":{value}");
        }
        out.push('}');
    }

    /// Records by their ids, a null for each that is not there.
    fn collected(&self, body: &[u8]) -> Option<Told> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let fields: Vec<String> = serde_json::from_value(body["fields"].clone()).ok()?;
        let mut out = String::from("[");
        for (number, id) in body["ids"].as_array()?.iter().enumerate() {
            out.push_str(if number == 0 { "" } else { "," });
            let at = id.as_str().and_then(place).filter(|at| *at < self.all.len());
            match at {
                Some(at) => self.row(at, &fields, &mut out),
                None => out.push_str("null"),
            }
        }
        out.push(']');
        Some(Told::new("crm read", out.into_bytes()))
    }

    /// A collection: changed by id, or made or changed by the external id.
    fn written(&mut self, body: &[u8], now: Timestamp, is_keyed: bool) -> Option<Told> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let mut results = Vec::new();
        for record in body["records"].as_array()? {
            let known = match (is_keyed, record["External_Id__c"].as_str()) {
                (true, key) => self.by_external.get(key?).copied(),
                (false, _) => record["id"].as_str().and_then(place),
            };
            let at = match known {
                Some(at) => at,
                None => self.add(Contact {
                    first: Box::default(),
                    last: Box::default(),
                    email: Box::default(),
                    phone: Box::default(),
                    external: record["External_Id__c"].as_str().map(Into::into),
                    stamp: now.0,
                    is_ours: true,
                }),
            };
            let contact = self.all.get_mut(at)?;
            for (field, value) in record.as_object()? {
                let text: Box<str> = value.as_str().unwrap_or_default().into();
                match field.as_str() {
                    "FirstName" => contact.first = text,
                    "LastName" => contact.last = text,
                    "Email" => contact.email = text,
                    "Phone" => contact.phone = text,
                    _ => {}
                }
            }
            self.touch(at, now, true);
            results.push(json!({
                "id": id(at), "success": true, "created": known.is_none(), "errors": [],
            }));
        }
        Some(Told::json("crm write", &Value::Array(results)))
    }
}

/// The query of a request, decoded.
fn asked(query: &str) -> Option<String> {
    let text = query.split('&').find_map(|one| one.strip_prefix("q="))?;
    let text = text.replace('+', "%20");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let hex = (*first == b'%').then(|| after.get(..2)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Nobody was deleted, as far as the log was asked for.
fn log(query: &str) -> Told {
    let of = |name: &str| {
        let one = query.split('&').find_map(|one| one.strip_prefix(name));
        one.map(|text| text.replace("%3A", ":")).unwrap_or_default()
    };
    let told = json!({
        "deletedRecords": [], "earliestDateAvailable": of("start="), "latestDateCovered": of("end="),
    });
    Told::json("crm read", &told)
}

fn described() -> Value {
    let field = |name: &str, is_key: bool| {
        json!({
            "name": name, "externalId": is_key, "unique": is_key, "createable": true,
            "updateable": true,
        })
    };
    let names = ["FirstName", "LastName", "Email", "Phone"].map(|name| field(name, false));
    let mut fields = names.to_vec();
    fields.push(field("External_Id__c", true));
    json!({ "name": "Contact", "createable": true, "updateable": true, "fields": fields })
}
