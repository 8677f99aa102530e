//! Standing by: others own what this process wants; it waits until it may have it.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use sluice_contract::manifest::ChainId;
use sluice_lake::{Lake, LakeError, Numbered, SignOfLife};

use super::Job;
use super::committer::storage_problem;
use crate::report::Scope;

/// How often those who own it are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A holder that has given no sign of life for so long has gone. An idle one gives one each 10 s, and so does
/// one that starts.
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
    let mut watch = Watch { signs: None, silent_since: Instant::now() };
    loop {
        match look(lake, job.work.job(), held).await {
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
    /// Of each chain.
    signs: Vec<Signs>,
}

/// What changes while somebody holds a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signs {
    /// The newest epoch; `None` for a chain that has not begun.
    epoch: Option<u64>,
    /// What a process writes that takes long to start.
    start: Option<String>,
}

/// Looks at the holders; `None` if what they held has ended.
async fn look(lake: &Lake, job: &str, held: &Held) -> Result<Option<Pulse>, LakeError> {
    match held {
        Held::Chain(chain) => {
            let (last, signs) = signs(lake, chain).await?;
            let is_over = last.as_ref().is_some_and(|last| last.is_seal);
            let deployment_revision = last.map_or(0, |last| last.writer.deployment_revision);
            Ok((!is_over).then_some(Pulse { deployment_revision, signs: vec![signs] }))
        }
        Held::Job(Numbered { number, generation }) => {
            if lake.generation(job).await?.is_none_or(|newest| newest.number != *number) {
                return Ok(None);
            }
            let chains = (0..generation.shards).map(|shard| async move {
                let chain = ChainId { job: job.to_owned(), generation: *number, shard };
                signs(lake, &chain).await
            });
            let (last, signs): (Vec<_>, Vec<_>) = try_join_all(chains).await?.into_iter().unzip();
            let revisions = last.iter().flatten().map(|last| last.writer.deployment_revision);
            let deployment_revision = revisions.max().unwrap_or_default().max(generation.deployment_revision);
            Ok(Some(Pulse { deployment_revision, signs }))
        }
    }
}

/// Who wrote a chain last, and all that tells that somebody holds it.
async fn signs(lake: &Lake, chain: &ChainId) -> Result<(Option<SignOfLife>, Signs), LakeError> {
    let last = lake.sign_of_life(chain).await?;
    let start = lake.sign_of_start(chain).await?;
    let epoch = last.as_ref().map(|last| last.epoch);
    Ok((last, Signs { epoch, start }))
}

/// What was seen of the holders. By our own clock alone: it has no part in what clocks elsewhere say.
struct Watch {
    signs: Option<Vec<Signs>>,
    silent_since: Instant,
}

impl Watch {
    /// The deployment revision to claim with, once that is allowed.
    fn may_claim(&mut self, pulse: &Pulse, ours: u64, now: Instant) -> Option<u64> {
        let Pulse { deployment_revision: theirs, signs } = pulse;
        if ours > *theirs {
            return Some(ours);
        }
        if self.signs.as_ref() != Some(signs) {
            self.signs = Some(signs.clone());
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
        let signs = |epoch| Signs { epoch: Some(epoch), start: None };
        Pulse { deployment_revision, signs: vec![signs(3), signs(epoch)] }
    }

    fn watch(start: Instant) -> Watch {
        Watch { signs: None, silent_since: start }
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
    fn a_process_that_takes_long_to_start_holds_a_chain_without_an_epoch() {
        let start = Instant::now();
        let mut watch = watch(start);
        let starting = |sign: u32| {
            let signs = Signs { epoch: None, start: (sign > 0).then(|| sign.to_string()) };
            Pulse { deployment_revision: 4, signs: vec![signs] }
        };
        for look in 0..20 {
            assert_eq!(watch.may_claim(&starting(look), 4, start + 10 * SECOND * look), None);
        }
        assert_eq!(watch.may_claim(&starting(19), 4, start + 190 * SECOND), None);
        assert_eq!(watch.may_claim(&starting(19), 4, start + 220 * SECOND), Some(4), "it has died");
    }

    #[test]
    fn who_takes_over_for_a_newer_silent_deployment_claims_with_its_revision() {
        let start = Instant::now();
        let mut watch = watch(start);
        assert_eq!(watch.may_claim(&pulse(7, 8), 4, start), None);
        assert_eq!(watch.may_claim(&pulse(7, 8), 4, start + 30 * SECOND), Some(7));
    }
}
