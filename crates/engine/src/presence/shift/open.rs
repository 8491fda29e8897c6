//! Begins a shift: which statuses there are, who is who, how they stood, and who tells.

use super::super::SIDES;
use super::super::desk::{Desk, Seat, Standing, words};
use super::super::external::When;
use super::super::hands::Hands;
use super::super::roster::{By, Roster, matched};
use super::super::team::Team;
use super::pausing::paused;
use super::{End, Followed, Shift, WAITING_MAX};
use crate::lookup::Engine;
use crate::{Connection, live::Live};
use domain::Timestamp;
use domain::presence::{Known, Side, State};
use kit::presence::Agent;
use kit::{Error, Presence};
use state::presence::{KeptAgent, TeamHold};
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Between tries to follow a side, doubling.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// What both systems say of themselves.
pub(in crate::presence) struct Opened {
    known: [Known; 2],
    roster: Roster,
}

impl Shift {
    pub(in crate::presence) async fn open(
        desk: &Arc<Desk>,
        live: &Live,
        hold: &TeamHold,
    ) -> Result<Self, End> {
        let (engine, team) = (live.now(), desk.team());
        let connections = connections(&engine, desk)?;
        let ends = ends(&connections)?;
        let stored = |error: state::Error| End::Failed(error.to_string());
        let kept = engine.store.kept_agents(&team.name).await.map_err(stored)?;
        for authority in authorities(team) {
            let both = kept.iter().map(|one| (one.agent.clone(), one.crm_agent.clone()));
            desk.external().remember(authority, both);
        }
        let opened = ask(desk, &ends, When::Opening).await.map_err(|(side, error)| {
            End::Failed(format!("{}: {error}", team.connections[side.index()]))
        })?;
        let [center, crm] = &opened.known;
        let map = team.open([center, crm]).map_err(|faults| End::Faulty(words(&faults)))?;
        let map = Arc::new(map);
        let pauses = engine.store.presence_pauses().await.map_err(stored)?;
        let is_paused = paused(&team.name, &pauses);
        let has_console = ends[Side::Crm.index()].is_set_by_console();
        let seats = seats(&opened.roster, kept, is_paused, has_console, engine.clock.now());
        tell(desk, &seats, &opened.roster);
        let ids = SIDES.map(|side| -> Arc<[String]> {
            seats.iter().map(|seat| seat.ids[side.index()].clone()).collect()
        });
        {
            let mut table = desk.table();
            table.by_id = ids
                .each_ref()
                .map(|ids| ids.iter().enumerate().map(|(at, id)| (id.clone(), at)).collect());
            table.seats = seats;
            table.alone = opened.roster.alone;
            table.map = Some(Arc::clone(&map));
            table.known = Some(opened.known);
            table.standing = Standing::Working;
        }
        let tells_after_call = !team.after_call_counts;
        let (to, told) = mpsc::channel(WAITING_MAX);
        let mut followers = JoinSet::new();
        for side in SIDES {
            let (end, ids) = (Arc::clone(&ends[side.index()]), Arc::clone(&ids[side.index()]));
            followers.spawn(follow(side, end, ids, tells_after_call, to.clone()));
        }
        let heard = engine.presence.consoles().listen(&team.connections[Side::Crm.index()]);
        let wakes = BinaryHeap::new();
        let hands = Hands::new(team.compare_every);
        Ok(Self {
            desk: Arc::clone(desk),
            hold: hold.clone(),
            map,
            connections,
            ends,
            wakes,
            hands,
            told,
            heard,
            _followers: followers,
            engine,
        })
    }
}

fn connections(engine: &Engine, desk: &Desk) -> Result<[Arc<Connection>; 2], End> {
    let [center, crm] = desk.team().connections.each_ref().map(|name| {
        let missing = || End::Faulty(vec![format!("there is no connection `{name}`")]);
        engine.connections.get(name).cloned().ok_or_else(missing)
    });
    Ok([center?, crm?])
}

