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
pub(crate) async fn wait(job: &Job, lake: &Lake, held: &Held) -> Waited {
    let mut watch = Watch { epochs: None, silent_since: Instant::now() };
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
struct Watch {
    epochs: Option<Vec<Option<u64>>>,
    silent_since: Instant,
}

impl Watch {
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
        (now.duration_since(self.silent_since) >= SILENCE).then_some(*theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pulse(deployment_revision: u64, epoch: u64) -> Pulse {
        Pulse { deployment_revision, epochs: vec![Some(3), Some(epoch)] }
    }

    fn watch(start: Instant) -> Watch {
        Watch { epochs: None, silent_since: start }
    }

    #[test]
    fn a_newer_deployment_claims_at_once_and_an_equal_one_does_not() {
        let start = Instant::now();
        assert_eq!(watch(start).may_claim(&pulse(3, 8), 4, start), Some(4));
        assert_eq!(watch(start).may_claim(&pulse(4, 8), 4, start), None);
    }

    #[test]
    fn holders_that_are_silent_for_thirty_seconds_of_our_clock_have_gone() {
        let start = Instant::now();
        let mut watch = watch(start);
        assert_eq!(watch.may_claim(&pulse(4, 8), 4, start), None, "whatever age its storage tells");
        assert_eq!(watch.may_claim(&pulse(4, 8), 4, start + 29 * SECOND), None);
        assert_eq!(watch.may_claim(&pulse(4, 8), 4, start + 30 * SECOND), Some(4));
    }

    #[test]
    fn every_new_epoch_of_any_of_them_is_a_sign_of_life() {
        let start = Instant::now();
        let mut watch = watch(start);
        for look in 0..20 {
            assert_eq!(watch.may_claim(&pulse(4, look), 4, start + 10 * SECOND * look as u32), None);
        }
    }

    #[test]
    fn who_takes_over_for_a_newer_silent_deployment_claims_with_its_revision() {
        let start = Instant::now();
        let mut watch = watch(start);
        assert_eq!(watch.may_claim(&pulse(7, 8), 4, start), None);
        assert_eq!(watch.may_claim(&pulse(7, 8), 4, start + 30 * SECOND), Some(7));
    }
}
