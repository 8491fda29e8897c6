//! `tieline demo`: the main job on one machine, with nothing else installed.
//!
//! A simulated Salesforce full of made-up people, a simulated Genesys Cloud that knows most of
//! them, a ServiceNow, a SAP and a database behind queues of their own, and the real server
//! between them, wired by a real configuration file. Prints what runs where and each call as
//! it is answered.

mod agents;
mod calls;
mod edits;
mod others;
mod people;
mod rules;
mod setup;

use crate::cli::DemoArgs;
use crate::config;
use crate::exit::{self, Failure};
use crate::http::{self, Line};
use crate::logs;
use crate::serve::Running;
use crate::stop::{self, Stop};
use domain::Status;
use kit::Secret;
use serde_json::{Map, Value, json};
use setup::{Folder, World};
use std::io::Write as _;
use std::net::SocketAddr;
use tokio::sync::broadcast;

/// The demo's key is public; `serve` refuses keys this short.
pub const KEY: &str = "demo";

pub async fn run(args: &DemoArgs) -> Result<(), Failure> {
    let folder = Folder::open(args.data.as_deref())?;
    // The configuration names the port that is served on, so that commands find the server.
    let bound = bind(args.port)?;
    let world = World::start(args.people).await?;
    let file = folder.write_config(&world, bound.address.port(), args.edits.is_some())?;
    let loaded = config::load(&file).map_err(exit::input)?;
    logs::start(&loaded.config.log);
    let running = Running::start_on(bound, &loaded, &[Secret::new(KEY.to_owned())]).await?;
    setup::wait_for_tokens(&running).await?;
    setup::remember_earlier_calls(&running, &world).await?;
    rules::publish(&running).await?;
    world.switch(&args.fault)?;

    let mut lines = running.lines();
    let mut stop = stop::listen()?;
    introduce(args, &running, &world, &folder, &file)?;
    let caller = (args.calls > 0).then(|| {
        let (calls, url) = (args.calls, format!("http://{}", running.address));
        calls::place(calls, url, &world)
    });
    let caller = caller.map(tokio::spawn);
    let watched = watch((args, running.address), &world, &mut lines, &mut stop).await;
    if let Some(caller) = caller {
        caller.abort();
    }
    running.stop().await;
    world.stop().await;
    drop(folder);
    watched
}

fn bind(port: u16) -> Result<http::Bound, Failure> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    http::bind(address)
        .map_err(|error| exit::environment(format!("{address} cannot be listened on: {error}")))
}

