//! Decide: from what the resource says and what was seen, what shall exist. Pure.
//!
//! | the resource | what it refers to | decision |
//! |---|---|---|
//! | has faults | – | [`Decision::Refuse`]: what runs keeps running |
//! | is suspended | – | [`Decision::Suspend`] |
//! | is sound | something is missing | [`Decision::Wait`]: what runs keeps running |
//! | is sound | is there | [`Decision::Run`] |

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::observed::{Observed, StrimziAuthentication, StrimziListener};
use super::validated::{
    KafkaConnection, KafkaSecurity, SaslMaterial, SchemaRegistry, SecretKey, TlsMaterial, UserName,
    ValidatedPipeline,
};
use crate::digest;
use crate::problem::{Invalid, Missing};
use crate::sharded_job::Storage;
use crate::site::Site;

/// What shall exist.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// All shards run.
    Run(Box<ResolvedPipeline>),
    /// Nothing runs; the lake stays.
    Suspend(Box<ValidatedPipeline>),
    /// Nothing changes until what is missing appears.
    Wait(Box<ValidatedPipeline>, Vec<Missing>),
    /// Nothing changes until the resource does.
    Refuse(Vec<Invalid>),
}

/// A pipeline whose references are all there.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedPipeline {
    /// The pipeline.
    pub pipeline: ValidatedPipeline,
    /// Comma-separated `host:port` list of brokers.
    pub bootstrap_servers: String,
    /// Encryption and authentication of the Kafka connection.
    pub security: KafkaSecurity,
    /// The schema registry in force: the resource's, or the site's stand-in.
    pub schema_registry: Option<SchemaRegistry>,
    /// The lake in force: the resource's, or the site's stand-in.
    pub storage: Storage,
    /// Whether all pods must share one node, because the claim cannot be mounted by several.
    pub single_node: bool,
    /// Digest over the secret material that the workers use; `None` where they use none.
    pub secrets_digest: Option<String>,
    /// See [`Observed::deployment_revision`].
    pub deployment_revision: u64,
}

/// Decides what shall exist.
pub fn decide(
    validated: Result<ValidatedPipeline, Vec<Invalid>>,
    observed: &Observed,
    site: &Site,
) -> Decision {
    match validated {
        Err(faults) => Decision::Refuse(faults),
        Ok(pipeline) if pipeline.suspended => Decision::Suspend(Box::new(pipeline)),
        Ok(pipeline) => match resolve(pipeline, observed, site) {
            Ok(resolved) => Decision::Run(Box::new(resolved)),
            Err((pipeline, missing)) => Decision::Wait(pipeline, missing),
        },
    }
}

/// Resolves everything that a pipeline refers to, or says all of what is missing.
pub fn resolve(
    pipeline: ValidatedPipeline,
    observed: &Observed,
    site: &Site,
) -> Result<ResolvedPipeline, (Box<ValidatedPipeline>, Vec<Missing>)> {
    let mut search = Search { namespace: pipeline.namespace.clone(), observed, site, missing: Vec::new() };
    let kafka = search.kafka(&pipeline.kafka);
    let schema_registry = search.schema_registry(pipeline.schema_registry.as_ref());
    let (storage, single_node) = search.storage(&pipeline);
    let Some((bootstrap_servers, security)) = kafka.filter(|_| search.missing.is_empty()) else {
        return Err((Box::new(pipeline), search.missing));
    };
    let secrets_digest =
        secrets_digest(observed, &used_secrets(&security, schema_registry.as_ref(), &storage));
    Ok(ResolvedPipeline {
        bootstrap_servers,
        security,
        schema_registry,
        storage,
        single_node,
        secrets_digest,
        deployment_revision: observed.deployment_revision,
        pipeline,
    })
}

/// Looks references up and keeps what is missing.
struct Search<'a> {
    namespace: String,
    observed: &'a Observed,
    site: &'a Site,
    missing: Vec<Missing>,
}

