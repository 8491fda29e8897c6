//! Merges contacts (v2): a new canonical contact, whose sources become its ancestors.
//!
//! A field comes from `valueOverride`, else from the most recently modified source
//! that has it. Phones and e-mails in conflict move to free phone and e-mail
//! fields, and are dropped when none is free (their identifiers are inherited all
//! the same). External ids are united; more than ten are refused with 422, as is a
//! merge tree of more than 52 contacts. The last two readings are ours.

use std::sync::Arc;

use serde_json::Value;

use super::super::problem::Problem;
use super::super::world::{MERGE_SET_LIMIT, World};
use super::fields::{Fields, LISTS, MAX_LIST};
use super::identifiers::{EMAIL_FIELDS, PHONE_FIELDS};
use super::{Contact, ContactType};

/// `POST /contacts/merge`.
pub(crate) fn merge(world: &mut World, body: &Value, now: i64) -> Result<Contact, Problem> {
    let ids = body.get("contactIds").and_then(Value::as_array);
    let ids = ids.filter(|ids| (2..=25).contains(&ids.len())).ok_or_else(|| {
        let why = "There must be between 2 and 25 contact ids.";
        Problem::bad_request(why).at("field.size", "contactIds")
    })?;
    let ids: Option<Vec<String>> = ids.iter().map(|id| Some(id.as_str()?.to_owned())).collect();
    let overrides = match body.get("valueOverride").filter(|value| !value.is_null()) {
        Some(value) => world.fields(value)?,
        None => Fields::new(),
    };
    let draft = draft(world, &ids.ok_or_else(Problem::malformed)?, &overrides, now)?;
    Ok(apply(world, draft, now))
}

/// The deprecated `POST /merge/contacts`: two contacts, not both curated.
pub(crate) fn merge_two(world: &mut World, body: &Value, now: i64) -> Result<Contact, Problem> {
    let id = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let both = [id("sourceContactId"), id("targetContactId")];
    let both: Vec<String> =
        both.into_iter().collect::<Option<_>>().ok_or_else(Problem::malformed)?;
    let curated = |id: &String| Ok(world.contacts.resolve(id)?.kind == ContactType::Curated);
    if curated(&both[0])? && curated(&both[1])? {
        return Err(Problem::bad_request("Two curated contacts cannot be merged."));
    }
    let draft = draft(world, &both, &Fields::new(), now)?;
    Ok(apply(world, draft, now))
}

/// The canonical contact the merge would make; nothing is changed but the next id.
pub(crate) fn draft(
    world: &mut World,
    ids: &[String],
    overrides: &Fields,
    now: i64,
) -> Result<Contact, Problem> {
    let mut sources: Vec<Arc<Contact>> = Vec::new();
    for id in ids {
        let contact = world.contacts.resolve(id)?;
        if !sources.iter().any(|known| known.id == contact.id) {
            sources.push(Arc::clone(contact));
        }
    }
    let [first, _, ..] = sources.as_slice() else {
        return Err(Problem::bad_request("The contacts are merged already."));
    };
    if sources.iter().any(|source| source.division != first.division) {
        return Err(Problem::bad_request("Contacts of different divisions cannot be merged."));
    }
    let members = |contact: &Arc<Contact>| {
        std::iter::once(contact.id.clone()).chain(contact.ancestors.clone())
    };
    let ancestors: Vec<String> = sources.iter().flat_map(members).collect();
    if ancestors.len() + 1 > MERGE_SET_LIMIT {
        let why = format!("A merge set has at most {MERGE_SET_LIMIT} contacts.");
        return Err(Problem::unprocessable(why).at("merge.set.size", "contactIds"));
    }
    let (division, from) =
        (first.division.clone(), sources.iter().map(|source| source.id.clone()).collect());
    let kind = sources.iter().map(|source| source.kind).max().unwrap_or(ContactType::Curated);
    sources.sort_by_key(|source| std::cmp::Reverse(source.revision));
    let fields = combined(&sources, overrides)?;
    let id = world.ids.next();
    let mut canonical = world.contacts.draft(id, &division, kind, fields, now);
    canonical.ancestors = ancestors;
    canonical.merged_from = from;
    Ok(canonical)
}

/// Makes a draft real.
pub(crate) fn apply(world: &mut World, draft: Contact, now: i64) -> Contact {
    let sources = draft.merged_from.clone();
    Contact::clone(&world.contacts.supersede(&sources, draft, now))
}

/// `sources` newest first.
fn combined(sources: &[Arc<Contact>], overrides: &Fields) -> Result<Fields, Problem> {
    let mut fields = overrides.clone();
    let mut displaced: Vec<(&[&str], Value)> = Vec::new();
    for source in sources {
        for (name, value) in &source.fields {
            let group = [&PHONE_FIELDS[..], &EMAIL_FIELDS[..]]
                .into_iter()
                .find(|group| group.contains(&name.as_str()));
            match (fields.get_mut(name), group) {
                (None, _) => {
                    fields.insert(name.clone(), value.clone());
                }
                (Some(Value::Array(all)), _)
                    if LISTS.contains(&name.as_str()) && !overrides.contains_key(name) =>
                {
                    let more = value.as_array().into_iter().flatten();
                    all.extend(
                        more.filter(|item| !all.contains(item)).cloned().collect::<Vec<_>>(),
                    );
                }
                (Some(kept), Some(group)) if !same(kept, value) => {
                    displaced.push((group, value.clone()))
                }
                _ => {}
            }
        }
    }
    for (group, value) in displaced {
        let known =
            group.iter().any(|name| fields.get(*name).is_some_and(|kept| same(kept, &value)));
        if let Some(free) = group.iter().find(|name| !known && !fields.contains_key(**name)) {
            fields.insert((*free).to_owned(), value);
        }
    }
    for name in LISTS {
        if fields.get(name).and_then(Value::as_array).is_some_and(|all| all.len() > MAX_LIST) {
            let why = format!("The merged contact would have more than {MAX_LIST} {name}.");
            return Err(Problem::unprocessable(why).at("max.size", name));
        }
    }
    Ok(fields)
}

