//! What every connector promises that tells changes or takes writes, tried on each of them.
//!
//! It knows of a vendor only the [`Sample`] that its simulator gives, and changes records
//! by `Writes` itself, as another user of the vendor's API would.

use crate::contract::rigs;
use crate::logs;
use crate::rig::Rig;
use connectors::Sample;
use kit::{Capabilities, Change, Changes, ChangesAsk, Error, Fields, Lane, Record, Writes};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};
use std::collections::BTreeMap;
use std::sync::Arc;

/// More pages than any feed here has.
const PAGES_MAX: usize = 200;
/// Nobody's: found again wherever it leaks.
const CANARY: &str = "Zqxcanary";

/// A connection that tells changes and takes writes, and what to try on it.
pub(crate) struct Tried {
    pub(crate) rig: Rig,
    pub(crate) connection: Capabilities,
    pub(crate) sample: Sample,
    changes: Arc<dyn Changes>,
    pub(crate) writes: Arc<dyn Writes>,
}

/// Everybody who claims both changes and writes.
pub(crate) async fn tried() -> Vec<Tried> {
    let mut all = Vec::new();
    for rig in rigs().await {
        let connection = rig.open().await;
        let (Some(changes), Some(writes)) = (connection.changes.clone(), connection.writes.clone())
        else {
            continue;
        };
        let sample = rig.simulator.sample();
        let sample = sample.unwrap_or_else(|| panic!("{} gives no sample", rig.name()));
        all.push(Tried { rig, connection, sample, changes, writes });
    }
    assert!(!all.is_empty(), "nobody claims changes");
    all
}

/// Of these, who is asked over HTTP: what goes wrong there goes wrong with nobody else.
pub(crate) async fn tried_over_http() -> Vec<Tried> {
    let all = tried().await.into_iter();
    all.filter(|one| one.rig.simulator.is_asked_over_http()).collect()
}

/// What a feed told, up to where it has no more.
#[derive(Default)]
struct Told {
    /// The last word on each id; `None`: deleted.
    last: BTreeMap<String, Option<Record>>,
    cursor: Option<String>,
    restarts: usize,
}

impl Tried {
    pub(crate) fn name(&self) -> &str {
        self.rig.name()
    }

    pub(crate) fn key(&self, number: usize) -> String {
        format!("TIE{number:013}")
    }

    pub(crate) fn field(&self, at: usize) -> String {
        self.sample.fields[at].to_owned()
    }

    pub(crate) async fn make(&self, number: usize, text: &str) -> String {
        let mut fields = self.sample.needs.clone();
        fields.insert(self.field(0), json!(text));
        fields.insert(self.field(1), json!("untouched"));
        let key = self.key(number);
        let made = self.writes.create(self.sample.object, (self.sample.key, &key), &fields).await;
        made.expect("made").id
    }

    pub(crate) async fn set(
        &self,
        id: &str,
        seen: Option<&str>,
        value: Value,
    ) -> Result<(), Error> {
        let fields: Fields = [(self.field(0), value)].into_iter().collect();
        self.writes.update(self.sample.object, id, seen, &fields).await.map(drop)
    }

    pub(crate) async fn read(&self, id: &str) -> Option<Record> {
        let fields = [self.field(0), self.field(1)];
        let asked = [id.to_owned()];
        let found = self.writes.read(Lane::Background, self.sample.object, &asked, &fields).await;
        found.expect("read").remove(0)
    }

    fn ask(&self, cursor: Option<String>, page_max: usize) -> ChangesAsk {
        let fields = vec![self.field(0), self.field(1)];
        ChangesAsk { object: self.sample.object.to_owned(), fields, cursor, page_max }
    }

    /// One page, taken into what was told; is there more?
    async fn step(&self, told: &mut Told, page_max: usize) -> Result<bool, Error> {
        let page = self.changes.page(&self.ask(told.cursor.clone(), page_max)).await?;
        assert!(page.changes.len() <= page_max, "{}: more than was wanted", self.name());
        if page.is_restart {
            told.restarts += 1;
            told.last.clear();
        }
        for change in page.changes {
            match change {
                Change::Saved(record) => told.last.insert(record.id.clone(), Some(record)),
                Change::Deleted { id, .. } => told.last.insert(id, None),
            };
        }
        told.cursor = Some(page.cursor);
        Ok(page.has_more)
    }

    async fn to_the_end(&self, told: &mut Told, page_max: usize) {
        for _ in 0..PAGES_MAX {
            if !self.step(told, page_max).await.expect("a page") {
                return;
            }
        }
        panic!("{} never ends", self.name());
    }
}

