//! Users, the presences they can show and do show, and their routing status.
//!
//! A client with credentials is nobody, so every user is another to it: it needs
//! `presence:userPresence:edit`, as does a user for anybody but themselves. The list of
//! users is not filtered by division.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::model::agents::Agent;
use super::super::model::problem::Problem;
use super::gate::Operation;
use super::paging;
use super::platform::{Answer, Ask, Platform, ok};

const USERS: &str = "/api/v2/users";
const GROUPS: &str = "/api/v2/groups";
const DIVISIONS: &str = "/api/v2/authorization/divisions";
const EXTERNAL: &str = "/api/v2/users/{userId}/externalid";
const USER: &str = "/api/v2/users/{userId}";
const DEFINITIONS: &str = "/api/v2/presence/definitions";
const PRESENCE: &str = "/api/v2/users/{userId}/presences/purecloud";
const ROUTING: &str = "/api/v2/users/{userId}/routingstatus";
const EDIT: &[&str] = &["presence:userPresence:edit"];
const VIEW: &[&str] = &["presence:presenceDefinition:view"];
const MOST_AT_ONCE: usize = 50;
/// Users that can be asked for by their ids: `max.user.ids`.
const MOST_USERS: usize = 100;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new(Method::GET, USERS, &[], list),
    Operation::new(Method::GET, USER, &[], user),
    Operation::new(Method::GET, EXTERNAL, &[], external_ids),
    // Not in our copy of the vendor's description; the permission is that of its clients.
    Operation::new(Method::GET, GROUPS, &["directory:group:view"], groups),
    Operation::new(Method::GET, DIVISIONS, &[], divisions),
    Operation::new(Method::GET, DEFINITIONS, &[], definitions),
    Operation::new(Method::GET, "/api/v2/presence/definitions/{definitionId}", VIEW, definition),
    Operation::new(Method::GET, PRESENCE, &[], presence),
    Operation::new(Method::PATCH, PRESENCE, &[], present),
    Operation::new(Method::PUT, "/api/v2/users/presences/bulk", EDIT, present_many),
    Operation::new(Method::GET, "/api/v2/users/presences/purecloud/bulk", &[], presences),
    Operation::new(Method::GET, ROUTING, &[], routing),
    Operation::new(Method::PUT, ROUTING, &[], route),
];

fn list(platform: &Platform, ask: &Ask) -> Answer {
    let (size, number) =
        (ask.number("pageSize", 25, 1..=500)?, ask.number("pageNumber", 1, 1..=10_000)?);
    let (ids, state) = (ask.list("id"), ask.text("state").unwrap_or("active"));
    if ids.len() > MOST_USERS {
        let mut problem = Problem::bad_request("Only 100 users can be requested at a time.");
        problem.code = "max.user.ids";
        return Err(problem);
    }
    let world = platform.world();
    let mut found: Vec<_> = world
        .agents
        .all()
        .filter(|(id, one)| {
            (state == "any" || one.state == state) && (ids.is_empty() || ids.contains(&id.as_str()))
        })
        .collect();
    found.sort_by(|one, two| one.1.name.cmp(&two.1.name));
    if ask.text("sortOrder").is_some_and(|order| order.starts_with("desc")) {
        found.reverse();
    }
    let page = sim::paging::page(found.len(), number, size);
    let entities = found[page].iter().map(|(id, one)| render(id, one, ask)).collect();
    ok(paging::numbered(USERS, found.len(), size, number, entities))
}

fn user(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.param("userId");
    let world = platform.world();
    let found = world.agents.get(id)?;
    if found.state != ask.text("state").unwrap_or("active") {
        return Err(Problem::not_found());
    }
    ok(render(id, found, ask))
}

fn render(id: &str, agent: &Agent, ask: &Ask) -> Value {
    let expand = ask.list("expand");
    let mut body = json!({
        "id": id,
        "name": agent.name,
        "division": nameless(&agent.place["division"], "*"),
        "chat": { "jabberId": format!("{id}@simulated.orgspan.com") },
        "email": agent.email,
        "primaryContactInfo": [],
        "addresses": [],
        "state": agent.state,
        "username": agent.email,
        "version": 1,
        "acdAutoAnswer": false,
        "selfUri": format!("{USERS}/{id}"),
    });
    if expand.contains(&"presence") {
        body["presence"] = agent.presence(id);
    }
    if expand.contains(&"routingStatus") {
        body["routingStatus"] = agent.routing(id);
    }
    if expand.contains(&"conversationSummary") {
        body["conversationSummary"] = agent.summary(id);
    }
    if let Some(department) = agent.place["department"].as_str() {
        body["department"] = department.into();
    }
    if expand.contains(&"team") && agent.place["team"].is_object() {
        body["team"] = agent.place["team"].clone();
    }
    if expand.contains(&"groups") {
        let groups = agent.place["groups"].as_array().into_iter().flatten();
        body["groups"] = groups.map(|one| json!({ "id": one["id"] })).collect();
    }
    body
}

/// A division as users tell it: its name is empty there.
fn nameless(division: &Value, home: &str) -> Value {
    json!({ "id": division["id"].as_str().unwrap_or(home), "name": "" })
}