fn ends(connections: &[Arc<Connection>; 2]) -> Result<[Arc<dyn Presence>; 2], End> {
    let [center, crm] = connections.each_ref().map(|connection| {
        let name = &connection.name;
        let missing = || End::Faulty(vec![format!("`{name}` knows no presence of agents")]);
        connection.capabilities.presence.clone().ok_or_else(missing)
    });
    Ok([center?, crm?])
}

/// Asks both systems which statuses and which agents they have.
pub(in crate::presence) async fn ask(
    desk: &Desk,
    ends: &[Arc<dyn Presence>; 2],
    when: When,
) -> Result<Opened, (Side, Error)> {
    let team = desk.team();
    // Whom they have found is known once they are worked at; nobody is listed before.
    for before in desk.before() {
        if before.team().connections != team.connections {
            known_ids(before)?;
        }
    }
    let side = |side: Side| {
        let end = &ends[side.index()];
        async move {
            let both = tokio::try_join!(end.statuses(), end.agents());
            let (mut statuses, agents) = both.map_err(|error| (side, error))?;
            // They are compared with those of the next time.
            statuses.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            Ok((statuses, agents))
        }
    };
    let ((center, center_agents), (crm, crm_agents)) =
        tokio::try_join!(side(Side::Center), side(Side::Crm))?;
    let mut known = [center, crm]
        .into_iter()
        .zip(&team.connections)
        .map(|(statuses, name)| Known { system: name.clone(), statuses });
    let both = known.next().zip(known.next());
    let agents = [center_agents.as_slice(), crm_agents.as_slice()];
    let at_center = |error| (Side::Center, error);
    let mut roster = roster(desk, ends, agents, when).await.map_err(at_center)?;
    for before in desk.before() {
        if before.team().connections == team.connections {
            let theirs = self::roster(before, ends, agents, when).await.map_err(at_center)?;
            let ids = theirs.found.iter().map(|both| both.agents.each_ref().map(|one| &one.id));
            leave_out(&mut roster, team, before, &ids.collect::<Vec<_>>());
        } else {
            let ids = known_ids(before)?;
            let ids: Vec<[&String; 2]> = ids.iter().map(|ids| ids.each_ref()).collect();
            leave_out(&mut roster, team, before, &ids);
        }
    }
    let known = both.map(|(center, crm)| [center, crm]);
    let known = known
        .unwrap_or_else(|| SIDES.map(|_| Known { system: String::new(), statuses: Vec::new() }));
    Ok(Opened { known, roster })
}

fn known_ids(before: &Desk) -> Result<Vec<[String; 2]>, (Side, Error)> {
    before.ids().ok_or_else(|| {
        let reason = format!("the team {} before it begins first", before.team().name);
        (Side::Center, Error::unavailable(reason))
    })
}

/// Whoever is in a team before is not in this one.
fn leave_out(roster: &mut Roster, team: &Team, before: &Desk, ids: &[[&String; 2]]) {
    let shared = SIDES
        .into_iter()
        .filter(|side| team.connections[side.index()] == before.team().connections[side.index()]);
    for side in shared {
        let theirs: HashSet<&String> = ids.iter().map(|both| both[side.index()]).collect();
        roster.found.retain(|both| !theirs.contains(&both.agents[side.index()].id));
    }
}

/// Who is who, as a team finds them out. What the contact center keeps as the CRM's ids is
/// asked for where nothing before identifies an agent.
async fn roster(
    desk: &Desk,
    ends: &[Arc<dyn Presence>; 2],
    agents: [&[Agent]; 2],
    when: When,
) -> Result<Roster, Error> {
    let team = desk.team();
    for (at, by) in team.matching.iter().enumerate() {
        let By::ExternalId(authority) = by else { continue };
        let before = matched(agents, &desk.external().ids(), &team.matching[..at], &team.members);
        let center = ends[Side::Center.index()].as_ref();
        desk.external().ask(center, authority, &before.alone, when).await?;
    }
    Ok(matched(agents, &desk.external().ids(), &team.matching, &team.members))
}

