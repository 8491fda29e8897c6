//! Opens idle streams against a running Tieline and says what each costs, and how soon a
//! correction arrives among them.
//!
//! Its own small client: a socket per stream and nothing else, so that ten thousand of
//! them are the server's weight and not ours. Memory is what the system says the server's
//! process has resident, before and after, with at least one heartbeat of each stream
//! between. Bounded: so many streams, so many corrections, a limit on each step. Exit
//! code 2: wrong words.

use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const USAGE: &str = "usage: streams --to HOST:PORT --key KEY --pid PID [options]
  --by sse|websocket  what carries the idle streams (default sse)
  --count N           idle streams, at most 20000 (default 10000)
  --corrections N     corrections of one call that is listened to (default 200)
  --settle-s N        seconds until memory is read (default 20: more than a heartbeat)
The server's CRM is the simulated Salesforce, whose fixed people are asked for.";

/// More would need more ports than one address has.
const COUNT_MAX: usize = 20_000;
/// Handshakes under way at once.
const OPENING_MAX: usize = 64;
/// Any one answer.
const STEP: Duration = Duration::from_secs(30);
/// Two people of every simulated Salesforce.
const NUMBERS: [&str; 2] = ["+15550199999", "+15550198888"];

type Failed<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone)]
struct Order {
    to: String,
    key: String,
    pid: u32,
    is_websocket: bool,
    count: usize,
    corrections: usize,
    settle: Duration,
}

fn main() -> ExitCode {
    let Some(order) = order(std::env::args().skip(1)) else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    allow_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&order)));
    match ran {
        Ok(report) => {
            let _ = writeln!(io::stdout(), "{report}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            let _ = writeln!(io::stderr(), "streams: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn order(mut words: impl Iterator<Item = String>) -> Option<Order> {
    let mut order = Order {
        to: String::new(),
        key: String::new(),
        pid: 0,
        is_websocket: false,
        count: 10_000,
        corrections: 200,
        settle: Duration::from_secs(20),
    };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--to" => order.to = value,
            "--key" => order.key = value,
            "--pid" => order.pid = value.parse().ok()?,
            "--by" if value == "sse" || value == "websocket" => {
                order.is_websocket = value == "websocket";
            }
            "--count" => order.count = value.parse().ok().filter(|count| *count <= COUNT_MAX)?,
            "--corrections" => order.corrections = value.parse().ok()?,
            "--settle-s" => order.settle = Duration::from_secs(value.parse().ok()?),
            _ => return None,
        }
    }
    (!order.to.is_empty() && order.pid > 0).then_some(order)
}

/// As many open files as the system ever allows.
fn allow_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused, opening a stream says so.
    setrlimit(Resource::Nofile, limit).ok();
}

async fn run(order: &Order) -> Failed<Value> {
    let first = lookup(order, "bench-0", NUMBERS[0]).await?;
    let second = lookup(order, "bench-1", NUMBERS[1]).await?;
    // The first round trip of everything is not what a stream costs.
    correct(order, &second).await?;
    correct(order, &first).await?;
    let before = resident_kb(order.pid)?;
    let begun = Instant::now();
    let (mut idle, mut opening) = (Vec::with_capacity(order.count), JoinSet::new());
    for n in 0..order.count {
        if opening.len() >= OPENING_MAX
            && let Some(opened) = opening.join_next().await
        {
            idle.push(opened??);
        }
        let (order, path) = (order.clone(), format!("/api/v1/agents/idle-{n}/news"));
        opening.spawn(async move { open(&order, &path, order.is_websocket).await });
    }
    while let Some(opened) = opening.join_next().await {
        idle.push(opened??);
    }
    let opened_in = begun.elapsed();
    // They read, as a client does, so that nothing waits in the server.
    let mut readers = JoinSet::new();
    for socket in idle {
        readers.spawn(drain(socket, order.is_websocket));
    }
    tokio::time::sleep(order.settle).await;
    let after = resident_kb(order.pid)?;
    let mut arrivals = arrivals(order, [&first, &second]).await?;
    let ended = std::iter::from_fn(|| readers.try_join_next()).count();
    arrivals.sort_unstable();
    let at = |share: usize| arrivals.get(arrivals.len().saturating_sub(1) * share / 100);
    let ms = |share: usize| at(share).map_or(0.0, |took| took.as_secs_f64() * 1_000.0);
    let count = u32::try_from(order.count.max(1))?;
    Ok(json!({
        "by": if order.is_websocket { "websocket" } else { "sse" },
        "streams": order.count,
        "endedEarly": ended,
        "openedInS": opened_in.as_secs_f64(),
        "residentBeforeKb": before,
        "residentAfterKb": after,
        "kbPerStream": f64::from(u32::try_from(after.saturating_sub(before))?) / f64::from(count),
        "corrections": arrivals.len(),
        "arrivalP50Ms": ms(50),
        "arrivalP99Ms": ms(99),
        "arrivalMaxMs": ms(100),
    }))
}

