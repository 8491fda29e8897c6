//! What queries find, and which are refused.

use serde_json::{Value as Json, json};

use super::super::search::Search;
use super::super::store::Store;
use super::super::store::schema::Permissions;
use super::super::{Config, seeds};
use super::*;

fn org(people: u64) -> Store {
    let config = Config::default();
    let mut store = Store::new(&config.custom_fields, Permissions::default(), Search::new(0));
    seeds::plant(&mut store, &config.username, people, 1);
    store
}

fn records(store: &Store, text: &str) -> Vec<Json> {
    let found = run(store, text, false).expect(text);
    let record = |row: &u32| {
        let mut out = Vec::new();
        render::record(store, "/services/data/v67.0", &found.plan, *row, &mut out);
        serde_json::from_slice(&out).expect("records are JSON")
    };
    found.rows.iter().map(record).collect()
}

fn names(store: &Store, condition: &str) -> Vec<String> {
    let all = records(store, &format!("SELECT Name FROM Contact WHERE {condition}"));
    all.iter().map(|one| one["Name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn refusal(store: &Store, text: &str) -> (&'static str, String) {
    let refused = run(store, text, false).err().expect(text);
    (refused.code, refused.message)
}

fn add(store: &mut Store, body: Json) -> u32 {
    let contact = store.object("Contact").expect("Contact");
    store
        .create(contact, body.as_object().expect("an object"))
        .map(|(row, _)| row)
        .expect("a good record")
}

#[test]
fn a_phone_is_found_as_typed_only() {
    let store = org(0);
    assert_eq!(names(&store, "Phone = '(555) 019-9999'"), ["John Doe"]);
    for other in ["+15550199999", "5550199999", "555-019-9999", "(555)019-9999"] {
        assert!(names(&store, &format!("Phone = '{other}'")).is_empty(), "{other}");
    }
    let many = "Phone IN ('+15550199999','(555) 019-9999','555.019.9999 x12') OR MobilePhone IN ('5550199999')";
    assert_eq!(names(&store, many), ["John Doe", "Jane Smith"]);
}

#[test]
fn text_is_compared_without_regard_to_case() {
    let store = org(0);
    assert_eq!(names(&store, "Email = 'JOHN.DOE@EXAMPLE.COM'"), ["John Doe"]);
    assert_eq!(names(&store, "LastName = 'doe'"), ["John Doe"]);
    assert_eq!(names(&store, "Name LIKE 'john%'"), ["John Doe"]);
}

#[test]
fn like_knows_wildcards_and_their_escapes() {
    let mut store = org(0);
    for last in ["50%_x and more", "50 percent", "a\\b", "O'Brien"] {
        add(&mut store, json!({ "LastName": last }));
    }
    assert_eq!(names(&store, r"LastName LIKE '50\%\_x%'"), ["50%_x and more"]);
    assert_eq!(names(&store, "LastName LIKE '50%'").len(), 2);
    assert_eq!(names(&store, "LastName LIKE 'D_e'"), ["John Doe"]);
    assert_eq!(names(&store, r"LastName = 'O\'Brien'"), ["O'Brien"]);
    assert_eq!(names(&store, r"LastName = 'a\\b'"), ["a\\b"]);
    assert_eq!(names(&store, r"LastName = '\u004fBrien'").len(), 0);
    assert_eq!(names(&store, r"LastName = '\u0044oe'"), ["John Doe"]);
    assert!(names(&store, "LastName LIKE '%'").len() >= 7);
    assert!(names(&store, "LastName LIKE '%zzz%a%b%c'").is_empty());
}

#[test]
fn other_escapes_are_refused() {
    let store = org(0);
    for literal in [r"'a\qb'", r"'50\%'", r"'\_'", r"'\u12'", r"'\x41'"] {
        let (code, _) =
            refusal(&store, &format!("SELECT Id FROM Contact WHERE LastName = {literal}"));
        assert_eq!(code, "MALFORMED_QUERY", "{literal}");
    }
    for text in [
        "SELECT Id FROM Contact WHERE LastName = 'O'Brien'",
        "SELECT Id FROM Contact WHERE LastName = 'open",
    ] {
        assert_eq!(refusal(&store, text).0, "MALFORMED_QUERY");
    }
}

#[test]
fn what_is_no_query_is_refused_with_its_place() {
    let store = org(0);
    for text in [
        "",
        "SELECT",
        "SELECT Id",
        "SELECT Id FROM",
        "SELECT Id FROM Contact WHERE",
        "SELECT FROM Contact",
        "SELECT Id FROM Contact LIMIT x",
        "SELECT Id FROM Contact WHERE Id",
        "SELECT Id FROM Contact;",
        "SELECT Id FROM Contact WHERE Name = 'a' AND Name = 'b' OR Name = 'c'",
        "DELETE FROM Contact",
        "SELECT Id FROM Contact WHERE Name IN ()",
        "SELECT * FROM Contact",
        "SELECT Id FROM Contact WHERE Name == 'a'",
        "SELECT Id FROM Contact GROUP BY Name",
        "SELECT Id, COUNT() FROM Contact",
    ] {
        assert_eq!(refusal(&store, text).0, "MALFORMED_QUERY", "{text}");
    }
    let (_, message) = refusal(&store, "SELECT Id FROM Contact LIMIT x");
    assert!(message.contains("ERROR at Row:1:Column:30"), "{message}");
    let long = format!("SELECT Id FROM Contact WHERE LastName = '{}'", "a".repeat(4001));
    assert_eq!(refusal(&store, &long).0, "MALFORMED_QUERY");
    let longer = format!("SELECT Id FROM Contact WHERE LastName IN ('a'{})", ",'a'".repeat(30_000));
    assert_eq!(refusal(&store, &longer).0, "MALFORMED_QUERY");
    let deep =
        format!("SELECT Id FROM Contact WHERE {}Name = 'a'{}", "(".repeat(99), ")".repeat(99));
    assert_eq!(refusal(&store, &deep).0, "MALFORMED_QUERY");
}

#[test]
fn unknown_names_are_told_apart() {
    let store = org(0);
    let (code, message) = refusal(&store, "SELECT Id, Foo__c FROM Contact");
    assert_eq!(code, "INVALID_FIELD");
    assert!(message.contains("No such column 'Foo__c' on entity 'Contact'"), "{message}");
    assert!(message.contains("ERROR at Row:1:Column:12"), "{message}");
    assert_eq!(refusal(&store, "SELECT Id FROM Kontakt").0, "INVALID_TYPE");
    assert_eq!(refusal(&store, "SELECT Foo.Name FROM Contact").0, "INVALID_FIELD");
    assert_eq!(refusal(&store, "SELECT Account.Foo FROM Contact").0, "INVALID_FIELD");
    assert_eq!(
        refusal(&store, "SELECT Id FROM Contact WHERE Description = 'x'").0,
        "INVALID_FIELD"
    );
    assert_eq!(refusal(&store, "SELECT Id FROM Contact ORDER BY Description").0, "INVALID_FIELD");
    assert_eq!(
        refusal(&store, "SELECT Id, (SELECT Id FROM Orders) FROM Contact").0,
        "INVALID_TYPE"
    );
}

#[test]
fn literals_have_the_type_of_the_field() {
    let store = org(0);
    for condition in [
        "CreatedDate > '2026-01-01T00:00:00Z'",
        "DoNotCall = 'true'",
        "Name = 5",
        "Name = true",
        "CreatedDate = 3",
    ] {
        let text = format!("SELECT Id FROM Contact WHERE {condition}");
        assert_eq!(refusal(&store, &text).0, "INVALID_FIELD", "{condition}");
    }
    assert_eq!(
        names(&store, "DoNotCall = false AND CreatedDate < 2019-03-05T00:00:00Z"),
        ["John Doe"]
    );
    assert_eq!(names(&store, "CreatedDate = TODAY").len(), 0);
    assert_eq!(names(&store, "CreatedDate < LAST_N_DAYS:30").len(), 3);
    assert_eq!(names(&store, "CreatedDate >= LAST_N_DAYS:30").len(), 0);
    assert_eq!(
        refusal(&store, "SELECT Id FROM Contact WHERE Id = 'nonsense'").0,
        "INVALID_QUERY_FILTER_OPERATOR"
    );
}

#[test]
fn null_is_found_by_null_and_by_nothing() {
    let store = org(0);
    assert_eq!(names(&store, "MobilePhone = null").len(), 3);
    assert_eq!(names(&store, "MobilePhone = ''").len(), 3);
    assert_eq!(names(&store, "Phone != null").len(), 3);
    assert_eq!(names(&store, "MobilePhone != '5'").len(), 3);
    assert_eq!(names(&store, "NOT Phone = '(555) 019-9999'").len(), 2);
    assert_eq!(names(&store, "MobilePhone > '0'").len(), 0);
    assert_eq!(names(&store, "FirstName NOT IN ('John','Jane')"), ["Maria Garcia"]);
    assert_eq!(
        names(&store, "(FirstName = 'John' OR FirstName = 'Jane') AND (NOT LastName = 'Doe')"),
        ["Jane Smith"]
    );
}

#[test]
fn order_limit_and_offset_hold() {
    let store = org(0);
    let by = |tail: &str| names(&store, &format!("Id != null ORDER BY {tail}"));
    assert_eq!(by("LastName"), ["John Doe", "Maria Garcia", "Jane Smith"]);
    assert_eq!(by("LastName DESC LIMIT 1"), ["Jane Smith"]);
    assert_eq!(
        by("CreatedDate ASC NULLS LAST, Id LIMIT 5"),
        ["John Doe", "Maria Garcia", "Jane Smith"]
    );
    assert_eq!(by("LastName LIMIT 1 OFFSET 1"), ["Maria Garcia"]);
    assert!(refusal(&store, "SELECT Id FROM Contact OFFSET 2001").1.contains(parser::TOO_FAR));
    let nulls = |tail: &str| by(&format!("CRM_Case_Id__c {tail}"));
    assert_eq!(nulls("NULLS LAST")[0], "John Doe");
    assert_eq!(nulls("")[2], "John Doe");
}

#[test]
fn parents_and_children_come_nested() {
    let store = org(0);
    let text = "SELECT Id, Account.Name, Owner.Name, Account.Owner.Email, \
                (SELECT Case_Ref__c, Status FROM Cases WHERE IsClosed = false ORDER BY CreatedDate DESC LIMIT 1) \
                FROM Contact WHERE Email = 'john.doe@example.com'";
    let john = &records(&store, text)[0];
    assert_eq!(john["Account"]["Name"], "Acme Corporation");
    assert_eq!(john["Account"]["attributes"]["type"], "Account");
    assert_eq!(john["Account"]["Owner"]["Email"], "integration@example.com");
    assert_eq!(john["Owner"]["Name"], "Integration User");
    assert_eq!(john["Cases"]["records"][0]["Case_Ref__c"], "CASE-99812");
    assert_eq!(john["Cases"]["totalSize"], 1);
    let jane =
        &records(&store, "SELECT Id, (SELECT Id FROM Cases) FROM Contact WHERE LastName = 'Smith'")
            [0];
    assert_eq!(jane["Cases"], Json::Null);
    let case = &records(
        &store,
        "SELECT ContactPhone, Contact.Account.Name FROM Case WHERE Contact.LastName = 'Doe'",
    )[0];
    assert_eq!(case["ContactPhone"], "(555) 019-9999");
    assert_eq!(case["Contact"]["Account"]["Name"], "Acme Corporation");
    let task = &records(&store, "SELECT Who.Name FROM Task WHERE Who.Name = 'John Doe'")[0];
    assert_eq!(task["Who"]["Name"], "John Doe");
}

#[test]
fn both_lengths_of_an_id_find_the_record() {
    let store = org(0);
    let id = records(&store, "SELECT Id FROM Contact WHERE LastName = 'Doe'")[0]["Id"].clone();
    let id = id.as_str().expect("an id");
    assert_eq!(names(&store, &format!("Id = '{id}'")), ["John Doe"]);
    assert_eq!(names(&store, &format!("Id IN ('{}')", &id[..15])), ["John Doe"]);
}

#[test]
fn deleted_records_are_seen_by_query_all_only() {
    let mut store = org(0);
    let contact = store.object("Contact").expect("Contact");
    store.delete(contact, 0).map(drop).expect("a delete");
    let text = "SELECT Name FROM Contact WHERE Phone = '(555) 019-9999'";
    assert_eq!(run(&store, text, false).map(|found| found.rows.len()).ok(), Some(0));
    assert_eq!(run(&store, text, true).map(|found| found.rows.len()).ok(), Some(1));
    let marked = run(&store, "SELECT Id FROM Contact WHERE IsDeleted = true", true);
    assert_eq!(marked.map(|found| found.rows).ok(), Some(vec![0]));
}

/// The index may only leave out what the whole condition would leave out.
#[test]
fn the_index_finds_what_a_scan_finds() {
    let store = org(2000);
    let phones = records(&store, "SELECT Phone, MobilePhone, Email FROM Contact");
    for one in phones.iter().step_by(97) {
        let text = |key: &str| one[key].as_str().unwrap_or("none").replace('\'', "\\'");
        let (phone, mobile, mail) = (text("Phone"), text("MobilePhone"), text("Email"));
        let indexed =
            format!("Phone IN ('{phone}','x') OR MobilePhone = '{mobile}' OR Email = '{mail}'");
        // LIKE is never answered by index.
        let scanned =
            format!("Phone LIKE '{phone}' OR MobilePhone LIKE '{mobile}' OR Email LIKE '{mail}'");
        assert_eq!(names(&store, &indexed), names(&store, &scanned));
        assert!(!names(&store, &indexed).is_empty());
    }
}

#[test]
fn john_is_the_oldest_and_jane_the_youngest_contact() {
    let store = org(300);
    let all = names(&store, "Id != null ORDER BY CreatedDate");
    assert_eq!(all.first().map(String::as_str), Some("John Doe"));
    assert_eq!(all.last().map(String::as_str), Some("Jane Smith"));
    assert_eq!(
        names(&store, "Loyalty_Tier__c = 'Gold' AND CRM_Case_Id__c = 'CASE-99812'"),
        ["John Doe"]
    );
}

#[test]
fn hidden_fields_and_objects_do_not_exist() {
    let mut store = org(0);
    store.allowed.hidden_fields.insert("Contact.Loyalty_Tier__c".to_owned());
    store.allowed.hidden_objects.insert("Case".to_owned());
    assert_eq!(refusal(&store, "SELECT Loyalty_Tier__c FROM Contact").0, "INVALID_FIELD");
    assert_eq!(
        refusal(&store, "SELECT Id FROM Contact WHERE Loyalty_Tier__c = 'Gold'").0,
        "INVALID_FIELD"
    );
    assert_eq!(refusal(&store, "SELECT Id FROM Case").0, "INVALID_TYPE");
    assert_eq!(refusal(&store, "SELECT Id, (SELECT Id FROM Cases) FROM Contact").0, "INVALID_TYPE");
}
