//! Standing by: others own what this process wants; it waits until it may have it.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use sluice_contract::manifest::ChainId;
use sluice_lake::{Lake, LakeError, Numbered};

use super::Job;
use super::committer::storage_problem;
use super::restore::JOB;
use crate::report::Scope;

/// How often those who own it are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A holder that has given no sign of life for so long has gone. An idle one gives one each 10 s.
const SILENCE: Duration = Duration::from_secs(30);
/// Nobody waits longer for a silent one.
const LONGEST_SILENCE: Duration = Duration::from_mins(16);

/// How long a holder may be silent before this process takes it for gone.
///
/// Who restores much from slow storage is silent too. Two such processes would take over from each other
/// for ever, so the wait is twice as long after each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(SILENCE)
    }
}

impl Patience {
    fn grow(&mut self) {
        self.0 = (self.0 * 2).min(LONGEST_SILENCE);
    }
}

/// What is in other hands.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// The chain: by a process that claimed it.
    Chain(ChainId),
    /// The whole job: by a generation of another cut or configuration.
    Job(Numbered),
}

/// How the wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It may be taken over, by a writer of this deployment revision.
    MayClaim {
        /// Our revision, or that of the silent holder if it is newer: who takes over for it must not
        /// be turned away by it.
        deployment_revision: u64,
    },
    /// The generation has ended: what is wanted must be looked for anew.
    Ended,
    /// The process was asked to stop.
    Stopped,
}

/// Waits until what is held may be claimed, or is no more.
pub(crate) async fn wait(job: &Job, lake: &Lake, held: &Held, patience: &mut Patience) -> Waited {
    let mut watch = Watch { epochs: None, silent_since: Instant::now(), patience };
    loop {
        match look(lake, held).await {
            Ok(Some(pulse)) => {
                job.status.clear(Scope::Storage);
                if let Some(deployment_revision) =
                    watch.may_claim(&pulse, job.writer.deployment_revision, Instant::now())
                {
                    return Waited::MayClaim { deployment_revision };
                }
            }
            Ok(None) => return Waited::Ended,
            Err(error) => {
                job.status.raise(Scope::Storage, storage_problem(&error));
                // Storage that is away hides signs of life: silence counts from its return.
                watch.silent_since = Instant::now();
            }
        }
        tokio::select! {
            () = job.stop.requested() => return Waited::Stopped,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// How far those have come who hold something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pulse {
    deployment_revision: u64,
    /// The newest epoch of each chain; `None` for one that has not begun.
    epochs: Vec<Option<u64>>,
}

/// Looks at the holders; `None` if what they held has ended.
async fn look(lake: &Lake, held: &Held) -> Result<Option<Pulse>, LakeError> {
    match held {
        Held::Chain(chain) => Ok(match lake.sign_of_life(chain).await? {
            Some(sign) if sign.is_seal => None,
            Some(sign) => {
                let deployment_revision = sign.writer.deployment_revision;
                Some(Pulse { deployment_revision, epochs: vec![Some(sign.epoch)] })
            }
            None => Some(Pulse { deployment_revision: 0, epochs: vec![None] }),
        }),
        Held::Job(Numbered { number, generation }) => {
            if lake.generation(JOB).await?.is_none_or(|newest| newest.number != *number) {
                return Ok(None);
            }
            let chains = (0..generation.shards).map(|shard| async move {
                let chain = ChainId { job: JOB.to_owned(), generation: *number, shard };
                lake.sign_of_life(&chain).await
            });
            let signs = try_join_all(chains).await?;
            let revisions = signs.iter().flatten().map(|sign| sign.writer.deployment_revision);
            Ok(Some(Pulse {
                deployment_revision: revisions.max().unwrap_or_default().max(generation.deployment_revision),
                epochs: signs.iter().map(|sign| sign.as_ref().map(|sign| sign.epoch)).collect(),
            }))
        }
    }
}

/// What was seen of the holders. By our own clock alone: it has no part in what clocks elsewhere say.
struct Watch<'a> {
    epochs: Option<Vec<Option<u64>>>,
    silent_since: Instant,
    patience: &'a mut Patience,
}

impl Watch<'_> {
    /// The deployment revision to claim with, once that is allowed.
    fn may_claim(&mut self, pulse: &Pulse, ours: u64, now: Instant) -> Option<u64> {
        let Pulse { deployment_revision: theirs, epochs } = pulse;
        if ours > *theirs {
            return Some(ours);
        }
        if self.epochs.as_ref() != Some(epochs) {
            self.epochs = Some(epochs.clone());
            self.silent_since = now;
        }
        let has_gone = now.duration_since(self.silent_since) >= self.patience.0;
        if has_gone {
            self.patience.grow();
        }
        has_gone.then_some(*theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pulse(deployment_revision: u64, epoch: u64) -> Pulse {
        Pulse { deployment_revision, epochs: vec![Some(3), Some(epoch)] }
    }

    fn watch(start: Instant, patience: &mut Patience) -> Watch<'_> {
        Watch { epochs: None, silent_since: start, patience }
    }

    #[test]
    fn a_newer_deployment_claims_at_once_and_an_equal_one_does_not() {
        let start = Instant::now();
        let mut patience = Patience::default();
        assert_eq!(watch(start, &mut patience).may_claim(&pulse(3, 8), 4, start), Some(4));
        assert_eq!(watch(start, &mut patience).may_claim(&pulse(4, 8), 4, start), None);
        assert_eq!(patience, Patience::default(), "nobody was silent");
    }

    #[test]
    fn holders_that_are_silent_for_thirty_seconds_of_our_clock_have_gone() {
        let start = Instant::now();
        let mut patience = Patience::default();
        let mut watch = watch(start, &mut patience);
        assert_eq!(watch.may_claim(&pulse(4, 8), 4, start), None, "whatever age its storage tells");
        assert_eq!(watch.may_claim(&pulse(4, 8), 4, start + 29 * SECOND), None);
        assert_eq!(watch.may_claim(&pulse(4, 8), 4, start + 30 * SECOND), Some(4));
    }

    #[test]
    fn every_new_epoch_of_any_of_them_is_a_sign_of_life() {
        let start = Instant::now();
        let mut patience = Patience::default();
        let mut watch = watch(start, &mut patience);
        for look in 0..20 {
            assert_eq!(watch.may_claim(&pulse(4, look), 4, start + 10 * SECOND * look as u32), None);
        }
    }

    #[test]
    fn who_takes_over_for_a_newer_silent_deployment_claims_with_its_revision() {
        let start = Instant::now();
        let mut patience = Patience::default();
        let mut watch = watch(start, &mut patience);
        assert_eq!(watch.may_claim(&pulse(7, 8), 4, start), None);
        assert_eq!(watch.may_claim(&pulse(7, 8), 4, start + 30 * SECOND), Some(7));
    }

    #[test]
    fn slow_starters_do_not_take_over_from_each_other_for_ever() {
        let start = Instant::now();
        let mut patience = Patience::default();
        // Each holder restores for ten minutes before its first sign of life.
        let takeovers = (0..20).filter(|_| {
            let mut watch = watch(start, &mut patience);
            assert_eq!(watch.may_claim(&pulse(4, 8), 4, start), None);
            watch.may_claim(&pulse(4, 8), 4, start + 600 * SECOND).is_some()
        });
        assert_eq!(takeovers.count(), 5, "after 30, 60, 120, 240 and 480 s");
    }
}