/// From sending a correction until a stream of that call tells it.
async fn arrivals(order: &Order, ids: [&str; 2]) -> Failed<Vec<Duration>> {
    let mut socket = open(order, "/api/v1/calls/bench-0/news?after=0", false).await?;
    let mut seen = 0;
    let mut read = Vec::new();
    // What is kept already.
    let told = |read: &[u8]| count_of(read, b"event: context_changed");
    until_told(&mut socket, &mut read, 2).await?;
    seen += told(&read);
    let mut all = Vec::with_capacity(order.corrections);
    for n in 0..order.corrections {
        let sent = Instant::now();
        let (order, id) = (order.clone(), ids[(n + 1) % 2].to_owned());
        let correcting = tokio::spawn(async move { correct(&order, &id).await });
        read.clear();
        until_told(&mut socket, &mut read, 1).await?;
        all.push(sent.elapsed());
        seen += told(&read);
        correcting.await??;
    }
    if seen != order.corrections + 2 {
        return Err(format!("{seen} corrections were told, not {}", order.corrections + 2).into());
    }
    Ok(all)
}

async fn until_told(socket: &mut TcpStream, read: &mut Vec<u8>, count: usize) -> Failed<()> {
    let mut buffer = [0; 8_192];
    while count_of(read, b"event: context_changed") < count || !read.ends_with(b"\n\n\r\n") {
        match timeout(STEP, socket.read(&mut buffer)).await?? {
            0 => return Err("the stream that was listened to has ended".into()),
            size => read.extend_from_slice(&buffer[..size]),
        }
    }
    Ok(())
}

fn count_of(read: &[u8], word: &[u8]) -> usize {
    read.windows(word.len()).filter(|window| *window == word).count()
}

/// Reads and throws away; says over a WebSocket that it is there, as every client does.
async fn drain(mut socket: TcpStream, is_websocket: bool) {
    /// A pong without a payload, masked as a client's frames are.
    const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];
    let mut buffer = [0; 512];
    while socket.read(&mut buffer).await.is_ok_and(|size| size > 0) {
        if is_websocket && socket.write_all(&PONG).await.is_err() {
            return;
        }
    }
}

/// An open stream, its head read.
async fn open(order: &Order, path: &str, is_websocket: bool) -> Failed<TcpStream> {
    let mut socket = timeout(STEP, TcpStream::connect(&order.to)).await??;
    let (to, key) = (&order.to, &order.key);
    let asks = if is_websocket {
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    } else {
        "Accept: text/event-stream\r\n"
    };
    let head = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nX-API-Key: {key}\r\n{asks}\r\n");
    timeout(STEP, socket.write_all(head.as_bytes())).await??;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(STEP, socket.read_u8()).await??);
    }
    let status = String::from_utf8_lossy(&answer);
    let expected = if is_websocket { " 101 " } else { " 200 " };
    if !status.lines().next().is_some_and(|line| line.contains(expected)) {
        return Err(format!("a stream was refused: {status}").into());
    }
    Ok(socket)
}

async fn lookup(order: &Order, call: &str, number: &str) -> Failed<String> {
    let body = json!({ "callId": call, "fromNumber": number });
    let answer = post(order, "/api/v1/genesys/lookup", &body).await?;
    let id = answer["externalId"].as_str().filter(|id| id.starts_with("CRM:"));
    Ok(id.ok_or("the simulated CRM does not know its fixed people")?.to_owned())
}

async fn correct(order: &Order, id: &str) -> Failed<()> {
    let body = json!({ "callId": "bench-0", "newExternalId": id, "reason": "bench" });
    let answer = post(order, "/api/v1/genesys/update-context", &body).await?;
    if answer["confirmed"] == true { Ok(()) } else { Err(format!("refused: {answer}").into()) }
}

async fn post(order: &Order, path: &str, body: &Value) -> Failed<Value> {
    let mut socket = timeout(STEP, TcpStream::connect(&order.to)).await??;
    let (to, key, body) = (&order.to, &order.key, body.to_string());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nX-API-Key: {key}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    timeout(STEP, socket.write_all(head.as_bytes())).await??;
    let mut answer = Vec::new();
    timeout(STEP, socket.read_to_end(&mut answer)).await??;
    let text = String::from_utf8_lossy(&answer);
    let (_, body) = text.split_once("\r\n\r\n").ok_or("an answer without a body")?;
    Ok(serde_json::from_str(body)?)
}

/// Resident memory of the server.
fn resident_kb(pid: u32) -> Failed<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("VmRSS has no figure")?.parse()?)
}
