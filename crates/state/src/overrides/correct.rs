//! An agent knows better: the call's new identity, what is remembered of it, the jobs
//! that tell others and the audit's entry are one commit.

use super::{NewOverride, Sealed, number_hash};
use crate::audit::{Act, Sealed as SealedAct};
use crate::calls::{AN_AGENT, Identified, Known, Who, identify, known};
use crate::crash;
use crate::error::{Boxed, Result};
use crate::feed::{NewsKind, Telling, take_turns};
use crate::jobs::{NewJob, SealedJob};
use crate::sql::{Touched, Tx, Work};
use crate::store::Store;
use crate::subject::Guard;
use domain::{CallId, Timestamp};

/// A confirmed correction of who a call is from.
pub struct Correction {
    pub identified: Identified,
    /// What the next calls of the number are answered with.
    pub remember: Option<NewOverride>,
    pub jobs: Vec<NewJob>,
    pub act: Act,
}

/// What became of a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corrected {
    Applied {
        earlier_calls: u64,
    },
    UnknownCall,
    /// The person was erased meanwhile: nothing was changed.
    Erased,
}

impl Store {
    /// Applies a correction; twice has the effect of once, but for the audit. Nothing
    /// that is found out later by looking up takes it back; another correction does.
    pub fn correct<'a>(
        &'a self,
        id: &'a CallId,
        correction: Correction,
        now: Timestamp,
    ) -> Boxed<'a, Corrected> {
        Box::pin(async move {
            let keys = self.keys();
            let Correction { identified, remember, jobs, act } = correction;
            let (at, connection, external_id, contact, said) = self.said(identified).await?;
            let mut who = Who::new(&keys, id, &connection, &external_id, contact, said)?;
            who.certainty = AN_AGENT;
            let hash = remember.as_ref().map(|new| number_hash(&keys, &new.number));
            let work = Correct {
                id: id.clone(),
                who,
                at,
                remember: remember.map(|new| Sealed::seal(&keys, &new, now)).transpose()?,
                jobs: SealedJob::seal_all(&keys, jobs)?,
                act: SealedAct::seal(keys, act, now)?,
            };
            // Known before it is there: a call between the two reads and finds nothing yet.
            if let (Some(known), Some(hash)) = (self.overridden(), hash) {
                known.add(hash);
            }
            self.write(work).await
        })
    }
}

struct Correct {
    id: CallId,
    who: Who,
    at: Timestamp,
    remember: Option<Sealed>,
    jobs: Vec<SealedJob>,
    act: SealedAct,
}

impl Work for Correct {
    type Output = Corrected;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Corrected> {
        tx.touched = Touched::Nothing;
        take_turns(tx, &self.id).await?;
        let Some(known): Option<Known> = known(tx, &self.id).await? else {
            return Ok(Corrected::UnknownCall);
        };
        let whose: Vec<_> = self.who.subject().into_iter().collect();
        if Guard::take(tx).await?.refuses(tx, &whose).await? {
            return Ok(Corrected::Erased);
        }
        let identified = identify(tx, &self.id, &known, &self.who, Some(self.at)).await?;
        if identified.is_news {
            let (call, stream) = (&self.id, &self.who.stream);
            let kind = NewsKind::ContextChanged;
            Telling { call, stream, kind, at: self.at }.tell(tx).await?;
        }
        crash::point("context.identified");
        if let Some(new) = &self.remember {
            new.store(tx).await?;
        }
        crash::point("context.remembered");
        for job in &self.jobs {
            job.insert(tx).await?;
        }
        self.act.append(tx).await?;
        crash::point("context.audited");
        let earlier_calls = u64::try_from(identified.earlier_calls).unwrap_or(0);
        Ok(Corrected::Applied { earlier_calls })
    }
}
