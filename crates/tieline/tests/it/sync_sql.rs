//! A table of one's own and contacts of the contact center are kept the same.

use crate::rig::{Line, Place, until_some};
use connectors::sql::sim::{Config, Planted};
use rusqlite::Connection;
use serde_json::{Value, json};

crate::facts! {
    a_table_and_the_contact_center_are_kept_the_same_and_come_to_rest
    an_edit_of_both_is_a_conflict_and_a_deletion_goes_over
    a_run_into_a_table_is_taken_back
    a_table_that_lacks_its_key_is_told_before_anything_is_written
}

const MEMBERS: &str = "
CREATE TABLE members (
    id INTEGER PRIMARY KEY, tieline_key TEXT UNIQUE, first_name TEXT, last_name TEXT, email TEXT, phone TEXT,
    note TEXT DEFAULT 'ours', gone_at DATETIME,
    updated_at DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE INDEX members_by_update ON members (updated_at, id);
INSERT INTO members (first_name, last_name, email, phone) VALUES
    ('Ann', 'Able', 'ann@example.com', '(555) 019-0001'),
    ('Bob', 'Baker', 'bob@example.com', NULL),
    ('Cy', 'Cole', 'cy@example.com', '+15550190003');
";

/// What an administrator writes: the table, then the sync.
fn section(planted: &Planted, description: &str) -> String {
    format!(
        r#"
[connections.standard]
type = "sql"
prefix = "STD"
allow_private_addresses = true

[connections.standard.settings]
engine = "sqlite"
file = "{}"

[connections.standard.settings.tables.members]
{description}

[[syncs]]
name = "members"
direction = "both"
schedule = "never"
deletes = {{ on_left = "delete", on_right = "delete" }}
brake = {{ deletes_max = 3, percent_max = 50.0 }}
left = {{ connection = "standard", object = "members" }}
right = {{ connection = "genesys", object = "contacts" }}

[[syncs.fields]]
left = "first_name"
right = "firstName"
winner = "manual"

[[syncs.fields]]
left = "last_name"
right = "lastName"

[[syncs.fields]]
left = "email"
right = "workEmail"
match_as = "email"

[[syncs.fields]]
left = "phone"
right = "workPhone"
type = "phone"
"#,
        planted.file().display()
    )
}

const DESCRIBED: &str = r#"table = "members"
record = "id"
key = "tieline_key"
modified_at = "updated_at"
stamps = true
deleted = "gone_at"
write = ["first_name", "last_name", "email", "phone"]"#;

/// A table of three, of whom the contact center knows Bob; Dora it knows alone.
async fn line(place: Place) -> (Line, Planted, Connection) {
    let planted = Planted::new(&Config { people: 0, seed: 7 }).expect("a file");
    let table = Connection::open(planted.file()).expect("a file");
    table.execute_batch(MEMBERS).expect("a table");
    let line = Line::with_salesforce().and_genesys().on(place);
    let line = line.section(&section(&planted, DESCRIBED)).start().await;
    for (first, last, mail) in
        [("Bob", "Baker", "bob@example.com"), ("Dora", "Dean", "dora@example.com")]
    {
        let body = json!({ "firstName": first, "lastName": last, "workEmail": mail });
        line.genesys().add_contact(&body).expect("made");
    }
    (line, planted, table)
}

async fn done(line: &Line, path: &str, body: Value) -> Value {
    let begun = line.post(path, &body).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/api/v1/runs/{}", begun.body["runId"]);
    until_some("the run ends", async || {
        let run = line.get(&path).await.body;
        (run["endedAt"] != "").then_some(run)
    })
    .await
}

async fn run(line: &Line) -> Value {
    let run = done(line, "/api/v1/syncs/members/runs", json!({ "yes": true })).await;
    assert_eq!(run["state"], "done", "{run}");
    run["counts"].clone()
}

async fn rests(line: &Line) {
    let counts = run(line).await;
    for what in ["created", "updated", "deleted"] {
        for side in ["left", "right"] {
            let word = format!("{what}_{side}");
            assert_eq!(counts[&word], Value::Null, "{word}: {counts}");
        }
    }
}

/// A column of the member with this e-mail.
fn held(table: &Connection, column: &str, mail: &str) -> Option<String> {
    let sql = format!("SELECT {column} FROM members WHERE email = ?1 AND gone_at IS NULL");
    table.query_row(&sql, [mail], |row| row.get(0)).ok().flatten()
}

fn edit(table: &Connection, mail: &str, set: &str) {
    let now = "strftime('%Y-%m-%d %H:%M:%f', 'now')";
    let sql = format!("UPDATE members SET {set}, updated_at = {now} WHERE email = ?1");
    assert_eq!(table.execute(&sql, [mail]), Ok(1));
}

fn contact(line: &Line, mail: &str) -> Option<Value> {
    line.genesys().contacts().into_iter().find(|one| one["workEmail"] == mail)
}

fn rename(line: &Line, mail: &str, fields: &Value) {
    let id = contact(line, mail).expect("there")["id"].as_str().expect("an id").to_owned();
    line.genesys().edit_contact(&id, fields).expect("edited");
}

async fn a_table_and_the_contact_center_are_kept_the_same_and_come_to_rest(place: Place) {
    let (line, _planted, table) = line(place).await;
    let counts = run(&line).await;
    assert_eq!((&counts["created_right"], &counts["created_left"]), (&json!(2), &json!(1)));
    assert_eq!(contact(&line, "ann@example.com").expect("brought over")["firstName"], "Ann");
    assert_eq!(held(&table, "last_name", "dora@example.com").as_deref(), Some("Dean"));
    assert!(held(&table, "tieline_key", "dora@example.com").is_some());
    rests(&line).await;
    edit(&table, "ann@example.com", "first_name = 'Anna'");
    rename(&line, "cy@example.com", &json!({ "lastName": "Coleman" }));
    let counts = run(&line).await;
    assert_eq!((&counts["updated_right"], &counts["updated_left"]), (&json!(1), &json!(1)));
    assert_eq!(contact(&line, "ann@example.com").expect("there")["firstName"], "Anna");
    assert_eq!(held(&table, "last_name", "cy@example.com").as_deref(), Some("Coleman"));
    // What is not mapped is left alone, and so is what did not change.
    assert_eq!(held(&table, "note", "cy@example.com").as_deref(), Some("ours"));
    assert_eq!(held(&table, "phone", "cy@example.com").as_deref(), Some("+15550190003"));
    assert_eq!(held(&table, "phone", "ann@example.com").as_deref(), Some("(555) 019-0001"));
    rests(&line).await;
    rests(&line).await;
}

async fn an_edit_of_both_is_a_conflict_and_a_deletion_goes_over(place: Place) {
    let (line, _planted, table) = line(place).await;
    run(&line).await;
    edit(&table, "bob@example.com", "first_name = 'Robert'");
    rename(&line, "bob@example.com", &json!({ "firstName": "Bobby" }));
    run(&line).await;
    let reviews = line.get("/api/v1/reviews?sync=members").await.body;
    let open = reviews["items"].as_array().expect("a list");
    assert_eq!((open.len(), &open[0]["kind"]), (1, &json!("conflict")), "{reviews}");
    assert_eq!(held(&table, "first_name", "bob@example.com").as_deref(), Some("Robert"));
    let path = format!("/api/v1/reviews/{}/decision", open[0]["id"]);
    let decided = line.post(&path, &json!({ "choice": "right" })).await;
    assert_eq!(decided.status, 200, "{decided:?}");
    run(&line).await;
    assert_eq!(held(&table, "first_name", "bob@example.com").as_deref(), Some("Bobby"));
    // Who is gone from the table goes from the contact center, and does not rise again.
    edit(&table, "cy@example.com", "gone_at = '2026-11-22 08:00:00'");
    let counts = run(&line).await;
    assert_eq!(counts["deleted_right"], 1, "{counts}");
    assert!(contact(&line, "cy@example.com").is_none());
    rests(&line).await;
    assert_eq!(held(&table, "id", "cy@example.com"), None);
}

async fn a_run_into_a_table_is_taken_back(place: Place) {
    let (line, _planted, table) = line(place).await;
    let first = done(&line, "/api/v1/syncs/members/runs", json!({ "yes": true })).await;
    assert!(held(&table, "email", "dora@example.com").is_some());
    let undone = done(&line, &format!("/api/v1/runs/{}/undo", first["runId"]), json!({})).await;
    assert_eq!((&undone["state"], &undone["counts"]["left"]), (&json!("done"), &Value::Null));
    assert_eq!(held(&table, "email", "dora@example.com"), None);
    assert!(held(&table, "email", "ann@example.com").is_some());
    assert!(contact(&line, "ann@example.com").is_none());
}

async fn a_table_that_lacks_its_key_is_told_before_anything_is_written(place: Place) {
    let planted = Planted::new(&Config { people: 0, seed: 7 }).expect("a file");
    let table = Connection::open(planted.file()).expect("a file");
    table
        .execute_batch(&MEMBERS.replace("tieline_key TEXT UNIQUE", "tieline_key TEXT"))
        .expect("a table");
    let line = Line::with_salesforce().and_genesys().on(place);
    let line = line.section(&section(&planted, DESCRIBED)).start().await;
    let run = done(&line, "/api/v1/syncs/members/runs", json!({ "yes": true })).await;
    assert_ne!(run["state"], "done", "{run}");
    assert_eq!(line.genesys().contacts().len(), 0);
    let checked = line.command(&["check"]).await;
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.out.contains("CREATE UNIQUE INDEX tieline_key"), "{checked:?}");
}
