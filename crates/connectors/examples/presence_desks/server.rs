//! The server that is measured: its configuration, its start, and what its process has resident.

use super::{Desks, Failed, KEY, Order, STEP};
use connectors::salesforce::sim as salesforce;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// The configuration, with `@NAME@` for what each run fills in.
const TEMPLATE: &str = include_str!("tieline.toml.in");

/// Starts the server; its address and its process.
pub(crate) async fn serve(order: &Order, desks: &Desks) -> Failed<(Child, String, u32)> {
    let file = order.folder.join("tieline.toml");
    std::fs::write(&file, configuration(order, desks))?;
    let mut server = Command::new(&order.program)
        .args(["serve", "--config"])
        .arg(&file)
        .env("BENCH_KEY", KEY)
        .env("BENCH_MASTER", "5a".repeat(32))
        .env("BENCH_CRM", salesforce::Config::default().consumer_secret)
        .env("BENCH_CENTER", &desks.genesys.config().client_secret)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let pid = server.id().ok_or("the server has ended")?;
    let log = server.stderr.take().ok_or("no log")?;
    let address = timeout(STEP, address(log)).await??;
    Ok((server, format!("http://{address}"), pid))
}

fn configuration(order: &Order, desks: &Desks) -> String {
    let (genesys, salesforce) = (&desks.genesys, &desks.salesforce);
    let values = [
        ("CONNECTIONS", (order.agents + 1_000).to_string()),
        ("STORE", order.folder.join("tieline.db").display().to_string()),
        ("CRM_URL", salesforce.url()),
        ("EVENTS_URL", salesforce.pubsub_url()),
        ("CRM_ID", salesforce::Config::default().consumer_key),
        ("CENTER_URL", genesys.url()),
        ("CENTER_ID", genesys.config().client_id.clone()),
        ("SOURCE", genesys.config().external_source.1.clone()),
    ];
    let fill =
        |text: String, (name, value): &(&str, String)| text.replace(&format!("@{name}@"), value);
    values.iter().fold(TEMPLATE.to_owned(), fill)
}

/// Where it says that it listens. What it logs after that is read, or it would wait for us.
async fn address(log: ChildStderr) -> Failed<String> {
    let mut lines = BufReader::new(log).lines();
    while let Some(line) = lines.next_line().await? {
        let Some((_, rest)) = line.split_once("server.address") else { continue };
        let rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
        let address = rest[..end.unwrap_or(rest.len())].to_owned();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok(address);
    }
    Err("the server did not start".into())
}

/// Memory that a process has resident now.
pub(crate) fn resident_mb(pid: u32) -> Failed<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kb / 1_024.0)
}
