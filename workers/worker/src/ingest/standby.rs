//! Standing by: another process owns the chain; this one waits until it may claim it again.

use std::time::{Duration, Instant};

use sluice_contract::manifest::{ChainId, Writer};
use sluice_lake::{Lake, SignOfLife};

use super::Job;
use super::committer::storage_problem;
use crate::report::Scope;

/// How often the chain is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A holder that has given no sign of life for so long has gone. An idle one gives one each 10 s.
const SILENCE: Duration = Duration::from_secs(30);

/// How the wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The chain may be claimed, by a writer of this deployment revision.
    MayClaim {
        /// Our revision, or that of the silent holder if it is newer: who takes over for it must not
        /// be turned away by it.
        deployment_revision: u64,
    },
    /// The process was asked to stop.
    Stopped,
}

/// Waits until the chain may be claimed.
pub(crate) async fn wait(job: &Job, lake: &Lake, chain: &ChainId) -> Waited {
    let mut watch = Watch { epoch: None, silent_since: Instant::now() };
    loop {
        match lake.sign_of_life(chain).await {
            Ok(sign) => {
                job.status.clear(Scope::Storage);
                if let Some(deployment_revision) =
                    watch.may_claim(sign.as_ref(), job.writer.deployment_revision, Instant::now())
                {
                    return Waited::MayClaim { deployment_revision };
                }
            }
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

/// What was seen of the holder. By our own clock alone: it has no part in what clocks elsewhere say.
struct Watch {
    epoch: Option<u64>,
    silent_since: Instant,
}

impl Watch {
    /// The deployment revision to claim with, once that is allowed.
    fn may_claim(&mut self, sign: Option<&SignOfLife>, ours: u64, now: Instant) -> Option<u64> {
        let Some(SignOfLife { writer: Writer { deployment_revision: theirs, .. }, epoch, .. }) = sign else {
            return Some(ours);
        };
        if ours > *theirs {
            return Some(ours);
        }
        if self.epoch != Some(*epoch) {
            self.epoch = Some(*epoch);
            self.silent_since = now;
        }
        (now.duration_since(self.silent_since) >= SILENCE).then_some(*theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sign(deployment_revision: u64, epoch: u64) -> SignOfLife {
        let writer = Writer { id: "other".to_owned(), deployment_revision };
        SignOfLife { writer, epoch, age: Duration::from_secs(3_600) }
    }

    fn watch(start: Instant) -> Watch {
        Watch { epoch: None, silent_since: start }
    }

    #[test]
    fn a_newer_deployment_claims_at_once_and_an_equal_one_does_not() {
        let start = Instant::now();
        assert_eq!(watch(start).may_claim(Some(&sign(3, 8)), 4, start), Some(4));
        assert_eq!(watch(start).may_claim(Some(&sign(4, 8)), 4, start), None);
    }

    #[test]
    fn a_holder_that_is_silent_for_thirty_seconds_of_our_clock_has_gone() {
        let start = Instant::now();
        let mut watch = watch(start);
        assert_eq!(watch.may_claim(Some(&sign(4, 8)), 4, start), None, "whatever age its storage tells");
        assert_eq!(watch.may_claim(Some(&sign(4, 8)), 4, start + 29 * SECOND), None);
        assert_eq!(watch.may_claim(Some(&sign(4, 8)), 4, start + 30 * SECOND), Some(4));
    }

    #[test]
    fn every_new_epoch_is_a_sign_of_life() {
        let start = Instant::now();
        let mut watch = watch(start);
        for look in 0..20 {
            assert_eq!(watch.may_claim(Some(&sign(4, look)), 4, start + 10 * SECOND * look as u32), None);
        }
    }

    #[test]
    fn who_takes_over_for_a_newer_silent_deployment_claims_with_its_revision() {
        let start = Instant::now();
        let mut watch = watch(start);
        assert_eq!(watch.may_claim(Some(&sign(7, 8)), 4, start), None);
        assert_eq!(watch.may_claim(Some(&sign(7, 8)), 4, start + 30 * SECOND), Some(7));
    }
}
