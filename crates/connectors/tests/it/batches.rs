//! What every connector promises of many writes in one call, tried on each that writes.

use crate::records::{Tried, flipped, tried, tried_over_http};
use kit::{Error, Fields, Saved, Write};
use serde_json::{Value, json};
use sim::faults::{Fault, Rule};

/// More than any vendor here takes at once, but for the largest.
const MANY: usize = 23;
const NOBODYS: &str = "Zqxnosuchfield";

type Told = Result<Vec<Result<Saved, Error>>, Error>;

impl Tried {
    fn create_row(&self, number: usize, text: &str) -> Write {
        let mut fields = self.sample.needs.clone();
        fields.insert(self.field(0), json!(text));
        fields.insert(self.field(1), json!("untouched"));
        Write::Create { key: (self.sample.key.to_owned(), self.key(number)), fields }
    }

    fn update_row(&self, id: &str, seen: Option<String>, value: Value) -> Write {
        let fields: Fields = [(self.field(0), value)].into_iter().collect();
        Write::Update { id: id.to_owned(), seen, fields }
    }

    async fn write(&self, writes: &[Write]) -> Told {
        let told = self.writes.write(self.sample.object, writes).await;
        if let Ok(outcomes) = &told {
            assert_eq!(outcomes.len(), writes.len(), "{}", self.name());
        }
        told
    }

    /// As many new records, in one batch.
    async fn make_many(&self, count: usize) -> Vec<String> {
        let rows: Vec<Write> = (0..count).map(|n| self.create_row(n, "first")).collect();
        let told = self.write(&rows).await.expect("tried");
        told.into_iter().map(|outcome| outcome.expect("made").id).collect()
    }

    async fn text(&self, id: &str) -> Value {
        let record = self.read(id).await;
        record.map_or(Value::Null, |record| record.fields[&self.field(0)].clone())
    }

    fn requests(&self) -> usize {
        self.rig.requests().1
    }
}

#[tokio::test]
async fn a_batch_says_of_each_row_what_became_of_it() {
    for one in tried().await {
        let ids = one.make_many(8).await;
        let unknown: Fields = [(NOBODYS.to_owned(), json!("x"))].into_iter().collect();
        let mut rows = vec![
            one.update_row(&ids[0], None, json!("second")),
            one.update_row(&flipped(&ids[1]), None, json!("nobody's")),
            one.create_row(50, "new"),
            Write::Update { id: ids[2].clone(), seen: None, fields: unknown },
            one.create_row(3, "found again"),
            one.update_row(&ids[4], None, Value::Null),
        ];
        if one.sample.can_delete {
            rows.push(Write::Delete { id: ids[5].clone(), seen: None });
            rows.push(Write::Delete { id: flipped(&ids[6]), seen: None });
        }
        let told = one.write(&rows).await.expect("tried");
        let name = one.name();
        assert_eq!(told[0].as_ref().map(|saved| (&saved.id, saved.is_new)), Ok((&ids[0], false)));
        assert_eq!(told[1], Err(Error::NotFound), "{name}");
        assert!(told[2].as_ref().is_ok_and(|saved| saved.is_new), "{name}: {:?}", told[2]);
        let refused = told[3].as_ref().expect_err("an unknown field");
        let word = refused.to_string().to_lowercase();
        assert!(refused.is_refusal() && word.contains(&NOBODYS.to_lowercase()), "{name}: {word}");
        assert_eq!(told[4].as_ref().map(|saved| (&saved.id, saved.is_new)), Ok((&ids[3], false)));
        assert!(told[5].is_ok(), "{name}: {:?}", told[5]);
        for outcome in &told[6..] {
            assert!(outcome.is_ok(), "{name}: gone already is no error: {outcome:?}");
        }
        assert_eq!(one.text(&ids[0]).await, json!("second"), "{name}");
        assert_eq!(one.text(&ids[2]).await, json!("first"), "{name}");
        assert_eq!(one.text(&ids[3]).await, json!("found again"), "{name}");
        assert_eq!(one.text(&ids[4]).await, Value::Null, "{name}");
        assert_eq!(one.text(&ids[7]).await, json!("first"), "{name}");
        assert_eq!(one.read(&ids[5]).await.is_none(), one.sample.can_delete, "{name}");
        for id in &ids[..5] {
            let record = one.read(id).await.expect("there");
            assert_eq!(record.fields[&one.field(1)], json!("untouched"), "{name}");
        }
    }
}

#[tokio::test]
async fn the_same_batch_twice_leaves_one_record_each() {
    for one in tried().await {
        let before = one.rig.simulator.contacts();
        let rows: Vec<Write> = (0..MANY).map(|n| one.create_row(n, &format!("t {n}"))).collect();
        let asked = one.requests();
        let first = one.write(&rows).await.expect("tried");
        let asked = one.requests() - asked;
        let again = one.write(&rows).await.expect("tried");
        assert_eq!(one.rig.simulator.contacts(), before + MANY, "{}", one.name());
        for (at, (first, again)) in first.iter().zip(&again).enumerate() {
            let (first, again) = (first.as_ref().expect("made"), again.as_ref().expect("found"));
            assert!(first.is_new && !again.is_new && first.id == again.id, "{} {at}", one.name());
            assert_eq!(one.text(&first.id).await, json!(format!("t {at}")), "{}", one.name());
        }
        let most = one.writes.write_max();
        if most > 1 {
            let bound = MANY.div_ceil(most) + 4;
            assert!(asked <= bound, "{}: {asked} requests, {most} in one", one.name());
        }
    }
}

