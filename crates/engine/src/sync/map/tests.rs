//! What a map reads, writes and refuses.

use super::{End, Map, MatchAs, Row, defaults};
use domain::sync::matching::KeyKind;
use domain::sync::{
    Agreed, Direction, Half, Kind, Now, Pair, Plan, Policy, Side, Values, Winner, plan,
};
use domain::{Region, Value};
use kit::{Error, Fields, Form, Forms};
use serde_json::{Value as Json, json};

/// A contact center whose numbers have parts, and which takes the guides' names.
struct Platform;

impl Forms for Platform {
    fn form(&self, object: &str, name: &str, kind: Option<Kind>) -> Result<Form, Error> {
        if object != "contacts" {
            return Err(invalid("object", "only contacts are told"));
        }
        let kind = kind.unwrap_or_default();
        let read = |held: &Json| Some(Value::from(held.get("e164")?.as_str()?));
        let write = |value: &Value| match value {
            Value::Text(text) => json!({ "e164": text }),
            _ => Json::Null,
        };
        Ok(match name {
            "phoneNumbers[0]" | "workPhone" => Form::new("workPhone", Kind::Phone, read, write),
            "email" => Form::plain("workEmail", kind),
            "org.externalId" => Form::plain("externalOrganization", kind),
            "attributes.tags" => Form::plain("customFields.tags", Kind::Tags),
            "score" => Form::plain("customFields.score", Kind::Number),
            "modifyDate" => Form::plain("modifyDate", Kind::Moment).read_only(),
            "firstName" | "lastName" | "externalId" | "workEmail" => Form::plain(name, kind),
            _ => return Err(invalid(name, "is no field of a contact")),
        })
    }
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::Invalid { field: Some(field.to_owned()), reason: reason.to_owned() }
}

fn ends() -> [End<'static>; 2] {
    let numbers = Region::parse("US").expect("a region").into();
    [
        End { connection: "crm", object: "Contact", forms: None, numbers, prefix: None },
        End {
            connection: "center",
            object: "contacts",
            forms: Some(&Platform),
            numbers,
            prefix: None,
        },
    ]
}

fn open(rows: &[Row]) -> Map {
    Map::open(rows, Direction::Both, ends()).expect("a map")
}

fn fields(json: Json) -> Fields {
    match json {
        Json::Object(fields) => fields,
        _ => Fields::new(),
    }
}

fn text(text: &str) -> Option<Value> {
    Some(Value::from(text))
}

fn contact() -> Fields {
    fields(json!({
        "FirstName": " Ann", "LastName": "Lee", "Email": "Ann.Lee@Example.com",
        "Phone": "(415) 555-1111", "AccountId": "001A", "LeadScore__c": "42", "Tags__c": "vip;gold",
    }))
}

#[test]
fn the_map_of_the_guides_joins_a_contact_of_each_side() {
    let map = open(&defaults());
    let left = map.read(Side::Left, "003A", &contact());
    let right = map.read(
        Side::Right,
        "f3b1",
        &fields(json!({
            "externalId": "003A", "firstName": "Ann", "lastName": "Lee ", "workEmail": "ann.lee@example.com",
            "workPhone": { "e164": "+14155551111" }, "externalOrganization": "001A",
            "customFields.tags": ["gold", "vip"],
        })),
    );
    assert_eq!(left, right);
    assert_eq!(left[0], text("003A"));
    assert_eq!(map.kept("003A", &contact()), [("LeadScore__c", Value::Integer(42))]);
    assert_eq!(map.names(4), ["Phone", "phoneNumbers[0]"]);
    assert_eq!((map.field("phoneNumbers[0]"), map.row(6)), (Some(4), 7));
    let directions: Vec<&str> = map.fields().iter().map(|field| field.direction.as_str()).collect();
    assert_eq!(directions, ["right", "both", "both", "both", "both", "right", "both"]);
}

#[test]
fn what_is_asked_for_and_what_may_be_set_are_the_vendors_own_names() {
    let map = open(&defaults());
    let left = ["FirstName", "LastName", "Email", "Phone", "AccountId", "Tags__c", "LeadScore__c"];
    assert_eq!(map.asked(Side::Left), left);
    assert_eq!(map.set(Side::Left), ["FirstName", "LastName", "Email", "Phone", "Tags__c"]);
    let right = [
        "externalId",
        "firstName",
        "lastName",
        "workEmail",
        "workPhone",
        "externalOrganization",
        "customFields.tags",
    ];
    assert_eq!(map.asked(Side::Right), right);
    assert_eq!(map.set(Side::Right), right);
}