fn external_ids(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.param("userId");
    let world = platform.world();
    let known = world.agents.get(id)?.external_ids.iter();
    let render = |(authority, key): &(String, String)| {
        json!({
            "authorityName": authority,
            "externalKey": key,
            "selfUri": format!("{USERS}/{id}/externalid/{authority}/{key}"),
        })
    };
    ok(known.map(render).collect())
}

fn groups(platform: &Platform, ask: &Ask) -> Answer {
    let world = platform.world();
    let places = world.agents.all().map(|(_, agent)| &agent.place);
    let all = places.filter_map(|place| place["groups"].as_array()).flatten();
    named(ask, GROUPS, all.cloned().collect())
}

fn divisions(platform: &Platform, ask: &Ask) -> Answer {
    let world = platform.world();
    let own = world.agents.all().map(|(_, agent)| agent.place["division"].clone());
    let home = json!({ "id": "*", "name": "Home" });
    named(ask, DIVISIONS, own.filter(Value::is_object).chain([home]).collect())
}

/// A page of what has an id and a name, each once.
fn named(ask: &Ask, path: &str, mut all: Vec<Value>) -> Answer {
    let (size, number) =
        (ask.number("pageSize", 25, 1..=500)?, ask.number("pageNumber", 1, 1..=10_000)?);
    all.sort_by_key(|one| one["id"].to_string());
    all.dedup();
    let page = sim::paging::page(all.len(), number, size);
    ok(paging::numbered(path, all.len(), size, number, all[page].to_vec()))
}

fn definitions(platform: &Platform, ask: &Ask) -> Answer {
    let (is_any, is_gone) = (ask.text("deactivated").is_none(), ask.flag("deactivated")?);
    let world = platform.world();
    let all = world.agents.definitions.all().iter();
    let entities: Vec<Value> = all
        .filter(|one| is_any || one.is_deactivated == is_gone)
        .map(super::super::model::definitions::Definition::render)
        .collect();
    ok(json!({ "total": entities.len(), "entities": entities, "selfUri": DEFINITIONS }))
}

fn definition(platform: &Platform, ask: &Ask) -> Answer {
    ok(platform.world().agents.definitions.get(ask.param("definitionId"))?.render())
}

fn presence(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.uuid("userId")?;
    ok(platform.world().agents.get(id)?.presence(id))
}

fn presences(platform: &Platform, ask: &Ask) -> Answer {
    let ids = ask.list("id");
    at_most(ids.len(), "id")?;
    let world = platform.world();
    let known = ids.into_iter().filter_map(|id| Some((id, world.agents.get(id).ok()?)));
    let render = |(id, agent): (&str, &Agent)| {
        let mut body = agent.presence(id);
        body["userId"] = id.into();
        if let Some(body) = body.as_object_mut() {
            body.remove("primary");
        }
        body
    };
    ok(known.map(render).collect())
}

fn at_most(count: usize, field: &str) -> Result<(), Problem> {
    if count > MOST_AT_ONCE {
        let text = format!("At most {MOST_AT_ONCE} may be asked for at once.");
        return Err(Problem::bad_request(text).at("invalid.value", field));
    }
    Ok(())
}

fn present(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.uuid("userId")?;
    own_or_permitted(platform, ask, id)?;
    if !ask.body.is_object() {
        return Err(Problem::malformed());
    }
    platform.change(|world| world.agents.present(id, &ask.body, ask.now))?;
    presence(platform, ask)
}

/// All or nothing: one that cannot be refuses the others.
fn present_many(platform: &Platform, ask: &Ask) -> Answer {
    let wanted = ask.body.as_array().ok_or_else(Problem::malformed)?;
    at_most(wanted.len(), "id")?;
    let id = |one: &Value| one["id"].as_str().unwrap_or_default().to_owned();
    let changed = platform.change(|world| -> Result<Vec<Value>, Problem> {
        for one in wanted {
            world.agents.get(&id(one))?;
            world.agents.wanted(one)?;
        }
        for one in wanted {
            world.agents.present(&id(one), one, ask.now)?;
        }
        wanted.iter().map(|one| Ok(world.agents.get(&id(one))?.presence(&id(one)))).collect()
    });
    ok(changed?.into())
}

fn routing(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.uuid("userId")?;
    let world = platform.world();
    // "OFF_QUEUE is also returned if the user does not exist".
    ok(match world.agents.get(id) {
        Ok(agent) => agent.routing(id),
        Err(_) => json!({ "userId": id, "status": "OFF_QUEUE" }),
    })
}

fn route(platform: &Platform, ask: &Ask) -> Answer {
    let id = ask.uuid("userId")?;
    platform.change(|world| world.agents.ask_routing(id, &ask.body, ask.now))?;
    routing(platform, ask)
}

fn own_or_permitted(platform: &Platform, ask: &Ask, user: &str) -> Result<(), Problem> {
    match platform.sessions().user(&ask.token) {
        Some(own) if own == user => Ok(()),
        Some(_) => Err(Problem::missing_permissions(EDIT)),
        None => platform.permit(EDIT),
    }
}
