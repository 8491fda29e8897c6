//! Sets what agents show: one alone, or many in one request.
//!
//! What the platform does with the others when one of many cannot be set is not told. Where
//! it refuses them all, they are halved until those are alone who cannot: to show again what
//! was set already changes nothing but its time (invariant 3).

use super::super::client::{Client, Send};
use super::super::mapping::is_uuid;
use super::reading;
use domain::presence::StatusId;
use kit::Error;
use serde_json::{Value, json};

pub(super) const MANY: &str = "users/presences/bulk";

pub(super) fn one(agent: &str) -> String {
    format!("users/{agent}/presences/purecloud")
}

pub(super) fn routing(agent: &str) -> String {
    format!("users/{agent}/routingstatus")
}

type Wanted = (String, StatusId);
type Outcome = Result<Option<u64>, Error>;

pub(super) async fn set(client: &Client, wanted: &[Wanted]) -> Result<Vec<Outcome>, Error> {
    // Whoever is named by no id of the platform's is nobody there.
    let mut outcomes: Vec<Outcome> = wanted.iter().map(|_| Err(Error::NotFound)).collect();
    let places: Vec<usize> = (0..wanted.len()).filter(|at| is_uuid(&wanted[*at].0)).collect();
    let mut groups = vec![places];
    let mut is_tried = false;
    while let Some(mut group) = groups.pop() {
        if group.is_empty() {
            continue;
        }
        let some: Vec<&Wanted> = group.iter().map(|at| &wanted[*at]).collect();
        match set_some(client, &some).await {
            Ok(versions) => {
                for (at, version) in group.iter().zip(versions) {
                    outcomes[*at] = Ok(version);
                }
            }
            Err(error) if group.len() > 1 && is_ones_own(&error) => {
                let second = group.split_off(group.len() / 2);
                groups.extend([second, group]);
            }
            // It may have come through, or others have.
            Err(error) if is_tried || is_doubtful(&error) || is_ones_own(&error) => {
                group.iter().for_each(|at| outcomes[*at] = Err(error.clone()));
            }
            Err(error) => return Err(error),
        }
        is_tried = true;
    }
    Ok(outcomes)
}

/// May one of many have been the reason?
fn is_ones_own(error: &Error) -> bool {
    matches!(error, Error::NotFound | Error::Invalid { .. } | Error::Conflict { .. })
}

fn is_doubtful(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Protocol { .. })
}

async fn set_some(client: &Client, wanted: &[&Wanted]) -> Result<Vec<Option<u64>>, Error> {
    let definition = |status: &StatusId| json!({ "id": status.as_str() });
    if let [(agent, status)] = wanted {
        let body = json!({ "presenceDefinition": definition(status) });
        let answer = client.send(Send::Patch(&body), &one(agent)).await?;
        return Ok(vec![made(&answer.json().unwrap_or_default(), status)]);
    }
    let body: Value = wanted
        .iter()
        .map(|(agent, status)| json!({ "id": agent, "presenceDefinition": definition(status) }))
        .collect();
    let answer = client.send(Send::Put(&body), MANY).await?.json().unwrap_or_default();
    let told = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let own = |agent: &str| told.iter().find(|one| one["id"] == agent);
    let version = |(agent, status): &&Wanted| own(agent).and_then(|one| made(one, status));
    Ok(wanted.iter().map(version).collect())
}

/// The version that an answer tells of our own write: of what the agent has chosen since, it
/// tells another status. It is done all the same where none can be read.
fn made(presence: &Value, wanted: &StatusId) -> Option<u64> {
    let (shown, version) = reading::shown(presence).ok()?;
    version.filter(|_| shown == *wanted)
}
