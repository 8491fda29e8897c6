//! An engine over a store in memory, between two systems of a world; all of it by the seed.

use crate::dice::Dice;
use crate::edits::Cell;
use crate::faults::Bug;
use crate::vendor::{KEYS, MARK, OBJECT, Shared, Vendor, field_name};
use crate::world::{Shape, World};
use async_trait::async_trait;
use domain::freshness::Limits as Freshness;
use domain::sync::matching::KeyKind;
use domain::sync::{Direction, Drift, Kind, OnDelete, Policy, Strategy, Winner};
use domain::{Numbering, Region};
use engine::connections::Behaviour;
use engine::rules::Routing;
use engine::sync::map::{End as MapEnd, Map, MatchAs, Row};
use engine::sync::{Brake, End, Sync, Syncing, Upkeep};
use engine::{
    Actions, Alerting, CallOptions, Clock, Connection, Connections, Corrections, Engine, Metrics,
    Options, Reconciling, Syncs, Template,
};
use kit::turnstile::Turnstile;
use kit::{Capabilities, Check, Finding, Limits};
use prometheus_client::registry::Registry;
use state::{Location, MasterKey, Store};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const SYNC: &str = "people";

struct Fine;

#[async_trait]
impl Check for Fine {
    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// What a seed makes of a sync.
pub struct Setting {
    pub rows: Vec<Row>,
    pub cells: Vec<Cell>,
    pub way: Direction,
    pub policy: Policy,
    pub generic_over: u64,
    /// The left's id stands on the right, and is matched by.
    pub has_ids: bool,
    pub shapes: [Shape; 2],
    pub brake: Brake,
}

impl Setting {
    pub fn new(dice: &mut Dice) -> Self {
        let ways = [Direction::Both, Direction::Both, Direction::Both];
        let way = dice.pick(&[&ways[..], &[Direction::ToRight, Direction::ToLeft]].concat());
        let has_ids = way != Direction::ToLeft && dice.is(60);
        let mut cells = vec![Cell::Word];
        for _ in 0..dice.below(3) {
            let cell = dice.pick(&[Cell::Word, Cell::Tags]);
            cells.push(cell);
        }
        if dice.is(60) {
            cells.push(Cell::Mail);
        }
        let rows = cells.iter().enumerate().map(|(at, cell)| row(dice, (at, *cell), way)).collect();
        let on_deleted = |dice: &mut Dice, is_mirror: bool| {
            if is_mirror { OnDelete::Ignore } else { dice.pick(OnDelete::ALL) }
        };
        let policy = Policy {
            strategy: dice.pick(Strategy::ALL),
            drift: dice.pick(Drift::ALL),
            skew: Duration::from_secs(1),
            on_left_deleted: on_deleted(dice, way == Direction::ToLeft),
            on_right_deleted: on_deleted(dice, way == Direction::ToRight),
            creates: [
                way != Direction::ToRight && dice.is(85),
                way != Direction::ToLeft && dice.is(85),
            ],
        };
        let generic_over = dice.pick(&[1, 3]);
        let shapes = [shape(dice), shape(dice)];
        let brake = Brake { deletes_max: dice.pick(&[1_000, 1_000, 2, 0]), percent_max: 100.0 };
        Self { rows, cells, way, policy, generic_over, has_ids, shapes, brake }
    }
}

fn row(dice: &mut Dice, (at, cell): (usize, Cell), way: Direction) -> Row {
    let kind = match cell {
        Cell::Word => Kind::Text,
        Cell::Tags => Kind::Tags,
        Cell::Mail => Kind::Email,
    };
    let direction = match (way, dice.below(4)) {
        (Direction::Both, 2) => Direction::ToRight,
        (Direction::Both, 3) => Direction::ToLeft,
        _ => Direction::Both,
    };
    let winner = dice.pick(Winner::ALL);
    let is_fit = (winner != Winner::Longest || kind != Kind::Email)
        && (direction == Direction::Both || winner.side().is_none());
    Row {
        direction,
        winner: if is_fit { winner } else { Winner::LastWrite },
        kind: Some(kind),
        match_as: (cell == Cell::Mail).then_some(MatchAs::Email),
        ..Row::new(&field_name(0, at), &field_name(1, at))
    }
}

fn shape(dice: &mut Dice) -> Shape {
    Shape {
        tells_deletions: dice.is(65),
        page_max: dice.pick(&[2, 4, 50]),
        overlap: dice.below(4) as u64,
        lag: dice.pick(&[0, 0, 3, 8]),
        write_max: dice.pick(&[1, 2, 10]),
        read_max: dice.pick(&[1, 3, 10]),
        has_versions: dice.is(75),
        ahead: i64::try_from(dice.below(800)).unwrap_or(0) - 400,
    }
}

/// What goes the walk: a store and an engine over it, made anew with each crash.
pub struct Parts {
    pub store: Store,
    pub shared: Shared,
    pub clock: Clock,
    syncs: Arc<Syncs>,
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
}

impl Parts {
    pub async fn new(seed: u64, setting: &Setting, bug: Bug) -> Self {
        let region = Region::parse("US").expect("a region");
        let rows = match setting.has_ids {
            true => {
                let row = Row {
                    direction: Direction::ToRight,
                    winner: Winner::Left,
                    match_as: Some(MatchAs::ExternalId),
                    ..Row::new("Id", KEYS[1])
                };
                setting.rows.iter().cloned().chain([row]).collect()
            }
            false => setting.rows.clone(),
        };
        let end = |connection| MapEnd {
            connection,
            object: OBJECT,
            forms: None,
            numbers: Numbering::from(region),
            prefix: None,
        };
        let map = Map::open(&rows, setting.way, [end("left"), end("right")]).expect("a map");
        let fields = map.fields()[..setting.cells.len()].to_vec();
        let world = World::new(seed, setting.shapes, &fields, &setting.cells, bug);
        let clock = world.clock.clone();
        let shared: Shared = Arc::new(Mutex::new(world));
        let all = [0, 1].map(|side| connection(&shared, side));
        let ends = [0, 1].map(|side: usize| {
            let mut end = End::new(&all[side], OBJECT).expect("an end");
            end.key = Some(KEYS[side].to_owned());
            end.mark = Some((MARK.0.to_owned(), MARK.1.to_owned()));
            end
        });
        let sync = Sync {
            name: SYNC.to_owned(),
            ends,
            map,
            policy: setting.policy,
            steps: vec![KeyKind::ExternalId, KeyKind::Email],
            generic_over: setting.generic_over,
            brake: setting.brake,
            schedule: None,
            upkeep: Upkeep::default(),
        };
        let [left, right] = all;
        let connections = vec![Arc::clone(&left), right];
        let master = MasterKey::generate().expect("a key");
        let options = state::Options::default();
        let store = Store::open(&Location::SqliteMemory, &master, options).await.expect("a store");
        Self {
            store,
            shared,
            clock,
            syncs: Arc::new(Syncs::new(vec![sync])),
            connections: Arc::new(Connections::new(connections, left, None, Vec::new())),
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
        }
    }