#[test]
fn parts_of_fields_and_items_of_lists_are_read() {
    let rows = [
        Row::new("address.city", "firstName"),
        Row { direction: Direction::ToRight, ..Row::new("phones[1].number", "lastName") },
    ];
    let map = open(&rows);
    assert_eq!(map.asked(Side::Left), ["address.city", "phones"]);
    let read = |record: Json| map.read(Side::Left, "1", &fields(record));
    let phones = json!([{ "number": "a" }, { "number": "b" }]);
    assert_eq!(
        read(json!({ "address.city": "Ulm", "phones": phones })),
        vec![text("Ulm"), text("b")]
    );
    assert_eq!(read(json!({ "address.city": null, "phones": [] })), vec![None, None]);
    assert_eq!(read(json!({})), vec![None, None]);
}

/// What a plan comes to for two records of a map.
fn planned(map: &Map, left: &Values, right: &Values, base: &[Agreed]) -> Plan {
    let half = |values| Half::Present(Now { values, modified: None });
    let (left, right) = (half(left), half(right));
    let pair = Pair { left, right, base, buried: None, decided: &[], stands: None };
    plan(map.fields(), &Policy::default(), &pair)
}

#[test]
fn a_plan_is_written_in_the_forms_of_its_side_and_nothing_else_is_touched() {
    let map = open(&defaults());
    let base: Vec<Agreed> =
        map.read(Side::Left, "003A", &contact()).into_iter().map(Agreed::On).collect();
    let mut edited = contact();
    edited.insert("Phone".into(), json!("415 555 2222"));
    edited.insert("FirstName".into(), Json::Null);
    edited.insert("Unmapped__c".into(), json!("left alone"));
    let left = map.read(Side::Left, "003A", &edited);
    let right = map.read(Side::Left, "003A", &contact());
    let plan = planned(&map, &left, &right, &base);
    assert_eq!(
        Json::Object(map.written(Side::Right, &plan, &[1, 4])),
        json!({ "firstName": null, "workPhone": { "e164": "+14155552222" } })
    );
    // An id is nobody's to set, whatever a plan says.
    assert_eq!(
        map.written(Side::Left, &plan, &[0, 6]),
        fields(json!({ "Tags__c": ["gold", "vip"] }))
    );
}

#[test]
fn what_stood_there_is_held_as_it_stood() {
    let map = open(&defaults());
    assert_eq!(
        Json::Object(map.held(Side::Left, &contact(), &[0, 1, 4])),
        json!({ "FirstName": " Ann", "Phone": "(415) 555-1111" })
    );
    assert_eq!(map.held(Side::Left, &Fields::new(), &[1]), fields(json!({ "FirstName": null })));
}

#[test]
fn a_record_is_known_by_what_is_matched_as() {
    let map = open(&defaults());
    let keys = |change: &[(&str, Json)]| {
        let mut record = contact();
        record.extend(change.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let keys = map.keys(&map.read(Side::Left, "003A", &record));
        keys.into_iter().map(|(kind, text)| format!("{} {text}", kind.as_str())).collect::<Vec<_>>()
    };
    let name = "name ann\u{1f}lee\u{1f}001a";
    let all = ["external_id 003A", "email ann.lee@example.com", "phone +14155551111", name];
    assert_eq!(keys(&[]), all);
    // What is none says nothing about who somebody is.
    let odd = [("Email", json!("none")), ("Phone", json!("ask")), ("AccountId", Json::Null)];
    assert_eq!(keys(&odd), ["external_id 003A"]);
    assert_eq!(keys(&[("Phone", json!("415 555 1111 x7"))]), all, "the number, not who picks up");
    assert_eq!(KeyKind::ALL.len(), 4);
}

#[test]
fn what_was_agreed_on_outlives_a_change_of_the_map() {
    let map = open(&defaults());
    let mut agreed: Vec<Agreed> =
        map.read(Side::Left, "003A", &contact()).into_iter().map(Agreed::On).collect();
    agreed[1] = Agreed::On(None);
    agreed[2] = Agreed::Never;
    let kept = map.keep(&agreed);
    assert_eq!(map.recall(&kept), agreed);
    // Turned round, one left out, a new one.
    let mut rows: Vec<Row> = defaults().into_iter().rev().collect();
    rows.remove(4);
    rows.push(Row::new("Title", "score"));
    let later = open(&rows);
    let recalled = later.recall(&kept);
    for (at, agreed_now) in recalled.iter().enumerate() {
        let expected =
            map.field(later.names(at)[0]).map_or(Agreed::Never, |old| agreed[old].clone());
        assert_eq!(*agreed_now, expected, "{:?}", later.names(at));
    }
    assert_eq!(later.recall(&json!(null)), vec![Agreed::Never; later.fields().len()]);
}

#[test]
fn a_one_way_sync_narrows_what_goes_both_ways() {
    let map = Map::open(&defaults(), Direction::ToRight, ends()).expect("a map");
    assert!(map.fields().iter().all(|field| field.direction == Direction::ToRight));
    assert!(map.set(Side::Left).is_empty());
}

#[test]
fn a_row_that_may_be_missing_is_left_out_without_a_word() {
    let odd = Row { is_optional: true, ..Row::new("Nickname", "nickname") };
    let map = open(&[Row::new("FirstName", "firstName"), odd]);
    assert_eq!(map.fields().len(), 1);
}

fn refused(rows: &[Row], way: Direction) -> Vec<String> {
    let faults = Map::open(rows, way, ends()).expect_err("a refusal");
    faults.iter().map(ToString::to_string).collect()
}

fn check(row: Row, expected: &str) {
    let rows = [Row::new("Title", "firstName"), row];
    let faults = refused(&rows, Direction::Both);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with(expected), "{}", faults[0]);
}

