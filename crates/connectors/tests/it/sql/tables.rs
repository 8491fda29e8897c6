//! What every engine must do of a table that is written; on servers that are real.

use super::servers::{LONG, Place};
use super::sqlite::{open, set};
use kit::{Capabilities, Change, ChangesAsk, Error, Fields, Lane, Record, Settings, Write, Writes};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Settings with the table `members` described.
pub(super) fn described(settings: &Settings) -> Settings {
    let text = "[members]\ntable = 'members'\nrecord = 'id'\nkey = 'tieline_key'\n\
        modified_at = 'updated_at'\nstamps = true\n\
        write = ['name', 'email', 'score', 'amount', 'is_vip', 'born', 'seen_at', 'tags', 'prefs', 'labels']";
    set(settings.clone(), "tables", text.parse::<toml::Table>().expect("toml"))
}

/// The same with something else in the description.
pub(super) fn with(settings: &Settings, key: &str, value: impl Into<toml::Value>) -> Settings {
    let mut settings = settings.clone();
    let tables = settings.plain.get_mut("tables").and_then(toml::Value::as_table_mut);
    let members = tables.and_then(|all| all.get_mut("members"));
    let members = members.and_then(toml::Value::as_table_mut).expect("described");
    members.insert(key.to_owned(), value.into());
    settings
}

fn fields(pairs: &[(&str, Value)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn opened(settings: &Settings) -> (Capabilities, Arc<dyn Writes>) {
    let connection = open(settings.clone(), LONG).expect("complete settings");
    let writes = connection.writes.clone().expect("it writes");
    (connection, writes)
}

async fn make(writes: &Arc<dyn Writes>, key: &str, pairs: &[(&str, Value)]) -> String {
    let made = writes.create("members", ("tieline_key", key), &fields(pairs)).await.expect("made");
    made.id
}

async fn read(writes: &Arc<dyn Writes>, id: &str, names: &[&str]) -> Option<Record> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let found = writes.read(Lane::Background, "members", &[id.to_owned()], &names).await;
    found.expect("read").remove(0)
}

async fn told(connection: &Capabilities, page_max: usize) -> Vec<Change> {
    let changes = connection.changes.as_ref().expect("changes");
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..100 {
        let fields = vec!["name".to_owned()];
        let ask = ChangesAsk { object: "members".to_owned(), fields, cursor, page_max };
        let page = changes.page(&ask).await.expect("a page");
        all.extend(page.changes);
        if !page.has_more {
            return all;
        }
        cursor = Some(page.cursor);
    }
    panic!("it never ends");
}

pub(super) async fn a_row_is_made_once_changed_as_it_was_seen_and_deleted(settings: &Settings) {
    let (connection, writes) = opened(settings);
    let id = make(&writes, "K-1", &[("name", json!("Ann")), ("score", json!(7))]).await;
    let score = fields(&[("score", json!(8))]);
    let again = writes.create("members", ("tieline_key", "K-1"), &score).await.expect("found");
    assert!(!again.is_new && again.id == id, "{again:?}");
    let seen = read(&writes, &id, &["name", "score"]).await.expect("there");
    assert_eq!((&seen.fields["name"], &seen.fields["score"]), (&json!("Ann"), &json!(8)));
    // Only what is given is set.
    let set = |name: &'static str, seen: Option<String>| {
        let (writes, id) = (Arc::clone(&writes), id.clone());
        async move {
            writes.update("members", &id, seen.as_deref(), &fields(&[("name", json!(name))])).await
        }
    };
    let saved = set("Anna", seen.version.clone()).await.expect("nobody was before us");
    let stale = set("Annie", seen.version.clone()).await.expect_err("stale");
    assert_eq!(stale.kind(), "conflict");
    let now = read(&writes, &id, &["name", "score"]).await.expect("there");
    assert_eq!((&now.fields["name"], &now.fields["score"]), (&json!("Anna"), &json!(8)));
    assert_eq!(now.version, saved.version);
    let news = told(&connection, 10).await;
    let [Change::Saved(record)] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!((&record.id, &record.version), (&id, &saved.version));
    // Others' ids are nobody's, in whatever form.
    for odd in ["999999", "abc", "1 OR 1=1", "", "1.0", "01"] {
        assert_eq!(read(&writes, odd, &[]).await, None, "{odd}");
        let refused = writes.update("members", odd, None, &fields(&[("score", json!(1))])).await;
        assert_eq!(refused, Err(Error::NotFound), "{odd}");
    }
    let refused = writes.delete("members", &id, seen.version.as_deref()).await;
    assert_eq!(refused.expect_err("stale").kind(), "conflict");
    writes.delete("members", &id, saved.version.as_deref()).await.expect("deleted");
    writes.delete("members", &id, None).await.expect("gone already is no error");
    assert_eq!(read(&writes, &id, &[]).await, None);
}