impl Search<'_> {
    fn kafka(&mut self, connection: &KafkaConnection) -> Option<(String, KafkaSecurity)> {
        if let Some(broker) = self.site.stand_in_broker() {
            return Some((broker.to_owned(), KafkaSecurity::default()));
        }
        match connection {
            KafkaConnection::Direct { bootstrap_servers, security } => {
                for (field, key) in security.secret_fields() {
                    self.secret_key(&format!("spec.source.kafka.security.{field}"), key);
                }
                Some((bootstrap_servers.clone(), security.clone()))
            }
            KafkaConnection::Strimzi { cluster, listener, user } => {
                const FIELD: &str = "spec.source.kafka.strimziRef";
                let Some(found) = &self.observed.listener else {
                    self.missing.push(Missing {
                        field: FIELD.to_owned(),
                        message: format!("Kafka '{cluster}' has no ready listener '{listener}'"),
                        fix: self.site.listener_fix(cluster, listener),
                    });
                    return None;
                };
                let security = self.strimzi_security(found, cluster, listener, user.as_deref())?;
                for key in security.secret_keys() {
                    self.secret_key(FIELD, key);
                }
                Some((found.bootstrap_servers.clone(), security))
            }
        }
    }

    /// Strimzi's conventions: the cluster's authorities are in `<cluster>-cluster-ca-cert`, a user's material
    /// in the Secret of its name.
    fn strimzi_security(
        &mut self,
        found: &StrimziListener,
        cluster: &str,
        listener: &str,
        user: Option<&str>,
    ) -> Option<KafkaSecurity> {
        let key = |secret: &str, key: &str| SecretKey { secret: secret.to_owned(), key: key.to_owned() };
        let mut security = KafkaSecurity::default();
        if found.tls {
            let authorities = Some(key(&format!("{cluster}-cluster-ca-cert"), "ca.crt"));
            security.tls = Some(TlsMaterial { authorities, client: None });
        }
        if found.authentication == StrimziAuthentication::None {
            return Some(security);
        }
        let Some(user) = user else {
            self.missing.push(Missing {
                field: "spec.source.kafka.strimziRef.user".to_owned(),
                message: format!("listener '{listener}' of Kafka '{cluster}' asks for authentication"),
                fix: "name a KafkaUser".to_owned(),
            });
            return None;
        };
        match (found.authentication, &mut security.tls) {
            (StrimziAuthentication::Tls, Some(tls)) => {
                tls.client = Some((key(user, "user.crt"), key(user, "user.key")));
            }
            (StrimziAuthentication::ScramSha512, _) => {
                security.sasl = Some(SaslMaterial {
                    mechanism: "SCRAM-SHA-512",
                    username: UserName::Known(user.to_owned()),
                    password: key(user, "password"),
                });
            }
            (StrimziAuthentication::Tls, None) | (StrimziAuthentication::None, _) => {}
        }
        Some(security)
    }

    fn schema_registry(&mut self, declared: Option<&SchemaRegistry>) -> Option<SchemaRegistry> {
        let declared = declared?;
        if let Some(url) = self.site.stand_in_schema_registry() {
            let subject = declared.subject.clone();
            return Some(SchemaRegistry { url: url.to_owned(), subject, credentials: None });
        }
        if let Some((username, password)) = &declared.credentials {
            self.secret_key("spec.source.schemaRegistry.secretRef", username);
            self.secret_key("spec.source.schemaRegistry.secretRef", password);
        }
        Some(declared.clone())
    }

    fn storage(&mut self, pipeline: &ValidatedPipeline) -> (Storage, bool) {
        let declared = &pipeline.storage;
        if let Some(uri) = self.site.stand_in_lake(&pipeline.namespace, &pipeline.name) {
            let adopt = declared.adopt.clone();
            return (Storage { uri, environment_secret: None, volume: None, adopt }, false);
        }
        if let Some(secret) = &declared.environment_secret
            && !self.observed.secrets.contains_key(secret)
        {
            self.missing.push(Missing {
                field: "spec.storage.secretRef".to_owned(),
                message: format!("Secret '{secret}' is not there"),
                fix: self.site.secret_fix(&self.namespace, secret, None),
            });
        }
        let mut single_node = false;
        if let Some(volume) = &declared.volume {
            match self.observed.claims.get(&volume.claim) {
                Some(claim) => single_node = !claim.read_write_many,
                None => self.missing.push(Missing {
                    field: "spec.storage.volume.claimName".to_owned(),
                    message: format!("PersistentVolumeClaim '{}' is not there", volume.claim),
                    fix: self.site.claim_fix(&self.namespace, &volume.claim),
                }),
            }
        }
        (declared.clone(), single_node)
    }

    fn secret_key(&mut self, field: &str, wanted: &SecretKey) {
        let SecretKey { secret, key } = wanted;
        let message = match self.observed.secrets.get(secret) {
            None => format!("Secret '{secret}' is not there"),
            Some(keys) if !keys.contains_key(key) => format!("Secret '{secret}' has no key '{key}'"),
            Some(_) => return,
        };
        let fix = self.site.secret_fix(&self.namespace, secret, Some(key));
        self.missing.push(Missing { field: field.to_owned(), message, fix });
    }
}

/// What of the Secrets a worker uses: single keys, or all keys (`None`).
fn used_secrets(
    security: &KafkaSecurity,
    schema_registry: Option<&SchemaRegistry>,
    storage: &Storage,
) -> BTreeSet<(String, Option<String>)> {
    let one = |used: &SecretKey| (used.secret.clone(), Some(used.key.clone()));
    let mut used: BTreeSet<_> = security.secret_keys().into_iter().map(one).collect();
    if let Some((username, password)) = schema_registry.and_then(|registry| registry.credentials.as_ref()) {
        used.extend([one(username), one(password)]);
    }
    used.extend(storage.environment_secret.iter().map(|secret| (secret.clone(), None)));
    used
}

/// A digest that changes when, and only when, material changes that a worker uses.
fn secrets_digest(observed: &Observed, used: &BTreeSet<(String, Option<String>)>) -> Option<String> {
    let mut hasher = Sha256::new();
    for (secret, used_key) in used {
        let keys = observed.secrets.get(secret)?;
        for (key, value_digest) in keys {
            if used_key.as_ref().is_none_or(|used_key| used_key == key) {
                for part in [secret, key, value_digest] {
                    hasher.update((part.len() as u64).to_be_bytes());
                    hasher.update(part.as_bytes());
                }
            }
        }
    }
    (!used.is_empty()).then(|| digest::hexadecimal(&hasher.finalize(), 16))
}
