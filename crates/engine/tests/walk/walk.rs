//! One walk: people edit, runs go and are killed, and in the end all comes to rest.

use crate::dice::Dice;
use crate::drive::drive;
use crate::edits::Cell;
use crate::faults::Bug;
use crate::judge::{judge, pairs};
use crate::setup::{Parts, SYNC, Setting};
use crate::tells::Place;
use engine::Engine;
use engine::sync::decide::Decision;
use engine::sync::{Asked, Started, work_on_one};
use serde_json::json;
use state::sync::{Review, ReviewState, RunKind};
use std::time::Duration;
use tokio::sync::watch;

/// Runs while people edit.
const RUNS: usize = 8;
/// By then everything is at rest.
const ROUNDS: usize = 16;
/// A run that is killed is killed by then.
const STEPS: usize = 70;
/// By then it has read both sides.
const STEPS_READING: usize = 20;
/// As long as a run is held, and a little more.
const LEASE: Duration = Duration::from_secs(31);

pub struct Walk {
    setting: Setting,
    parts: Parts,
    dice: Dice,
}

impl Walk {
    pub async fn new(seed: u64, bug: Bug) -> Self {
        let mut dice = Dice::new(seed);
        let setting = Setting::new(&mut dice);
        let parts = Parts::new(seed, &setting, bug).await;
        Self { setting, parts, dice }
    }

    /// What happened, line by line.
    pub fn log(&self) -> Vec<String> {
        self.parts.shared.lock().expect("a world").log.clone()
    }

    pub fn setting(&self) -> String {
        let Setting { rows, way, policy, shapes, has_ids, brake, .. } = &self.setting;
        let rows: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {:?} {:?} {:?}", row.left, row.kind, row.direction, row.winner))
            .collect();
        format!("{way:?} ids: {has_ids}\n{rows:#?}\n{policy:?}\n{shapes:?}\n{brake:?}")
    }

    pub async fn go(&mut self) -> Result<(), String> {
        let engine = self.parts.engine();
        engine.sync_state(self.parts.sync()).await.map_err(|error| error.to_string())?;
        self.live_on(20);
        for _ in 0..RUNS {
            self.live_on(8);
            if self.dice.is(40) {
                self.decide(1).await?;
            }
            if self.dice.is(10) {
                self.redrive().await?;
            }
            self.run(true).await?;
        }
        self.come_to_rest().await?;
        judge(&self.parts, &self.setting).await
    }

    fn note(&self, text: String) {
        self.parts.shared.lock().expect("a world").note(text);
    }

    /// Some time goes by, in which people edit.
    fn live_on(&mut self, most: usize) {
        let mut world = self.parts.shared.lock().expect("a world");
        for _ in 0..self.dice.below(most + 1) {
            world.later(Duration::from_secs(3));
            world.somebody_edits();
        }
        let times = [Duration::from_secs(60), Duration::from_secs(7_200)];
        world.later(self.dice.pick(&times));
    }

    /// One run, perhaps killed on its way, more than once.
    async fn run(&mut self, may_die: bool) -> Result<(), String> {
        let asked =
            Asked { kind: RunKind::Run, of: None, is_approved: true, by: "walk".to_owned() };
        let engine = self.parts.engine();
        let started = engine.start_sync(SYNC, asked).await.map_err(|error| error.to_string())?;
        if !matches!(started, Started::Run(_) | Started::Busy(_)) {
            return Err(format!("no run: {started:?}"));
        }
        self.note(format!("-- {started:?}"));
        self.parts.shared.lock().expect("a world").written.clear();
        let mut lives = if may_die { self.dice.below(4) } else { 0 };
        loop {
            let most = self.dice.pick(&[STEPS_READING, STEPS, STEPS]);
            let steps = (lives > 0 && self.dice.is(60)).then(|| 1 + self.dice.below(most));
            let engine = self.parts.engine();
            let (_stop, stopped) = watch::channel(false);
            let place = (&self.parts.shared, &self.parts.store);
            let done = drive(place, steps, work_on_one(&engine, stopped)).await;
            self.look().await?;
            match done {
                Some(Ok(_)) => break,
                Some(Err(error)) => return Err(error.to_string()),
                None => self.die(),
            }
            lives = lives.saturating_sub(1);
            self.live_on(2);
            self.parts.clock.advance(LEASE);
        }
        let known = self.known(&engine).await?;
        let runs = self.parts.store.sync_runs(Some(known.id), None, 1).await;
        let last = runs.map_err(|error| error.to_string())?.pop();
        let told = last.map(|run| (run.state.as_str(), run.note, run.counts));
        self.note(format!("   {told:?}"));
        Ok(())
    }

    fn die(&self) {
        let mut world = self.parts.shared.lock().expect("a world");
        world.note("-- killed".to_owned());
        world.faults.crashed();
        // What it had written, nobody may have heard of.
        for (side, id) in std::mem::take(&mut world.written) {
            world.witness.in_doubt(side, &id);
        }
    }

