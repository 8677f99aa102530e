//! Leadership: of several operators, the one that holds the lease acts. Fail-stop.
//!
//! Who loses the lease ends its process: whatever it has begun is fenced by preconditions, and a new process
//! starts with no memory of having led.

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use snafu::{ResultExt, Snafu};
use tokio::sync::watch::Receiver;
use tokio::task::JoinHandle;

use crate::settings::Settings;

/// Why there is no leadership.
#[derive(Debug, Snafu)]
pub enum LeadershipError {
    /// The lease cannot be used.
    #[snafu(display("failed to use the lease '{namespace}/{name}': {source}"))]
    Lease {
        /// Namespace of the lease.
        namespace: String,
        /// Name of the lease.
        name: String,
        /// Why.
        #[snafu(source(from(LeaseManagerError, Box::new)))]
        source: Box<LeaseManagerError>,
    },
}

/// The right to act, or the wish for it.
#[derive(Debug)]
pub enum Leadership {
    /// This is the only operator.
    Alone,
    /// One of several.
    Lease {
        /// Whether the lease is ours.
        holds: Receiver<bool>,
        /// Renews the lease, and releases it in the end.
        task: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
    },
}

impl Leadership {
    /// Stands for election, if there is one.
    pub async fn new(client: &Client, settings: &Settings) -> Result<Self, LeadershipError> {
        let election = &settings.election;
        if !election.leader_election {
            return Ok(Self::Alone);
        }
        let namespace = election.lease_namespace.as_ref().unwrap_or(&settings.operator_namespace);
        let manager = LeaseManagerBuilder::new(client.clone(), &election.lease_name)
            .with_namespace(namespace)
            .with_duration(election.lease_seconds)
            .with_grace(election.lease_seconds / 3)
            .build()
            .await
            .context(LeaseSnafu { namespace, name: &election.lease_name })?;
        let (holds, task) = manager.watch().await;
        Ok(Self::Lease { holds, task })
    }

    /// Returns when this process may act.
    pub async fn won(&mut self) {
        if let Self::Lease { holds, .. } = self {
            wait_until(holds, true).await;
        }
    }

    /// Returns when this process may not act any more.
    pub async fn lost(&mut self) {
        match self {
            Self::Alone => std::future::pending().await,
            Self::Lease { holds, .. } => wait_until(holds, false).await,
        }
    }

    /// Lets others act at once.
    pub async fn release(self) {
        let Self::Lease { holds, task } = self else { return };
        drop(holds);
        match task.await {
            Ok(Ok(_)) => tracing::info!("released the lease"),
            Ok(Err(error)) => tracing::warn!(%error, "failed to release the lease: it runs out"),
            Err(error) => tracing::warn!(%error, "failed to release the lease: it runs out"),
        }
    }
}

/// A channel that is closed has nobody who renews the lease: it counts as lost, and never as won.
async fn wait_until(holds: &mut Receiver<bool>, wanted: bool) {
    if holds.wait_for(|held| *held == wanted).await.is_err() && wanted {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::wait_until;

    #[test]
    fn a_lease_that_nobody_renews_is_lost_and_never_won() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (sender, mut receiver) = watch::channel(true);
            wait_until(&mut receiver, true).await;
            assert!(timeout(Duration::from_millis(50), wait_until(&mut receiver, false)).await.is_err());
            drop(sender);
            wait_until(&mut receiver, false).await;

            let (sender, mut receiver) = watch::channel(false);
            drop(sender);
            assert!(timeout(Duration::from_millis(50), wait_until(&mut receiver, true)).await.is_err());
        });
    }
}