pub(super) async fn one_bad_row_spoils_no_other(settings: &Settings) {
    let (_connection, writes) = opened(settings);
    let mut ids = Vec::new();
    for at in 0..7 {
        let email = json!(format!("m{at}@example.com"));
        ids.push(
            make(&writes, &format!("K-{at}"), &[("name", json!("Ann")), ("email", email)]).await,
        );
    }
    let update = |at: usize, pairs: &[(&str, Value)]| Write::Update {
        id: ids[at].clone(),
        seen: None,
        fields: fields(pairs),
    };
    let secret = "Zqxcanary".repeat(4);
    let batch = [
        update(0, &[("name", json!("Bea"))]),
        update(1, &[("name", json!(secret))]),
        update(2, &[("name", Value::Null)]),
        update(3, &[("email", json!("m0@example.com"))]),
        update(4, &[("score", json!(5_000))]),
        update(5, &[("score", json!("many"))]),
        update(6, &[("name", json!("Bea"))]),
        Write::Create {
            key: ("tieline_key".into(), "K-9".into()),
            fields: fields(&[("name", json!("New"))]),
        },
        Write::Create {
            key: ("tieline_key".into(), "K-10".into()),
            fields: fields(&[("email", json!("m6@example.com"))]),
        },
        update(0, &[("id", json!(7))]),
    ];
    let told = writes.write("members", &batch).await.expect("tried");
    let kinds: Vec<&str> =
        told.iter().map(|one| one.as_ref().map_or_else(Error::kind, |_| "done")).collect();
    let expected = [
        "done", "invalid", "invalid", "conflict", "invalid", "invalid", "done", "done", "invalid",
        "invalid",
    ];
    assert_eq!(kinds, expected, "{told:?}");
    let shown = format!("{told:?}");
    assert!(!shown.contains("Zqxcanary") && !shown.contains("example.com"), "{shown}");
    for (at, column) in [(1, "name"), (2, "name"), (5, "score"), (9, "id")] {
        let named =
            matches!(&told[at], Err(Error::Invalid { field: Some(field), .. }) if field == column);
        assert!(named, "{:?}", told[at]);
    }
    for (at, id) in ids.iter().enumerate() {
        let name = read(&writes, id, &["name"]).await.expect("there").fields["name"].clone();
        assert_eq!(name, json!(if [0, 6].contains(&at) { "Bea" } else { "Ann" }), "{at}");
    }
}

pub(super) async fn every_type_is_written_and_read_again(settings: &Settings, lists: bool) {
    let (_connection, writes) = opened(settings);
    let id = make(&writes, "K-1", &[("name", json!("Ann"))]).await;
    let mut cases = vec![
        ("score", json!("42"), json!(42)),
        ("amount", json!(12.5), json!(12.5)),
        ("is_vip", json!("yes"), json!(true)),
        ("is_vip", json!(false), json!(false)),
        ("born", json!("1990-02-03"), json!("1990-02-03")),
        ("tags", json!(["vip", "new"]), json!("vip;new")),
        ("name", json!("O'Brien \"; DROP"), json!("O'Brien \"; DROP")),
        ("score", Value::Null, Value::Null),
    ];
    if lists {
        cases.push(("prefs", json!(["a", "b"]), json!(["a", "b"])));
        cases.push(("labels", json!(["a,b", "c\"}"]), json!(["a,b", "c\"}"])));
    }
    for (name, value, expected) in cases {
        let set = fields(&[(name, value.clone())]);
        writes.update("members", &id, None, &set).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let record = read(&writes, &id, &[name]).await.expect("there");
        assert_eq!(record.fields[name], expected, "{name} of {value}");
    }
    let moment = fields(&[("seen_at", json!("2026-11-22T10:00:00+02:00"))]);
    writes.update("members", &id, None, &moment).await.expect("a time");
    let record = read(&writes, &id, &["seen_at"]).await.expect("there");
    let held = record.fields["seen_at"].as_str().expect("a text").to_owned();
    assert!(held.starts_with("2026-11-22T08:00:00"), "{held}");
}