    async fn known(&self, engine: &Engine) -> Result<state::sync::Sync, String> {
        let known = engine.sync_state(self.parts.sync()).await;
        known.map_err(|error| error.to_string())
    }

    /// The witness looks at what the store has.
    async fn look(&self) -> Result<(), String> {
        let known = self.known(&self.parts.engine()).await?;
        let pairs = pairs(&self.parts).await;
        let mut world = self.parts.shared.lock().expect("a world");
        for side in [0, 1] {
            let place = known.cursors[side].as_deref().and_then(|kept| kept.split_once('.'));
            if let Some(place) = place.and_then(|(_, own)| Place::read(own)) {
                world.witness.reached(side, known.passes[side], place);
            }
        }
        for pair in pairs {
            if let [Some(left), Some(right)] = [0, 1].map(|side: usize| pair.halves[side].id()) {
                world.witness.paired.insert((left.to_owned(), right.to_owned()));
            }
        }
        match &world.witness.wrong {
            Some(wrong) => Err(wrong.clone()),
            None => Ok(()),
        }
    }

    /// People decide so many of what is open.
    async fn decide(&mut self, most: usize) -> Result<usize, String> {
        let open = self.parts.store.reviews(None, Some(ReviewState::Open), None, 1_000).await;
        let mut open = open.map_err(|error| error.to_string())?;
        open.sort_by_key(|review| review.id);
        let engine = self.parts.engine();
        let count = open.len();
        for review in open.into_iter().take(most) {
            let decision = self.decision(&review);
            let decided = engine.decide_review(review.id, &decision, "walk").await;
            let decided = decided.map_err(|error| error.to_string())?;
            let (kind, field) = (&review.kind, &review.field);
            let pair = review.pair.unwrap_or_default();
            let word = match &decision {
                Decision::Value(value) => value.to_string(),
                Decision::Pair(pair) => format!("{pair:?}"),
                Decision::Left => "left".to_owned(),
                Decision::Right => "right".to_owned(),
                _ => "both or so".to_owned(),
            };
            self.note(format!("somebody decides {kind} {field} of {pair}: {word}: {decided:?}"));
            let pairs = engine.store.pairs_at(review.sync, &[pair]).await;
            let mut world = self.parts.shared.lock().expect("a world");
            for pair in pairs.map_err(|error| error.to_string())? {
                for (side, half) in pair.halves.iter().enumerate() {
                    world.witness.decided.extend(half.id().map(|id| (side, id.to_owned())));
                }
            }
        }
        Ok(count)
    }

    fn decision(&mut self, review: &Review) -> Decision {
        let pairs = engine::sync::decide::pairs(review);
        match review.kind.as_str() {
            "deleted" => match self.dice.below(3) {
                0 => Decision::Left,
                1 => Decision::Right,
                _ => Decision::Both,
            },
            "ambiguous" | "duplicate" if pairs.is_empty() || self.dice.is(50) => {
                Decision::Pair(None)
            }
            "ambiguous" | "duplicate" => Decision::Pair(Some(self.dice.pick(&pairs))),
            "brake" => Decision::Approve,
            _ => match self.dice.below(3) {
                0 => Decision::Left,
                1 => Decision::Right,
                _ => {
                    let cell = self.parts.sync().map.keyed(&review.field);
                    let cell = cell.and_then(|at| self.setting.cells.get(at));
                    let cell = cell.copied().unwrap_or(Cell::Word);
                    let mut world = self.parts.shared.lock().expect("a world");
                    let typed = world.people.typed(cell);
                    Decision::Value(if cell == Cell::Tags { json!([typed]) } else { json!(typed) })
                }
            },
        }
    }

    /// What failed is tried again.
    async fn redrive(&self) -> Result<(), String> {
        let engine = self.parts.engine();
        let all = state::sync::Redrive::All;
        let redriven = engine.redrive_sync(self.parts.sync(), all, "walk").await;
        redriven.map(drop).map_err(|error| error.to_string())
    }

    /// Nobody edits any more, and all goes well.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        {
            let mut world = self.parts.shared.lock().expect("a world");
            world.note("-- nobody edits any more".to_owned());
            world.faults.stop();
            world.systems.iter_mut().for_each(|system| system.shape.lag = 0);
        }
        for _ in 0..ROUNDS {
            self.parts.clock.advance(Duration::from_secs(7_200));
            self.redrive().await?;
            let open = self.decide(usize::MAX).await?;
            let before = self.parts.shared.lock().expect("a world").writes;
            self.run(false).await?;
            let after = self.parts.shared.lock().expect("a world").writes;
            if open == 0 && before == after && !self.is_asked().await? {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    async fn is_asked(&self) -> Result<bool, String> {
        let open = self.parts.store.reviews(None, Some(ReviewState::Open), None, 1).await;
        Ok(!open.map_err(|error| error.to_string())?.is_empty())
    }
}