    pub fn sync(&self) -> &Sync {
        self.syncs.get(SYNC).expect("the sync")
    }

    /// One that knows nothing but what is stored.
    pub fn engine(&self) -> Engine {
        let (empty, second) = (Template::parse("").expect("a template"), Duration::from_secs(1));
        let options = Options {
            region: Region::parse("US").expect("a region"),
            store_reserve: Duration::ZERO,
            flow_sets_attributes: true,
            corrections: Corrections {
                remember_for: second,
                per_queue: false,
                confirm_within: second,
            },
            keep_calls_for: None,
            keep_presence_for: None,
            dimensions: Arc::default(),
            columns: Arc::default(),
            calls: Arc::new(CallOptions {
                settle_for: second,
                writes_activities: false,
                subject: empty.clone(),
                body: empty,
            }),
            reconcile: Arc::new(Reconciling::new(None, second)),
            alerts: Arc::new(Alerting::default()),
            routing: Routing { deadline: second, default: None, passes_max: 1, has_shadow: false },
            syncing: Arc::new(Syncing::new(None)),
        };
        Engine {
            store: self.store.clone(),
            connections: Arc::clone(&self.connections),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
            actions: Arc::new(Actions::default()),
            syncs: Arc::clone(&self.syncs),
            presence: Arc::default(),
            rules: Arc::default(),
            shadow: None,
            options,
        }
    }
}

fn connection(shared: &Shared, side: usize) -> Arc<Connection> {
    let vendor = Arc::new(Vendor::new(shared, side));
    let limits = Limits {
        requests_per_minute: 1_000_000,
        reserved_for_calls: 0,
        concurrent_calls: 10,
        concurrent_background: 10,
        timeout: Duration::from_secs(1),
    };
    let mut capabilities = Capabilities::new(Turnstile::new(limits), Arc::new(Fine));
    capabilities.changes = Some(Arc::clone(&vendor) as Arc<dyn kit::Changes>);
    capabilities.writes = Some(vendor);
    let hour = Duration::from_secs(3_600);
    let behaviour = Behaviour {
        policy: domain::matching::Policy::First,
        freshness: Freshness { fresh_for: hour, stale_limit: hour },
        deadline: Duration::from_secs(1),
        remember_misses_for: Duration::ZERO,
        concurrent_calls: 1,
        concurrent_background: 1,
    };
    let name = ["left", "right"][side];
    Arc::new(Connection::new(name, None, capabilities, behaviour))
}
