//! How far back a table's log reaches: the declared retention, checkpoints, expired entries.

use std::time::Duration;

use deltalake::checkpoints::{cleanup_expired_logs_for, create_checkpoint};

use super::MaintenancePolicy;
use super::change::Change;
use super::commit::commit;
use super::opened::Opened;
use crate::error::LakeError;
use crate::failpoint;
use crate::store::Store;

/// No retention is so short that younger entries go: a writer looks where the log ends after a minute of
/// silence only, and must not find the name that it believes to be next free again.
const LEAST_KEPT: Duration = Duration::from_hours(1);

/// The properties by which other tools know how long old versions are kept.
const RETENTIONS: [&str; 2] = ["delta.logRetentionDuration", "delta.deletedFileRetentionDuration"];

/// Lets the table say how long its old versions are kept, so that checkpoints and the VACUUM of other tools
/// keep to it. Returns whether it had to.
pub(super) async fn declare_retention(
    store: &Store,
    opened: &Opened,
    policy: &MaintenancePolicy,
) -> Result<bool, LakeError> {
    let declared = interval(policy.retention);
    let mut metadata = opened.metadata.clone();
    for property in RETENTIONS {
        metadata.configuration.insert(property.to_owned(), Some(declared.clone()));
    }
    if metadata == opened.metadata {
        return Ok(false);
    }
    let mut change = Change::Properties(Some(Box::new(metadata)));
    Ok(commit(store, opened, &mut change).await?.is_some())
}

/// A duration as Delta's properties have it.
fn interval(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = if seconds.is_multiple_of(86_400) {
        (seconds / 86_400, "days")
    } else if seconds.is_multiple_of(3_600) {
        (seconds / 3_600, "hours")
    } else {
        (seconds, "seconds")
    };
    format!("interval {count} {unit}")
}

/// Writes a checkpoint of the version, unless there is one.
pub(super) async fn checkpoint(opened: &Opened) -> Result<Option<u64>, LakeError> {
    if opened.version == 0 || opened.checkpoint == Some(opened.version) {
        return Ok(None);
    }
    let written = create_checkpoint(&opened.loaded, None).await;
    written.map_err(|source| LakeError::from_delta("checkpoint", &opened.name, source))?;
    Ok(Some(opened.version))
}

/// Deletes log entries older than the retention, and returns how many.
///
/// Every version within the retention stays readable: the newest checkpoint below them stays too. Epochs of
/// the chains are known from the checkpoint, which carries all transactions.
pub(super) async fn expire(opened: &Opened, policy: &MaintenancePolicy) -> Result<u64, LakeError> {
    failpoint::hit("before_expiry");
    let cutoff_ms = policy.before_ms(policy.retention.max(LEAST_KEPT));
    let expired = cleanup_expired_logs_for(opened.version, opened.log.as_ref(), cutoff_ms, None).await;
    let expired =
        expired.map_err(|source| LakeError::from_delta("expire the log of", &opened.name, source))?;
    Ok(expired as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_delta_wants_them() {
        for (duration, text) in [
            (Duration::from_hours(30 * 24), "interval 30 days"),
            (Duration::from_hours(36), "interval 36 hours"),
            (Duration::from_secs(90), "interval 90 seconds"),
        ] {
            assert_eq!(interval(duration), text);
        }
    }
}