#[test]
fn every_fault_of_a_row_is_told_by_its_place_and_its_mend() {
    let row = Row::new;
    check(row("", "lastName"), "fields[1].left: `` is no name of a field; write a field");
    check(row("a..b", "lastName"), "fields[1].left: `a..b` is no name");
    check(
        row("LastName", "nope"),
        "fields[1].right: `nope` cannot be: is no field of a contact; name a field of `contacts` of center",
    );
    check(
        row("Id", "lastName"),
        "fields[1].direction: `Id` cannot be written in crm; write `direction = \"right\"`",
    );
    check(row("Contact.id", "lastName"), "fields[1].direction: `Contact.id` cannot be written");
    check(
        row("Since", "modifyDate"),
        "fields[1].direction: `modifyDate` cannot be written in center; write `direction = \"left\"`",
    );
    check(
        row("phones[0]", "lastName"),
        "fields[1].direction: `phones[0]` cannot be written in crm",
    );
    check(
        row("Title", "lastName"),
        "fields[1].left: `Title` is `Title`, which fields[0] names too; leave one",
    );
    check(
        row("Title.part", "lastName"),
        "fields[1].left: `Title.part` is `Title.part`, which fields[0]",
    );
    check(
        Row { right: None, ..row("Score", "") },
        "fields[1].direction: `Score` has no right side and only goes right; write",
    );
    check(
        Row { kind: Some(Kind::Number), winner: Winner::Longest, ..row("Score", "score") },
        "fields[1].winner: `Score` and `score`: of two of type number none is longer",
    );
    check(
        Row { direction: Direction::ToRight, winner: Winner::Right, ..row("A", "lastName") },
        "fields[1].winner: `A` and `lastName` only goes right, so the other side wins",
    );
    check(
        Row { kind: Some(Kind::Text), match_as: Some(MatchAs::Email), ..row("A", "email") },
        "fields[1].match_as: `A` and `email` is a text and cannot be matched as email",
    );
    check(
        Row { match_as: Some(MatchAs::FirstName), ..row("A", "lastName") },
        "fields[1].match_as: a name alone is nobody: no row is matched as last_name and account",
    );
}

#[test]
fn faults_of_all_rows_are_told_at_once() {
    let twice = |left, right| Row { match_as: Some(MatchAs::ExternalId), ..Row::new(left, right) };
    let rows = [
        twice("A", "externalId"),
        twice("B", "workEmail"),
        Row::new("C]", "email"),
        Row { direction: Direction::ToLeft, ..Row::new("D", "lastName") },
    ];
    let faults = refused(&rows, Direction::ToRight);
    let expected = [
        "fields[1].match_as: `B` and `workEmail` is the second row of `external_id`",
        "fields[2].left: `C]` is no name of a field",
        "fields[3].direction: `D` and `lastName` goes left, and the sync only right",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn a_map_of_nothing_or_of_far_too_much_is_refused() {
    let whole = |rows: &[Row]| refused(rows, Direction::Both).remove(0);
    assert!(whole(&[]).starts_with("fields: no field is mapped"));
    let kept = Row { right: None, direction: Direction::ToRight, ..Row::new("Score", "") };
    assert!(whole(&[kept]).starts_with("fields: no field is mapped"));
    let many: Vec<Row> = (0..201).map(|at| Row::new(&format!("F{at}"), "firstName")).collect();
    assert!(whole(&many).starts_with("fields: more than 200"));
}

#[test]
fn an_object_that_an_end_does_not_have_is_told() {
    let [left, right] = ends();
    let ends = [left, End { object: "users", ..right }];
    let faults =
        Map::open(&[Row::new("A", "firstName")], Direction::Both, ends).expect_err("a refusal");
    assert_eq!(faults[0].at(), "fields[0].right");
    assert!(faults[0].message.contains("center has no `users`"), "{}", faults[0]);
}

#[test]
fn words_of_match_as_read_back() {
    for one in MatchAs::ALL {
        assert_eq!(MatchAs::parse(one.as_str()), Some(one));
    }
    assert_eq!(MatchAs::parse("shoe size"), None);
}
