//! [`Channels`]: connections to workers.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, WorkerChannel};
use tonic::transport::{Channel, Endpoint};
use url::Url;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);
/// While a task runs nothing is said, for hours perhaps. So this often it is asked whether the other end is still there...
const ASK: Duration = Duration::from_secs(30);
/// ... which may be late with its answer while it works, but not by so much.
const LATE: Duration = Duration::from_mins(3);

/// Connections to workers, of whom one whose machine is gone is missed.
pub(super) struct Channels(HashMap<Url, Channel>);

impl Channels {
    /// Connections that are made when they are needed.
    pub(super) fn to(workers: &[Url]) -> Result<Self> {
        let channel = |url: &Url| {
            let endpoint = Endpoint::from_shared(url.to_string());
            let endpoint = endpoint.map_err(|error| DataFusionError::External(Box::new(error)))?;
            let endpoint = endpoint
                .connect_timeout(CONNECT)
                .http2_keep_alive_interval(ASK)
                .keep_alive_timeout(LATE)
                .keep_alive_while_idle(true);
            Ok((url.clone(), endpoint.connect_lazy()))
        };
        workers.iter().map(channel).collect::<Result<_>>().map(Self)
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let channel = self.0.get(url);
        let channel = channel.ok_or_else(|| DataFusionError::Internal(format!("{url} is no worker")))?;
        Ok(create_worker_client(BoxCloneSyncChannel::new(channel.clone())))
    }
}
