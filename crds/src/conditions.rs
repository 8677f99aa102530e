//! The types and reasons of conditions: the words that machines read.
//!
//! | `Ready` | `Reconciling` | `Stalled` | what kstatus makes of it |
//! |---|---|---|---|
//! | True | absent | absent | Current |
//! | Unknown or False | True | absent | InProgress |
//! | False | absent | True | Failed: nothing changes until the resource does |

/// Types of conditions.
pub mod types {
    /// The resource does what it is for.
    pub const READY: &str = "Ready";
    /// The operator is at work on it; absent when it is not.
    pub const RECONCILING: &str = "Reconciling";
    /// It cannot go on until the resource changes; absent when it can.
    pub const STALLED: &str = "Stalled";
    /// It works, but not as it should; absent when it does.
    pub const DEGRADED: &str = "Degraded";
    /// A version of the model answers predictions.
    pub const AVAILABLE: &str = "Available";
    /// A rollout is under way.
    pub const PROGRESSING: &str = "Progressing";
    /// The brokers answer and have the topic.
    pub const KAFKA_REACHABLE: &str = "KafkaReachable";
    /// The lake can be read and written.
    pub const STORAGE_REACHABLE: &str = "StorageReachable";
    /// The schema and the expressions fit the tables that exist.
    pub const SCHEMA_COMPATIBLE: &str = "SchemaCompatible";
    /// The last sync to the warehouse succeeded.
    pub const WAREHOUSE_SYNC_HEALTHY: &str = "WarehouseSyncHealthy";
    /// The last maintenance succeeded.
    pub const MAINTENANCE_HEALTHY: &str = "MaintenanceHealthy";
    /// The last training succeeded.
    pub const TRAINING_HEALTHY: &str = "TrainingHealthy";
    /// The last rollout did not fail.
    pub const ROLLOUT_HEALTHY: &str = "RolloutHealthy";
    /// The weights in force are not those of the spec, and will not become them by themselves.
    pub const SPEC_DIVERGED: &str = "SpecDiverged";
    /// The scorer has a model to score with.
    pub const MODEL_AVAILABLE: &str = "ModelAvailable";
    /// A rule reads the column that holds the truth.
    pub const LABEL_USED_IN_SCORING: &str = "LabelUsedInScoring";
    /// All workers score by the rule set that the spec asks for.
    pub const RULES_IN_FORCE: &str = "RulesInForce";
    /// Alerts reach their topic.
    pub const ALERTS_DELIVERED: &str = "AlertsDelivered";
    /// All pods share one node, because the claim cannot be mounted by several.
    pub const SINGLE_NODE_STORAGE: &str = "SingleNodeStorage";
    /// Rows were seen whose key column is not the message's key.
    pub const KEY_MISMATCH: &str = "KeyMismatch";
    /// The topic's timestamps are set by producers without a bound, so that a wrong clock can make rows late.
    pub const TIMESTAMPS_UNTRUSTED: &str = "TimestampsUntrusted";
    /// Windows do not wait for some partitions, whose event times are far behind those of the others.
    pub const PARTITIONS_STALLED: &str = "PartitionsStalled";
    /// The newest replay has succeeded; False if it has failed, Unknown until it ends, absent where there was none.
    pub const REPLAYED: &str = "Replayed";
    /// The operator keeps its hands off, as it was told.
    pub const RECONCILIATION_PAUSED: &str = "ReconciliationPaused";
    /// `sluice-worker check` found nothing wrong with the configuration that the spec asks for.
    pub const CONFIGURATION_CHECKED: &str = "ConfigurationChecked";
}