pub(super) async fn a_list_may_be_kept_as_json(settings: &Settings) {
    let (connection, writes) = opened(&with(settings, "separator", "json"));
    let form = connection.forms.as_ref().expect("forms");
    let form = form.form("members", "tags", None).expect("a form");
    let value = domain::Value::List(vec!["a;b".into(), "c".into()]);
    let id = make(&writes, "K-1", &[("tags", form.write(Some(&value)))]).await;
    let record = read(&writes, &id, &["tags"]).await.expect("there");
    assert_eq!(form.read(&record.fields["tags"]), Some(value));
}

/// `hold` begins a transaction of somebody else's that changes the row of this id.
pub(super) async fn a_row_that_somebody_holds_is_told_alone(
    settings: &Settings,
    hold: impl AsyncFnOnce(&str),
) {
    let (_connection, writes) = opened(settings);
    let first = make(&writes, "K-1", &[("name", json!("Ann"))]).await;
    let second = make(&writes, "K-2", &[("name", json!("Ann"))]).await;
    hold(&first).await;
    let impatient = open(settings.clone(), Duration::from_secs(3)).expect("settings");
    let writes = impatient.writes.clone().expect("it writes");
    let update = |id: &str| Write::Update {
        id: id.to_owned(),
        seen: None,
        fields: fields(&[("name", json!("Bea"))]),
    };
    let told = writes.write("members", &[update(&first), update(&second)]).await.expect("tried");
    assert_eq!(told[0].as_ref().expect_err("held").kind(), "unavailable", "{told:?}");
    assert!(told[1].is_ok(), "{told:?}");
    let standing = impatient.turnstile.budget().standing();
    assert!(!standing.is_low, "{standing:?}");
}

pub(super) async fn many_writers_make_each_row_once(settings: &Settings) {
    let (_connection, writes) = opened(settings);
    let rows: Vec<Write> = (0..40)
        .map(|at| Write::Create {
            key: ("tieline_key".into(), format!("K-{at}")),
            fields: fields(&[("name", json!("Ann"))]),
        })
        .collect();
    // The same rows at the same time, from both ends.
    let back: Vec<Write> = rows.iter().rev().cloned().collect();
    for _ in 0..5 {
        let both = tokio::join!(writes.write("members", &rows), writes.write("members", &back));
        let (Ok(one), Ok(two)) = both else { continue };
        for told in one.iter().chain(&two) {
            let fine = told.is_ok() || told.as_ref().is_err_and(Error::is_worth_retrying);
            assert!(fine, "{told:?}");
        }
    }
    let told = writes.write("members", &rows).await.expect("tried");
    let ids: std::collections::BTreeSet<String> =
        told.into_iter().map(|one| one.expect("there").id).collect();
    assert_eq!(ids.len(), 40);
    let (connection, _) = opened(settings);
    let mut news = self::told(&connection, 7).await;
    news.dedup();
    assert_eq!(news.len(), 40, "each is there once");
}

pub(super) async fn the_check_says_what_is_missing(settings: &Settings) {
    let findings = open(settings.clone(), LONG).expect("settings").check.check().await;
    let of = |findings: &[kit::Finding]| -> Vec<(String, &'static str)> {
        let told = findings.iter().filter(|one| one.what == "tables.members");
        told.map(|one| match &one.outcome {
            Ok(()) => (String::new(), ""),
            Err(flaw) => (format!("{} {}", flaw.message, flaw.fix), flaw.code),
        })
        .collect()
    };
    assert_eq!(of(&findings), [(String::new(), "")]);
    assert!(findings.iter().any(|one| one.what == "reads only" && one.outcome.is_ok()));
    for (key, value, code, says) in [
        ("table", "nothing", "connection.setting_refused", "no such table"),
        ("version", "nothing", "connection.field_missing", "`nothing`"),
        ("record", "name", "connection.setting_refused", "UNIQUE INDEX"),
        ("key", "score", "connection.setting_refused", "UNIQUE INDEX"),
        ("modified_at", "seen_at", "connection.setting_refused", "NOT NULL"),
        ("deleted", "prefs", "connection.setting_refused", "deleted"),
    ] {
        let wrong = with(settings, key, value);
        let connection = match open(wrong, LONG) {
            Ok(connection) => connection,
            // `seen_at` and `prefs` are among what is written.
            Err(error) => {
                assert!(error.to_string().contains("kept by the database"), "{error}");
                continue;
            }
        };
        let told = of(&connection.check.check().await);
        assert!(
            told.iter().any(|(text, own)| *own == code && text.contains(says)),
            "{key}: {told:?}"
        );
        let writes = connection.writes.clone().expect("it writes");
        let refused = writes.read(Lane::Background, "members", &["1".to_owned()], &[]).await;
        let error = refused.expect_err("not before it is mended");
        assert!(error.to_string().contains("tables.members"), "{error}");
    }
}