/// Whether two phones or two e-mails are the same.
fn same(one: &Value, two: &Value) -> bool {
    match (one.get("e164"), two.get("e164")) {
        (Some(one), Some(two)) => one == two,
        _ => one == two,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::world::{Expand, World};
    use super::super::identifiers::Key;
    use super::super::{Contact, ContactType};
    use super::{merge, merge_two};

    fn add(world: &mut World, body: &Value) -> String {
        let fields = world.fields(body).expect("valid");
        let id = world.ids.next();
        let draft = world.contacts.draft(id, "*", ContactType::Curated, fields, 1);
        world.contacts.put(draft, 1).id.clone()
    }

    fn person(first: &str, phone: &str) -> Value {
        json!({ "firstName": first, "workPhone": { "display": phone }, "workEmail": format!("{first}@example.com") })
    }

    #[test]
    fn a_merge_makes_a_new_contact_and_ancestors_lead_to_it() {
        let mut world = World::new(1, 0);
        let (one, two) = (
            add(&mut world, &person("a", "+15550190001")),
            add(&mut world, &person("b", "+15550190002")),
        );
        let merged = merge(&mut world, &json!({ "contactIds": [one, two] }), 2).expect("merged");
        assert!(merged.id != one && merged.id != two);
        assert_eq!(world.contacts.resolve(&one).expect("redirected").id, merged.id);
        let shown = world.render(&merged, Expand::default());
        assert_eq!(shown["mergeSet"].as_array().map(Vec::len), Some(3));
        let ancestor =
            world.render(world.contacts.unresolved(&two).expect("kept"), Expand::default());
        assert_eq!(ancestor["mergedTo"]["id"], merged.id);
        assert_eq!(world.contacts.index.search("").len(), 1);
    }

    #[test]
    fn the_newest_value_wins_and_conflicting_phones_move_to_free_fields() {
        let mut world = World::new(1, 0);
        let (one, two) = (
            add(&mut world, &person("old", "+15550190001")),
            add(&mut world, &person("new", "+15550190002")),
        );
        let body = json!({ "contactIds": [one, two], "valueOverride": { "title": "Dr" } });
        let merged = merge(&mut world, &body, 2).expect("merged");
        assert_eq!(merged.fields["firstName"], "new");
        assert_eq!(merged.fields["title"], "Dr");
        assert_eq!(merged.fields["workPhone"]["e164"], "+15550190002");
        assert_eq!(merged.fields["cellPhone"]["e164"], "+15550190001");
        assert_eq!(merged.fields["personalEmail"], "old@example.com");
        for number in ["+15550190001", "+15550190002"] {
            let holder =
                world.contacts.holder(&Key::phone("*", number)).map(|contact| contact.id.clone());
            assert_eq!(holder.as_deref(), Some(merged.id.as_str()));
        }
    }

    #[test]
    fn a_merge_set_has_at_most_52_contacts() {
        let mut world = World::new(1, 0);
        let mut newest = add(&mut world, &json!({ "firstName": "0" }));
        let mut refused = None;
        for step in 0..60 {
            let other = add(&mut world, &json!({ "firstName": step.to_string() }));
            match merge(&mut world, &json!({ "contactIds": [newest, other] }), 2) {
                Ok(merged) => newest = merged.id,
                Err(problem) => {
                    refused = Some((
                        problem.status,
                        world.contacts.resolve(&newest).expect("kept").ancestors.len(),
                    ));
                    break;
                }
            }
        }
        assert_eq!(refused, Some((422, 50)));
    }

    #[test]
    fn the_old_merge_refuses_two_curated_contacts() {
        let mut world = World::new(1, 0);
        let (one, two) = (
            add(&mut world, &person("a", "+15550190001")),
            add(&mut world, &person("b", "+15550190002")),
        );
        let body = json!({ "sourceContactId": one, "targetContactId": two });
        assert!(merge_two(&mut world, &body, 2).is_err_and(|problem| problem.status == 400));
        let mut source = Contact::clone(world.contacts.resolve(&one).expect("stored"));
        source.kind = ContactType::Identified;
        world.contacts.put(source, 2);
        assert_eq!(
            merge_two(&mut world, &body, 3).map(|merged| merged.kind),
            Ok(ContactType::Curated)
        );
    }

    #[test]
    fn what_is_one_already_cannot_be_merged() {
        let mut world = World::new(1, 0);
        let (one, two) = (
            add(&mut world, &person("a", "+15550190001")),
            add(&mut world, &person("b", "+15550190002")),
        );
        let merged = merge(&mut world, &json!({ "contactIds": [one, two] }), 2).expect("merged");
        for ids in
            [json!([one, two]), json!([one, merged.id]), json!([one]), json!([one, "unknown"])]
        {
            assert!(merge(&mut world, &json!({ "contactIds": ids }), 3).is_err(), "{ids}");
        }
    }
}