impl Told {
    fn text(&self, id: &str, field: &str) -> Option<&str> {
        self.last.get(id)?.as_ref()?.fields.get(field)?.as_str()
    }
}

#[tokio::test]
async fn everything_there_is_is_told_in_pages() {
    for one in tried().await {
        let mut ids = Vec::new();
        for number in 0..30 {
            ids.push(one.make(number, &format!("text {number}")).await);
        }
        for page_max in [1_000, 7] {
            let mut told = Told::default();
            one.to_the_end(&mut told, page_max).await;
            for (number, id) in ids.iter().enumerate() {
                let expected = format!("text {number}");
                assert_eq!(told.text(id, &one.field(0)), Some(&*expected), "{}", one.name());
                let record = told.last[id].as_ref().expect("saved");
                assert!(record.modified.is_some() && record.version.is_some(), "{record:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_that_was_cut_off_is_asked_for_again_with_the_same_cursor() {
    for one in tried_over_http().await {
        for number in 0..12 {
            one.make(number, "text").await;
        }
        let mut whole = Told::default();
        one.to_the_end(&mut whole, 5).await;
        let mut cut = Told::default();
        let mut has_more = true;
        let mut pages = 0;
        while has_more && pages < PAGES_MAX {
            let before = cut.cursor.clone();
            one.rig.faults().add(Rule::always(Fault::Truncate).on(one.rig.api).times(1));
            let error = one.step(&mut cut, 5).await.expect_err("cut off");
            assert!(error.is_worth_retrying(), "{}: {error}", one.name());
            assert_eq!(cut.cursor, before);
            has_more = one.step(&mut cut, 5).await.expect("the same page");
            pages += 1;
        }
        let ids = |told: &Told| told.last.keys().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&cut), ids(&whole), "{}", one.name());
    }
}

#[tokio::test]
async fn a_record_that_changes_while_pages_are_read_is_told_as_it_is_then() {
    for one in tried().await {
        let mut ids = Vec::new();
        for number in 0..15 {
            ids.push(one.make(number, "before").await);
        }
        let mut told = Told::default();
        assert!(one.step(&mut told, 4).await.expect("a page"), "there is more");
        // Some of these were told already and some were not.
        for id in ids.iter().step_by(3) {
            one.set(id, None, json!("after")).await.expect("changed");
        }
        let added = one.make(99, "added").await;
        one.to_the_end(&mut told, 4).await;
        one.to_the_end(&mut told, 4).await;
        for (at, id) in ids.iter().enumerate() {
            let expected = if at % 3 == 0 { "after" } else { "before" };
            assert_eq!(told.text(id, &one.field(0)), Some(expected), "{} {at}", one.name());
        }
        assert_eq!(told.text(&added, &one.field(0)), Some("added"), "{}", one.name());
    }
}

#[tokio::test]
async fn later_changes_are_told_from_the_last_cursor_on() {
    for one in tried().await {
        let kept = one.make(1, "kept").await;
        let changed = one.make(2, "before").await;
        let mut told = Told::default();
        one.to_the_end(&mut told, 100).await;
        for round in 0..3 {
            let text = format!("round {round}");
            one.set(&changed, None, json!(text)).await.expect("changed");
            one.to_the_end(&mut told, 100).await;
            assert_eq!(told.text(&changed, &one.field(0)), Some(&*text), "{}", one.name());
            assert_eq!(told.text(&kept, &one.field(0)), Some("kept"), "{}", one.name());
        }
    }
}

#[tokio::test]
async fn a_deletion_is_told_or_said_not_to_be() {
    for one in tried().await {
        let id = one.make(1, "text").await;
        let mut told = Told::default();
        one.to_the_end(&mut told, 100).await;
        let deleted = one.writes.delete(one.sample.object, &id, None).await;
        if !one.sample.can_delete {
            let error = deleted.expect_err("refused");
            assert_eq!(error.kind(), "invalid", "{}", one.name());
            assert!(one.read(&id).await.is_some());
            assert!(!one.changes.tells_deletions());
            continue;
        }
        deleted.expect("deleted");
        one.writes.delete(one.sample.object, &id, None).await.expect("gone already is no error");
        assert_eq!(one.read(&id).await, None, "{}", one.name());
        one.to_the_end(&mut told, 100).await;
        if one.changes.tells_deletions() {
            assert_eq!(told.last.get(&id), Some(&None), "{}", one.name());
        } else {
            // A pass that begins everything anew does not name it.
            let mut anew = Told::default();
            one.to_the_end(&mut anew, 100).await;
            assert!(!anew.last.contains_key(&id), "{}", one.name());
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_is_refused_and_one_that_died_begins_anew() {
    for one in tried().await {
        let mut ids = Vec::new();
        for number in 0..15 {
            ids.push(one.make(number, "text").await);
        }
        let mut told = Told::default();
        assert!(one.step(&mut told, 10).await.expect("a page"));
        let good = told.cursor.clone().expect("a cursor");
        let odd = [String::new(), "x".to_owned(), format!("{good}x.y.z"), format!("a{good}")];
        for cursor in odd.into_iter().chain(["'; DROP TABLE".to_owned()]) {
            let refused = one.changes.page(&one.ask(Some(cursor.clone()), 10)).await;
            match refused {
                Err(Error::Invalid { field, reason }) => {
                    assert_eq!(field.as_deref(), Some("cursor"), "{}", one.name());
                    assert!(cursor.is_empty() || !reason.contains(&cursor), "{reason}");
                }
                // Its own part may be what the vendor gave, which the vendor judges.
                Ok(page) => assert!(page.is_restart, "{}: {cursor}", one.name()),
                Err(error) => panic!("{}: {cursor}: {error}", one.name()),
            }
        }
        if let Some(dead) = one.rig.simulator.outlived(&good) {
            told.cursor = Some(dead);
            one.to_the_end(&mut told, 10).await;
            assert_eq!(told.restarts, 1, "{}", one.name());
            assert!(ids.iter().all(|id| told.last.contains_key(id)), "{}", one.name());
        }
    }
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_is_made_once() {
    for one in tried_over_http().await {
        let before = one.rig.simulator.contacts();
        let mut fields = one.sample.needs.clone();
        fields.insert(one.field(0), json!("text"));
        let keys = [one.key(1), one.key(2)];
        let create =
            |at: usize| one.writes.create(one.sample.object, (one.sample.key, &keys[at]), &fields);
        // Carried out, and its answer cut off.
        let (method, part) = one.sample.made_by;
        let method = Some(method.to_owned());
        one.rig.faults().add(Rule { method, ..Rule::always(Fault::Truncate).on(part).times(1) });
        let lost = create(0).await.expect_err("no answer");
        assert!(lost.is_worth_retrying(), "{}: {lost}", one.name());
        assert_eq!(one.rig.simulator.contacts(), before + 1, "{}: it was made", one.name());
        let first = create(0).await.expect("found");
        let again = create(0).await.expect("found again");
        assert!(!first.is_new && !again.is_new && first.id == again.id, "{}", one.name());
        assert_eq!(one.rig.simulator.contacts(), before + 1, "{}", one.name());
        let other = create(1).await.expect("made");
        assert!(other.is_new && other.id != first.id, "{}", one.name());
    }
}

#[tokio::test]
async fn whether_an_earlier_try_has_made_a_record_is_told_by_its_key() {
    for one in tried().await {
        let (object, key) = (one.sample.object, one.key(7));
        let find = || one.writes.find(object, (one.sample.key, &key));
        assert_eq!(find().await.expect("an answer"), None, "{}", one.name());
        one.make(8, "another").await;
        assert_eq!(find().await.expect("an answer"), None, "{}", one.name());
        let id = one.make(7, "made").await;
        assert_eq!(find().await.expect("an answer"), Some(id), "{}", one.name());
        let odd = one.writes.find(object, ("No Such Key!", "x")).await;
        assert!(matches!(odd, Err(Error::Invalid { .. })), "{}: {odd:?}", one.name());
    }
}

#[tokio::test]
async fn an_update_on_an_old_version_is_a_conflict_and_changes_nothing() {
    for one in tried().await {
        let id = one.make(1, "first").await;
        let seen = one.read(&id).await.expect("there").version.expect("a version");
        one.rig.simulator.pass_time();
        one.set(&id, Some(&seen), json!("second")).await.expect("nobody was before us");
        let refused = one.set(&id, Some(&seen), json!("third")).await.expect_err("stale");
        assert_eq!(refused.kind(), "conflict", "{}: {refused}", one.name());
        let record = one.read(&id).await.expect("there");
        assert_eq!(record.fields[&one.field(0)], json!("second"), "{}", one.name());
        if one.sample.can_delete {
            let refused = one.writes.delete(one.sample.object, &id, Some(&seen)).await;
            assert_eq!(refused.expect_err("stale").kind(), "conflict", "{}", one.name());
            assert!(one.read(&id).await.is_some());
        }
    }
}

#[tokio::test]
async fn a_version_told_after_a_write_is_the_one_that_comes_back_as_news() {
    for one in tried().await {
        let id = one.make(1, "first").await;
        let fields: Fields = [(one.field(0), json!("second"))].into_iter().collect();
        let saved = one.writes.update(one.sample.object, &id, None, &fields).await.expect("saved");
        assert_eq!(saved.version.is_some(), one.sample.tells_version, "{}", one.name());
        if saved.version.is_none() {
            continue;
        }
        let mut told = Told::default();
        one.to_the_end(&mut told, 100).await;
        let news = told.last[&id].as_ref().expect("told").version.clone();
        assert_eq!(saved.version, news, "{}", one.name());
    }
}

#[tokio::test]
async fn fields_that_are_not_written_stay_and_null_empties() {
    for one in tried().await {
        let id = one.make(1, "text").await;
        one.set(&id, None, Value::Null).await.expect("emptied");
        let record = one.read(&id).await.expect("there");
        assert_eq!(record.fields[&one.field(0)], Value::Null, "{}", one.name());
        assert_eq!(record.fields[&one.field(1)], json!("untouched"), "{}", one.name());
        // Creating it again sets what is given and nothing else.
        let fields: Fields = [(one.field(0), json!("again"))].into_iter().collect();
        let key = one.key(1);
        let created = one.writes.create(one.sample.object, (one.sample.key, &key), &fields).await;
        assert_eq!(created.expect("found").id, id);
        let record = one.read(&id).await.expect("there");
        assert_eq!(record.fields[&one.field(0)], json!("again"), "{}", one.name());
        assert_eq!(record.fields[&one.field(1)], json!("untouched"), "{}", one.name());
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_name() {
    for one in tried().await {
        let id = one.make(1, "text").await;
        let unknown = "Zqxnosuchfield";
        let fields: Fields = [(unknown.to_owned(), json!("x"))].into_iter().collect();
        let update = one.writes.update(one.sample.object, &id, None, &fields).await;
        let mut ask = one.ask(None, 10);
        ask.fields.push(unknown.to_owned());
        let told = one.changes.page(&ask).await;
        for error in [update.expect_err("unknown"), told.expect_err("unknown")] {
            assert!(error.is_refusal(), "{}: {error}", one.name());
            // Where names are the same in any case, a vendor may tell it in another.
            let told = error.to_string().to_lowercase();
            assert!(told.contains(&unknown.to_lowercase()), "{}: {error}", one.name());
        }
        let ask = ChangesAsk { object: "Zqxnosuchobject".to_owned(), ..one.ask(None, 10) };
        let error = one.changes.page(&ask).await.expect_err("no such object");
        assert!(error.is_refusal(), "{}: {error}", one.name());
        let missing = one.set(&flipped(&id), None, json!("x")).await.expect_err("nobody");
        assert_eq!(missing, Error::NotFound, "{}", one.name());
        let asked = [flipped(&id), id.clone(), "no id at all".to_owned(), id];
        let read = one.writes.read(Lane::Background, one.sample.object, &asked, &[]).await;
        let there: Vec<bool> = read.expect("read").iter().map(Option::is_some).collect();
        assert_eq!(there, [false, true, false, true], "{}", one.name());
    }
}

/// An id of the same form that nobody has.
pub(crate) fn flipped(id: &str) -> String {
    let digits = |c: char| if c.is_ascii_digit() { '9' } else { c };
    match id.len() {
        // The checksum at its end is of capitals alone.
        18 => id[..15].chars().map(digits).chain(id[15..].chars()).collect(),
        _ => id.chars().map(digits).collect(),
    }
}

#[tokio::test]
async fn nothing_personal_reaches_a_cursor_an_error_or_a_log_line() {
    for mut one in tried().await {
        one.rig.timeout = std::time::Duration::from_millis(400);
        one.connection = one.rig.open().await;
        let mut leaked = String::new();
        let id = one.make(1, CANARY).await;
        let mut told = Told::default();
        while one.step(&mut told, 10).await.expect("a page") {
            leaked.push_str(told.cursor.as_deref().unwrap_or_default());
        }
        leaked.push_str(told.cursor.as_deref().unwrap_or_default());
        leaked.push_str(&format!("{:?}", told.last));
        let long = CANARY.repeat(200);
        let errors = [
            one.set(&id, None, json!(long)).await.err(),
            one.set(&id, Some(CANARY), json!(CANARY)).await.err(),
            one.set(&id, None, json!({ CANARY: CANARY })).await.err(),
            one.writes.delete(one.sample.object, CANARY, Some(CANARY)).await.err(),
        ];
        for error in errors.iter().flatten() {
            leaked.push_str(&format!("{error} {error:?}\n"));
        }
        assert!(errors.iter().flatten().count() >= 2, "{}", one.name());
        leaked.push_str(&logs::text());
        assert!(!leaked.contains(CANARY), "{}", one.name());
    }
}