/// Names under which the contact center keeps the CRM's ids.
pub(super) fn authorities(team: &Team) -> impl Iterator<Item = &String> {
    team.matching.iter().filter_map(|by| match by {
        By::ExternalId(authority) => Some(authority),
        By::Table(_) | By::Email => None,
    })
}

/// Is everything as it was when the shift began?
pub(in crate::presence) fn is_same(desk: &Desk, opened: &Opened) -> bool {
    let table = desk.table();
    let ids = |seat: &Seat| seat.ids.clone();
    let mut seats: Vec<[String; 2]> = table.seats.iter().map(ids).collect();
    let mut found: Vec<[String; 2]> = opened
        .roster
        .found
        .iter()
        .map(|both| both.agents.each_ref().map(|agent| agent.id.clone()))
        .collect();
    seats.sort_unstable();
    found.sort_unstable();
    let is_back = table.seats.iter().any(|seat| seat.is_gone());
    table.known.as_ref() == Some(&opened.known) && seats == found && !is_back
}

fn seats(
    roster: &Roster,
    kept: Vec<KeptAgent>,
    is_paused: impl Fn(&str) -> bool,
    has_console: bool,
    now: Timestamp,
) -> Vec<Seat> {
    let mut kept: HashMap<String, KeptAgent> =
        kept.into_iter().map(|one| (one.agent.clone(), one)).collect();
    let unheard: Arc<str> = "it is not followed yet".into();
    let seats = roster.found.iter().map(|both| {
        let [center, crm] = &both.agents;
        // Somebody else in the CRM now: what was so of the other means nothing.
        let old = kept.remove(&center.id).filter(|old| old.crm_agent == crm.id);
        let (old, since) = old.map(|old| (old.kept, old.since)).unwrap_or_default();
        let mut state = State::resume(old, now);
        // Until a side is followed.
        state.halves.iter_mut().for_each(|half| half.is_unheard = true);
        state.kept.is_paused = is_paused(&center.id);
        // Until it is heard of.
        state.console_gone = has_console.then_some(now);
        let name = [&center.name, &crm.name].into_iter().find(|name| !name.is_empty());
        Seat {
            ids: [center.id.clone(), crm.id.clone()],
            name: name.cloned().unwrap_or_default(),
            email: center.email.clone().or_else(|| crm.email.clone()),
            state,
            since,
            unheard: SIDES.map(|_| Some(Arc::clone(&unheard))),
            unread: [None, None],
            gone: [false, false],
        }
    });
    seats.collect()
}

fn tell(desk: &Desk, seats: &[Seat], roster: &Roster) {
    let (name, agents, alone) = (&desk.team().name, seats.len(), roster.alone.len());
    tracing::info!(
        presence.team = name,
        "presence of {agents} agents is kept the same; {alone} are known to the contact center \
         alone"
    );
}

/// Follows a side for as long as the shift lasts.
async fn follow(
    side: Side,
    end: Arc<dyn Presence>,
    ids: Arc<[String]>,
    tells_after_call: bool,
    to: mpsc::Sender<(Side, Followed)>,
) {
    let mut backoff = BACKOFF_FIRST;
    loop {
        let began = Instant::now();
        let (own, mut told) = mpsc::channel(64);
        let follow = end.follow(&ids, tells_after_call, own);
        tokio::pin!(follow);
        let ended = loop {
            tokio::select! {
                ended = &mut follow => break ended,
                Some(one) = told.recv() => {
                    if to.send((side, Followed::Told(one, Instant::now()))).await.is_err() {
                        return;
                    }
                }
            }
        };
        let why = match ended {
            Ok(()) => "it has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        if to.send((side, Followed::Lost(why))).await.is_err() {
            return;
        }
        // One that told something and ended again was not well.
        if began.elapsed() >= BACKOFF_MAX {
            backoff = BACKOFF_FIRST;
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}