/// Keys that the engine takes for `abc`.
pub(super) async fn who_has_nearly_the_same_key_is_not_written_over(
    settings: &Settings,
    near: &[&str],
) {
    let (_connection, writes) = opened(settings);
    let id = make(&writes, "abc", &[("name", json!("Ann"))]).await;
    let bea = fields(&[("name", json!("Bea"))]);
    for near in near {
        let key = ("tieline_key", *near);
        let refused = writes.create("members", key, &bea).await.expect_err("somebody else's");
        let Error::Invalid { field: Some(field), reason } = &refused else { panic!("{refused}") };
        assert_eq!(field, "tieline_key");
        assert!(reason.contains("differs only") && !reason.contains(near), "{reason}");
        assert_eq!(writes.find("members", key).await, Ok(None), "{near:?}");
    }
    let there = read(&writes, &id, &["name"]).await.expect("there");
    assert_eq!(there.fields["name"], json!("Ann"));
    let own = ("tieline_key", "abc");
    assert_eq!(writes.find("members", own).await, Ok(Some(id.clone())));
    let again = writes.create("members", own, &bea).await.expect("found");
    assert!(!again.is_new && again.id == id);
}

/// Ids that the engine takes for `abc`.
pub(super) async fn who_has_nearly_the_same_id_is_not_written_over(
    settings: &Settings,
    near: &[&str],
) {
    let (_connection, writes) = opened(&with(settings, "record", "tieline_key"));
    assert_eq!(make(&writes, "abc", &[("name", json!("Ann"))]).await, "abc");
    let bea = fields(&[("name", json!("Bea"))]);
    for near in near {
        assert_eq!(read(&writes, near, &["name"]).await, None, "{near:?}");
        let told = writes.update("members", near, None, &bea).await;
        assert_eq!(told, Err(Error::NotFound), "{near:?}");
        writes.delete("members", near, None).await.expect("nobody's is no error");
    }
    let there = read(&writes, "abc", &["name"]).await.expect("there");
    assert_eq!(there.fields["name"], json!("Ann"));
}

/// A way to be deleted that leaves the row.
pub(super) async fn a_row_may_be_deleted_by_a_mark(settings: &Settings) {
    let soft = with(settings, "deleted", "gone_at");
    let (connection, writes) = opened(&soft);
    assert!(connection.changes.as_ref().expect("changes").tells_deletions());
    let id = make(&writes, "K-1", &[("name", json!("Ann"))]).await;
    writes.delete("members", &id, None).await.expect("deleted");
    assert_eq!(read(&writes, &id, &[]).await, None);
    let news = told(&connection, 10).await;
    assert_eq!(news, [Change::Deleted { id: id.clone(), into: None }]);
    let update = writes.update("members", &id, None, &fields(&[("score", json!(1))])).await;
    assert_eq!(update, Err(Error::NotFound));
    let risen = writes.create("members", ("tieline_key", "K-1"), &Fields::new()).await;
    assert_eq!(risen.expect_err("it does not rise again").kind(), "invalid");
    // The row itself is still there.
    let (_, plain) = opened(settings);
    assert!(read(&plain, &id, &[]).await.is_some());
}

/// A user with `grant`, and what `tieline check` says to it.
pub(super) async fn what_the_user_may_not_is_named(place: &Place, user: &str) {
    let settings = set(described(&place.settings), "user", user);
    let findings = open(settings.clone(), LONG).expect("settings").check.check().await;
    let told = findings.iter().find(|one| one.what == "tables.members").expect("looked at");
    let flaw = told.outcome.as_ref().expect_err("no right");
    assert_eq!(flaw.code, "connection.scope_missing", "{flaw:?}");
    assert!(flaw.fix.contains("GRANT UPDATE") && flaw.fix.contains("GRANT DELETE"), "{flaw:?}");
    let (_, writes) = opened(&settings);
    let id = "1".to_owned();
    let set = Write::Update { id, seen: None, fields: fields(&[("score", json!(1))]) };
    let told = writes.write("members", &[set]).await;
    let error = told.map(|mut one| one.remove(0)).and_then(|one| one).expect_err("no right");
    assert_eq!(error.kind(), "forbidden", "{error}");
}