#[tokio::test]
async fn one_bad_row_spoils_no_other() {
    for one in tried().await {
        let ids = one.make_many(12).await;
        // A value of another type than the field's, where the vendor minds.
        let odd = json!({ "a": { "b": [1] } });
        let minds = one.set(&ids[11], None, odd.clone()).await.is_err();
        one.set(&ids[11], None, json!("first")).await.expect("changed");
        let unknown: Fields = [(NOBODYS.to_owned(), json!("x"))].into_iter().collect();
        let row = |(at, id): (usize, &String)| match at {
            3 => Write::Update { id: id.clone(), seen: None, fields: unknown.clone() },
            7 if minds => one.update_row(id, None, odd.clone()),
            _ => one.update_row(id, None, json!("second")),
        };
        let rows: Vec<Write> = ids.iter().enumerate().map(row).collect();
        let told = one.write(&rows).await.expect("tried");
        for (at, id) in ids.iter().enumerate() {
            let is_bad = at == 3 || (at == 7 && minds);
            assert_eq!(told[at].is_err(), is_bad, "{} {at}: {:?}", one.name(), told[at]);
            let expected = if is_bad { "first" } else { "second" };
            assert_eq!(one.text(id).await, json!(expected), "{} {at}", one.name());
        }
    }
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_can_be_repeated() {
    for one in tried_over_http().await {
        let before = one.rig.simulator.contacts();
        let rows: Vec<Write> = (0..MANY).map(|n| one.create_row(n, "text")).collect();
        let (method, part) = one.sample.many_by.unwrap_or(one.sample.made_by);
        let method = Some(method.to_owned());
        one.rig.faults().add(Rule { method, ..Rule::always(Fault::Truncate).on(part).times(1) });
        let lost = match one.write(&rows).await {
            Err(error) => vec![error],
            Ok(told) => told.into_iter().filter_map(Result::err).collect(),
        };
        assert!(!lost.is_empty(), "{}: an answer was lost", one.name());
        assert!(lost.iter().all(Error::is_worth_retrying), "{}: {lost:?}", one.name());
        let told = one.write(&rows).await.expect("tried");
        assert!(told.iter().all(Result::is_ok), "{}: {told:?}", one.name());
        assert_eq!(one.rig.simulator.contacts(), before + MANY, "{}", one.name());
    }
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_is_refused_alone() {
    for one in tried().await {
        let ids = one.make_many(9).await;
        let mut seen = Vec::new();
        for id in &ids {
            seen.push(one.read(id).await.expect("there").version);
        }
        one.rig.simulator.pass_time();
        one.set(&ids[4], None, json!("somebody's")).await.expect("changed");
        if one.sample.can_delete {
            one.set(&ids[8], None, json!("somebody's")).await.expect("changed");
        }
        let mut rows: Vec<Write> = Vec::new();
        for at in 0..7 {
            rows.push(one.update_row(&ids[at], seen[at].clone(), json!("ours")));
        }
        if one.sample.can_delete {
            let delete = |at: usize| Write::Delete { id: ids[at].clone(), seen: seen[at].clone() };
            rows.extend([delete(7), delete(8)]);
        }
        let told = one.write(&rows).await.expect("tried");
        for (at, outcome) in told.iter().enumerate() {
            let kind = outcome.as_ref().map(|_| ()).map_err(Error::kind);
            let expected = if [4, 8].contains(&at) { Err("conflict") } else { Ok(()) };
            assert_eq!(kind, expected, "{} {at}", one.name());
        }
        assert_eq!(one.text(&ids[3]).await, json!("ours"), "{}", one.name());
        assert_eq!(one.text(&ids[4]).await, json!("somebody's"), "{}", one.name());
        if one.sample.can_delete {
            assert_eq!(one.read(&ids[7]).await, None, "{}", one.name());
            assert_eq!(one.text(&ids[8]).await, json!("somebody's"), "{}", one.name());
        }
    }
}

#[tokio::test]
async fn what_a_form_writes_it_reads_again_and_nothing_empties() {
    let mut count = 0;
    for one in tried().await {
        let Some(forms) = one.connection.forms.clone() else { continue };
        count += 1;
        let object = one.sample.object;
        let form = forms.form(object, &one.field(0), None).expect("a form");
        let id = one.make(1, "before").await;
        for value in [Some(domain::Value::from("after")), None] {
            let fields: Fields =
                [(form.field.clone(), form.write(value.as_ref()))].into_iter().collect();
            let row = Write::Update { id: id.clone(), seen: None, fields };
            assert!(one.write(&[row]).await.expect("tried")[0].is_ok(), "{}", one.name());
            let asked = [form.field.clone()];
            let read = one
                .writes
                .read(kit::Lane::Background, object, std::slice::from_ref(&id), &asked)
                .await;
            let read = read.expect("read").remove(0).expect("there");
            assert_eq!(form.read(&read.fields[&form.field]), value, "{}", one.name());
        }
        let odd = forms.form(object, "no field'; at all", None);
        assert_eq!(odd.expect_err("no name").kind(), "invalid", "{}", one.name());
        if let Some(key) = forms.key(object) {
            let row = Write::Create { key: (key, one.key(2)), fields: one.sample.needs.clone() };
            let made = one.write(&[row]).await.expect("tried").remove(0);
            assert!(made.is_ok_and(|saved| saved.is_new), "{}", one.name());
        }
        assert!(forms.prepare(object, &[one.field(0)]).await.expect("prepared").is_empty());
    }
    assert!(count >= 8, "{count} have forms");
}

#[tokio::test]
async fn who_is_watched_writes_as_many_at_once() {
    for one in tried().await {
        let health = std::sync::Arc::new(kit::Health::new(one.name(), kit::health::SLOW_AFTER));
        let plain = one.writes.write_max();
        let watched = one.rig.open().await.watched(&health).writes.expect("it writes");
        assert_eq!(watched.write_max(), plain, "{}", one.name());
    }
}
