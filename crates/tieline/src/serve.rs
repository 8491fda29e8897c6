//! Serves calls: all wiring on one page.
//!
//! Configuration, store, connections, engine, jobs, API; then wait for SIGTERM
//! or ctrl-C, stop accepting, answer what has arrived, end jobs, close the store.

use crate::cli::ConfigArgs;
use crate::config::{self, Loaded};
use crate::exit::{self, Failure};
use crate::http::{self, Access, Bound, Front, Line, Parts, Shared, Streams, open_oidc};
use crate::settings::{File, Keeper, Start};
use crate::{logs, rights, stop, wiring};
use engine::{Book, Clock, Engine, Feed, Live, Metrics, Runner};
use kit::Secret;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

pub async fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let loaded = config::load(&args.config).map_err(exit::input)?;
    logs::start(&loaded.config.log);
    let keys = wiring::api_keys(&loaded)?;
    wiring::refuse_short(&keys)?;
    let mut stop = stop::listen()?;
    let running = tokio::select! {
        running = Running::start(&loaded, &keys) => running?,
        // Nobody has been answered: what was begun in the store is rolled back.
        () = stop.told() => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
    };
    stop.told().await;
    running.stop().await;
    Ok(())
}

/// A server with everything behind it.
pub struct Running {
    pub address: SocketAddr,
    pub live: Live,
    shared: Shared,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    jobs: Runner,
    drain: Duration,
}

/// Lines of answered calls kept for a slow watcher; older ones are dropped.
const LINES_KEPT: usize = 1_024;

impl Running {
    /// Starts serving. When it returns, calls are answered.
    pub async fn start(loaded: &Loaded, keys: &[Secret]) -> Result<Self, Failure> {
        let listen = loaded.config.server.listen;
        let bound = http::bind(listen).map_err(|error| {
            exit::environment(format!("{listen} cannot be listened on: {error}"))
        })?;
        Self::start_on(bound, loaded, keys).await
    }

    /// The same, where the address is listened on already.
    pub async fn start_on(bound: Bound, loaded: &Loaded, keys: &[Secret]) -> Result<Self, Failure> {
        let started = Instant::now();
        let section = &loaded.config.server;
        wiring::make_room(section);
        let tls = wiring::tls(section)?;
        // The numbering plans take some milliseconds to unpack: not on the first call's time.
        let region = loaded.region;
        let warm =
            tokio::task::spawn_blocking(move || domain::phone::parse("+12025550123", region));

        let (store, store_kind) = wiring::store(loaded).await?;
        let reports = &loaded.config.reports;
        store.use_dimensions(&reports.dimensions, reports.values_max).await?;
        let file = File::open(loaded.clone(), &store)?;
        let Start { connections, actions, syncs, keeper } = Keeper::start(file, &store).await?;
        let presence = wiring::presence::all(loaded, &connections).map_err(wiring::told)?;
        let mut registry = Registry::default();
        let engine = Engine {
            store,
            connections,
            actions,
            syncs,
            presence: Arc::new(presence),
            clock: Clock::System,
            metrics: Arc::new(Metrics::register(&mut registry)),
            rules: Arc::default(),
            shadow: None,
            options: wiring::options(loaded)?,
        };
        let live = Live::new(engine);
        let rules = Arc::new(Book::new(&live.now().store));
        rules.start(&live).await?;
        let jobs = Runner::start(&live);
        rights::at_start(section, &live.now().connections);
        warm.await.ok();

        let access = Arc::new(Access::new(&live, keys, section));
        let oidc_key = live.now().store.derived_key("sign-ins under way");
        let oidc = open_oidc(&loaded.config.console, &oidc_key).map_err(exit::input)?;
        let (stop, stopped) = watch::channel(false);
        let feed = Feed::new(&live.now().store);
        tokio::spawn(feed.clone().run(stopped.clone()));
        let streams = &loaded.config.streams;
        let streams = Streams::new(feed, streams, section.connections_max, stopped.clone());
        let settings = Arc::new(keeper);
        tokio::spawn(Arc::clone(&settings).follow(live.clone(), stopped.clone()));
        tokio::spawn(Arc::clone(&rules).follow(live.clone(), stopped.clone()));
        let shared: Shared = Arc::new(Parts {
            live: live.clone(),
            settings,
            rules,
            uris: wiring::uris(&loaded.config.routing)?,
            registry,
            is_ready: AtomicBool::new(true),
            calls: broadcast::Sender::new(LINES_KEPT),
            store_kind,
            access: Arc::clone(&access),
            streams,
            widget: loaded.config.widget.clone(),
            oidc,
        });
        let router = http::router(Arc::clone(&shared));
        let front = Front { access, tls, connections_max: section.connections_max };
        let (address, drain) = (bound.address, section.drain.0);
        let server = tokio::spawn(bound.serve(router, front, stopped, drain));
        let ms = started.elapsed().as_millis();
        tracing::info!(server.address = %address, store.kind = store_kind, "ready after {ms} ms");
        Ok(Self { address, live, shared, stop, server, jobs, drain })
    }

    /// The routing rules and their drafts.
    pub fn rules(&self) -> &Book {
        &self.shared.rules
    }

    /// Each call as it is answered.
    pub fn lines(&self) -> broadcast::Receiver<Line> {
        self.shared.calls.subscribe()
    }

    /// Drains and closes: what was accepted is answered, what was answered is stored.
    pub async fn stop(self) {
        tracing::info!("stopping: answering what has arrived");
        self.shared.is_ready.store(false, Ordering::Release);
        self.stop.send_replace(true);
        self.server.await.ok();
        self.jobs.stop(self.drain).await;
        self.live.now().store.close().await;
        tracing::info!("stopped");
    }
}
