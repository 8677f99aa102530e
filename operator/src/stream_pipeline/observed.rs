//! [`Observed`]: what was seen outside of the resource. Digests stand for secrets, which never get this far.

use std::collections::BTreeMap;

/// What was seen outside of the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The Secrets that the resource names and that exist: for each key, a digest of its value.
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// The claims that the resource names and that exist.
    pub claims: BTreeMap<String, Claim>,
    /// The listener that the resource names, if it exists and is ready.
    pub listener: Option<StrimziListener>,
    /// The revision that a Deployment gets if its pods change; one whose pods stay keeps its own. It rises
    /// with time: a worker of a higher revision may take a chain over from one that is alive.
    pub deployment_revision: u64,
}

/// What matters about a PersistentVolumeClaim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whether pods on several nodes can write to it.
    pub read_write_many: bool,
}

/// What a ready listener of a Strimzi cluster says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrimziListener {
    /// Comma-separated `host:port` list.
    pub bootstrap_servers: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// How clients show who they are.
    pub authentication: StrimziAuthentication,
}

/// How clients of a listener show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrimziAuthentication {
    /// Not at all.
    None,
    /// By a client certificate.
    Tls,
    /// By user name and password.
    ScramSha512,
}