/// Shows calls as they are answered, while agents work and people edit, until told to stop.
async fn watch(
    (args, address): (&DemoArgs, SocketAddr),
    world: &World,
    lines: &mut broadcast::Receiver<Line>,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let stop = stop.told();
    let working = agents::work(world, format!("http://{address}"));
    let editing = async {
        match args.edits {
            Some(a_second) => edits::edit(world, a_second, args.edits_total).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(stop, editing, working);
    let mut is_editing = true;
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = &mut working => {}
            edited = &mut editing, if is_editing => {
                is_editing = false;
                show_edits(args.json, edited.map_err(exit::failed)?)?;
            }
            line = lines.recv() => match line {
                Ok(line) => show(args.json, &line)?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// What runs where, and something to paste.
fn introduce(
    args: &DemoArgs,
    running: &Running,
    world: &World,
    folder: &Folder,
    file: &std::path::Path,
) -> Result<(), Failure> {
    let url = format!("http://{}", running.address);
    let body = r#"{"fromNumber":"+15550199999","toNumber":"+15550190000","callId":"abc-123-def-456","type":"inbound"}"#;
    let curl = format!(
        "curl -s {url}/api/v1/genesys/lookup -H 'Authorization: Bearer {KEY}' -H 'Content-Type: application/json' -d '{body}'"
    );
    // As it was started, so that the line can be pasted.
    let program = std::env::args().next().unwrap_or_else(|| "tieline".to_owned());
    let plan = format!("{program} sync plan contacts --config {}", file.display());
    let presence = format!("{program} presence list --config {}", file.display());
    if args.json {
        return say(&json!({
            "url": url,
            "apiKey": KEY,
            "console": format!("{url}/console/"),
            "lookup": format!("{url}/api/v1/genesys/lookup"),
            "salesforce": { "url": world.salesforce.url(), "clientId": world.salesforce_client.0, "clientSecret": world.salesforce_client.1 },
            "genesys": { "url": world.genesys.url(), "clientId": world.genesys.config().client_id, "clientSecret": world.genesys.config().client_secret },
            "queue": { "id": world.queue.0, "name": world.queue.1, "did": setup::DID },
            "queues": queues(world),
            "systems": world.systems().into_iter().map(|(name, place, _)| (name.to_owned(), place.url.into())).collect::<Map<_, _>>(),
            "people": world.people.iter().map(setup::Known::to_json).collect::<Vec<_>>(),
            "agents": world.agents.iter().map(agents::Agent::to_json).collect::<Vec<_>>(),
            "data": folder.path(),
            "config": file,
            "curl": curl,
            "plan": plan,
            "presence": presence,
        }).to_string());
    }
    let list: Vec<String> =
        others::queues().map(|queue| format!("{} ({})", queue.name, queue.connection)).collect();
    say(&format!(
        "\n  Tieline        {url}   (key: {KEY})\n  Console        {url}/console/   (sign in with the key)\n  Salesforce     {}   (simulated, {} people)\n  \
         Genesys Cloud  {}   (simulated, {} people)\n  Queues         {} (salesforce), {}\n  Store          {}\n  Configuration  {}\n\n\
         A call arrives. Who is it?\n\n  {curl}\n\n\
         What would it take to keep both sides' contacts the same?\n\n  {plan}\n\n\
         Twelve agents go on and off queue in both systems. Who stands how, and why?\n\n  {presence}\n\nCalls as they are answered (ctrl-C ends):\n",
        world.salesforce.url(),
        world.salesforce.count("Contact") + world.salesforce.count("Lead"),
        world.genesys.url(),
        world.genesys.contacts().len(),
        world.queue.1,
        list.join(", "),
        folder.path().display(),
        file.display(),
    ))
}

/// The queues, each with its own system.
fn queues(world: &World) -> Vec<Value> {
    let (id, name) = &world.queue;
    let first = json!({ "name": name, "id": id, "did": setup::DID, "connection": "salesforce" });
    std::iter::once(first).chain(others::queues().map(others::Queue::to_json)).collect()
}

/// One answered call on one line.
fn show(as_json: bool, line: &Line) -> Result<(), Failure> {
    let answer = &line.answer;
    let ms = line.took.as_secs_f64() * 1_000.0;
    if as_json {
        return say(&json!({
            "callId": line.call.as_str(),
            "externalId": answer.external_id.to_string(),
            "name": answer.name,
            "status": answer.status.as_str(),
            "source": answer.source.as_str(),
            "tookMs": (ms * 1_000.0).round() / 1_000.0,
        })
        .to_string());
    }
    let who = match answer.status {
        Status::Hit => answer.name.as_str(),
        _ => "",
    };
    say(&format!(
        "  {:<8} {:<9} {ms:>8.2} ms  {:<40} {who}",
        answer.status.as_str(),
        answer.source.as_str(),
        answer.external_id.to_string(),
    ))
}

/// That people have stopped editing.
fn show_edits(as_json: bool, edited: edits::Edited) -> Result<(), Failure> {
    let edits::Edited { left, right } = edited;
    if as_json {
        return say(&json!({ "edits": { "left": left, "right": right } }).to_string());
    }
    say(&format!(
        "  people have stopped editing: {left} edits in Salesforce, {right} in Genesys Cloud"
    ))
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(exit::environment)
}