/// Reasons of conditions. An event about the same fact has the same reason.
pub mod reasons {
    /// All workers are ready and have no problem.
    pub const RUNNING: &str = "Running";
    /// Workers are starting.
    pub const STARTING: &str = "Starting";
    /// Stopped by `spec.suspend`.
    pub const SUSPENDED: &str = "Suspended";
    /// Everything is in place but a first version of the model.
    pub const AWAITING_FIRST_MODEL: &str = "AwaitingFirstModel";
    /// A worker cannot use the rule set; the one before it stays in force.
    pub const RULES_REFUSED: &str = "RulesRefused";
    /// The rule set is on its way to the workers.
    pub const RULES_PENDING: &str = "RulesPending";
    /// A rollout waits for a person.
    pub const CANARY_PAUSED: &str = "CanaryPaused";
    /// A version did worse, and the weights went back by themselves.
    pub const AUTO_ROLLED_BACK: &str = "AutoRolledBack";
    /// Not all pods route by the weights yet.
    pub const ROUTING_NOT_IN_FORCE: &str = "RoutingNotInForce";
    /// The spec contradicts itself.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Something that the spec refers to is not there.
    pub const REFERENCE_MISSING: &str = "ReferenceMissing";
    /// An object of a name that is needed belongs to somebody else.
    pub const NAME_TAKEN: &str = "NameTaken";
    /// This release defines the kind and does not act on it.
    pub const NOT_SUPPORTED: &str = "NotSupported";
    /// The API server does not take an object that is needed.
    pub const OBJECT_REFUSED: &str = "ObjectRefused";
    /// The lake belongs to another pipeline.
    pub const LAKE_OWNED: &str = "LakeOwned";
    /// The topic was deleted and made again.
    pub const TOPIC_RECREATED: &str = "TopicRecreated";
    /// The broker no longer has the messages at the stored position.
    pub const OFFSETS_EXPIRED: &str = "OffsetsExpired";
    /// The lake has tables but not the state that belongs to them.
    pub const STATE_LOST: &str = "StateLost";
    /// The configuration is being checked before any worker gets it.
    pub const CHECKING: &str = "Checking";
    /// The check found nothing wrong.
    pub const CHECK_PASSED: &str = "CheckPassed";
    /// The check found faults that only a change of the spec mends.
    pub const CONFIGURATION_REFUSED: &str = "ConfigurationRefused";
    /// The check found something missing that may come; it is repeated.
    pub const CHECK_FAILED: &str = "CheckFailed";
    /// The last maintenance of the tables failed; the next one is tried by the schedule.
    pub const MAINTENANCE_FAILED: &str = "MaintenanceFailed";
    /// A replay waits until all workers run the present configuration.
    pub const REPLAY_PENDING: &str = "ReplayPending";
    /// A replay runs.
    pub const REPLAY_RUNNING: &str = "ReplayRunning";
    /// The tables have what the replay made.
    pub const REPLAY_SUCCEEDED: &str = "ReplaySucceeded";
    /// The replay has ended without success.
    pub const REPLAY_FAILED: &str = "ReplayFailed";
    /// Workers of an earlier configuration are replaced, one after the other.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// Workers are stopping.
    pub const STOPPING: &str = "Stopping";
    /// Some workers are ready and some are not.
    pub const WORKERS_UNAVAILABLE: &str = "WorkersUnavailable";
    /// All is as it should be, as far as this condition goes.
    pub const AS_EXPECTED: &str = "AsExpected";
    /// The workers have not said anything about it yet.
    pub const NO_REPORT: &str = "NoReport";
    /// The annotation `sluice.dev/paused` asks for it.
    pub const PAUSED: &str = "Paused";
    /// The image of a worker cannot be had.
    pub const IMAGE_PULL_FAILED: &str = "ImagePullFailed";
    /// A worker ends again and again.
    pub const CRASH_LOOP: &str = "CrashLoop";
    /// A worker used more memory than it may.
    pub const OUT_OF_MEMORY: &str = "OutOfMemory";
    /// A container cannot be set up.
    pub const CONTAINER_SETUP_FAILED: &str = "ContainerSetupFailed";
    /// No node takes a pod.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// A ResourceQuota of the namespace does not allow a pod.
    pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
    /// The namespace's level of pod security does not allow a pod.
    pub const POD_SECURITY_VIOLATION: &str = "PodSecurityViolation";
    /// The API server refuses a pod for another reason.
    pub const POD_REFUSED: &str = "PodRefused";
}
