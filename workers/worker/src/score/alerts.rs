//! [`Alerts`]: sends alerts at once, and tells when the broker has all of an epoch's.
//!
//! Nothing waits for a fuller batch. What the broker does not take is sent again until it does: an alert is never
//! given up, and its epoch's manifest waits for it. While the broker is away, alerts wait in the client's queue;
//! when that is full they wait here, and the core reads no further.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use futures::future::FutureExt;
use rdkafka::Message as _;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use sluice_contract::config::Kafka;
use sluice_contract::report::Problem;
use sluice_engine::Alert;
use snafu::{ResultExt, Snafu};
use tokio::sync::{Notify, watch};

use crate::backoff::Backoff;
use crate::clock::now_us;
use crate::kafka::trouble::SettingsSnafu;
use crate::kafka::{Credentials, Topic, TopicError, producer_settings};
use crate::report::{AcknowledgedAlert, Scope, Status};
use crate::stream::work::Pledge;

/// How long Kafka may take to tell of the topic.
const TIMEOUT: Duration = Duration::from_secs(5);

/// So long without a failure, and the next one is the first again.
const CALM: Duration = Duration::from_secs(1);

/// A timestamp may be this far ahead of our clock and still count.
const CLOCK_TOLERANCE_US: i64 = 1_000_000;

/// Why alerts cannot be sent.
#[derive(Debug, Snafu)]
pub(crate) enum AlertsError {
    /// The topic of alerts cannot be found, or its cluster cannot be reached.
    #[snafu(display("{source}"))]
    AlertsTopic {
        /// What Kafka says.
        source: TopicError,
    },
}

impl AlertsError {
    /// What the report says.
    pub(crate) fn problem(&self) -> Problem {
        let Self::AlertsTopic { source } = self;
        match source {
            TopicError::TopicMissing { .. } => Problem {
                reason: "AlertsTopicMissing".to_owned(),
                message: format!("{source}; create the topic, or correct alerts.topic"),
            },
            other => other.problem(),
        }
    }
}

/// Where alerts go.
pub(super) struct Alerts {
    /// The connection of the pipeline, to the topic of alerts.
    kafka: Kafka,
    producer: Arc<ThreadedProducer<Deliveries>>,
    hearing: Arc<Hearing>,
    current: Current,
    /// What the client has not taken yet, in order.
    waiting: VecDeque<Sending>,
    /// The open epoch's.
    ledger: Arc<Ledger>,
    broken: watch::Receiver<Option<String>>,
}

/// The producer of now, for who must not keep it alive.
type Current = Arc<Mutex<Weak<ThreadedProducer<Deliveries>>>>;

/// An alert on its way.
#[derive(Debug)]
struct Sending {
    key: Option<String>,
    body: Vec<u8>,
    receipt: Box<Receipt>,
}

/// What is known of an alert when the broker has it.
#[derive(Debug)]
pub(super) struct Receipt {
    ledger: Arc<Ledger>,
    arrived_us: i64,
    event_time_us: Option<i64>,
}

/// How many of an epoch's alerts the broker does not have yet.
#[derive(Debug)]
struct Ledger {
    /// One more while the epoch is open.
    open: AtomicU64,
    settled: Notify,
}

impl Ledger {
    fn new() -> Arc<Self> {
        Arc::new(Self { open: AtomicU64::new(1), settled: Notify::new() })
    }

    fn add(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    fn settle_one(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settled.notify_one();
        }
    }

    async fn is_settled(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.settled.notified().await;
        }
    }
}

impl Alerts {
    /// Connects to the topic of alerts, which must be there.
    pub(super) async fn connect(
        kafka: Kafka,
        topic: String,
        status: Arc<Status>,
    ) -> Result<Self, AlertsError> {
        let connect = move || -> Result<Self, TopicError> {
            let kafka = Kafka { topic, ..kafka };
            let credentials = Credentials::read(&kafka.security).context(SettingsSnafu)?;
            Topic::with(&kafka, &credentials)?.partitions(TIMEOUT)?;
            Self::new(&kafka, &credentials, status)
        };
        let connected = tokio::task::spawn_blocking(connect).await;
        let failed = |error: tokio::task::JoinError| Err(TopicError::Client { detail: error.to_string() });
        connected.unwrap_or_else(failed).context(AlertsTopicSnafu)
    }

    fn new(kafka: &Kafka, credentials: &Credentials, status: Arc<Status>) -> Result<Self, TopicError> {
        let (failed, failures) = mpsc::channel();
        let (broke, broken) = watch::channel(None);
        let hearing = Arc::new(Hearing { status, failed: Mutex::new(failed), broke });
        let producer = producer(kafka, credentials, &hearing)?;
        let current = Arc::new(Mutex::new(Arc::downgrade(&producer)));
        let again = Again { topic: kafka.topic.clone(), current: Arc::clone(&current) };
        let spawned = thread::Builder::new().name("alerts".to_owned()).spawn(move || again.run(&failures));
        spawned.map_err(|error| TopicError::Client { detail: error.to_string() })?;
        let (waiting, ledger) = (VecDeque::new(), Ledger::new());
        Ok(Self { kafka: kafka.clone(), producer, hearing, current, waiting, ledger, broken })
    }

    /// Goes on through another connection: the files of its security have changed. What the former one has not
    /// delivered is sent again.
    pub(super) fn renew(&mut self) {
        let renewed = Credentials::read(&self.kafka.security)
            .context(SettingsSnafu)
            .and_then(|credentials| producer(&self.kafka, &credentials, &self.hearing));
        match renewed {
            Ok(producer) => {
                *self.current.lock().expect("no holder of the lock panics") = Arc::downgrade(&producer);
                let former = std::mem::replace(&mut self.producer, producer);
                former.purge(PurgeConfig::default().queue().inflight());
                // Its end waits for its threads. Without one of our own, it ends here.
                drop(thread::Builder::new().name("close".to_owned()).spawn(move || drop(former)));
            }
            Err(error) => tracing::warn!(%error, "alerts go on through the former connection"),
        }
    }

    /// Sends alerts of messages that were read at `now_us`.
    pub(super) fn send(&mut self, alerts: Vec<Alert>, now_us: i64) {
        let credible = 1..=now_us + CLOCK_TOLERANCE_US;
        for Alert { key, body, kafka_timestamp_us, event_time_us, .. } in alerts {
            self.ledger.add();
            let arrived_us = kafka_timestamp_us.filter(|time| credible.contains(time)).unwrap_or(now_us);
            let receipt = Box::new(Receipt { ledger: Arc::clone(&self.ledger), arrived_us, event_time_us });
            self.waiting.push_back(Sending { key, body, receipt });
        }
        self.pass_on();
    }

    /// Whether alerts wait that the client cannot take.
    pub(super) fn is_congested(&mut self) -> bool {
        self.pass_on();
        !self.waiting.is_empty()
    }

    /// Ends the epoch. Its manifest may be created when the broker has all of its alerts.
    pub(super) fn end_epoch(&mut self) -> Pledge {
        let ledger = std::mem::replace(&mut self.ledger, Ledger::new());
        ledger.settle_one();
        let mut broken = self.broken.clone();
        // Whoever has the pledge keeps the client at work, though the core may have ended.
        let producer = Arc::clone(&self.producer);
        let settled = async move {
            let _alive = producer;
            tokio::select! {
                () = ledger.is_settled() => Ok(()),
                // An error says that the producer is gone, and with it its alerts.
                problem = broken.wait_for(Option::is_some) => {
                    let problem = problem.ok().and_then(|problem| problem.clone());
                    Err(problem.unwrap_or_else(|| "the producer has ended".to_owned()))
                }
            }
        };
        Pledge(settled.boxed())
    }

    fn pass_on(&mut self) {
        while let Some(sending) = self.waiting.pop_front() {
            if let Err(sending) = offer(&self.producer, &self.kafka.topic, sending) {
                self.waiting.push_front(sending);
                return;
            }
        }
    }
}

impl Drop for Alerts {
    /// What waits is still sent, as long as somebody has the pledge of its epoch.
    fn drop(&mut self) {
        let failed = self.hearing.failed.lock().expect("no holder of the lock panics");
        for sending in self.waiting.drain(..) {
            let _ = failed.send(sending);
        }
    }
}

/// A client that sends alerts.
fn producer(
    kafka: &Kafka,
    credentials: &Credentials,
    hearing: &Arc<Hearing>,
) -> Result<Arc<ThreadedProducer<Deliveries>>, TopicError> {
    let deliveries = Deliveries { hearing: Arc::clone(hearing) };
    let made = producer_settings(kafka, credentials).create_with_context(deliveries);
    made.map(Arc::new).map_err(|error| TopicError::Client { detail: error.to_string() })
}

/// Gives an alert to the client, or takes it back if its queue is full.
fn offer(
    producer: &ThreadedProducer<Deliveries>,
    topic: &str,
    Sending { key, body, receipt }: Sending,
) -> Result<(), Sending> {
    let record = BaseRecord::with_opaque_to(topic, receipt).payload(&body);
    let record: BaseRecord<'_, str, Vec<u8>, Box<Receipt>> = match &key {
        Some(key) => record.key(key.as_str()),
        None => record,
    };
    let Err((error, record)) = producer.send(record) else { return Ok(()) };
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
        producer.context().hearing.note_failure(&error);
    }
    let receipt = record.delivery_opaque;
    Err(Sending { key, body, receipt })
}

/// Hears for one producer.
struct Deliveries {
    hearing: Arc<Hearing>,
}

/// Hears what became of alerts.
struct Hearing {
    status: Arc<Status>,
    /// What the broker did not take.
    failed: Mutex<Sender<Sending>>,
    /// Told when the producer can send no more.
    broke: watch::Sender<Option<String>>,
}

impl Hearing {
    fn note_failure(&self, error: &KafkaError) {
        // A client that ends gives back what it has; that is no failure.
        let ended = [Some(RDKafkaErrorCode::PurgeQueue), Some(RDKafkaErrorCode::PurgeInflight)];
        if ended.contains(&error.rdkafka_error_code()) {
            return;
        }
        let message = format!(
            "failed to deliver an alert: {error}; it is sent again until the broker takes it; \
             see that the topic of alerts exists and takes messages of this size from this user"
        );
        self.status.raise(Scope::Alerts, Problem { reason: "AlertsUndelivered".to_owned(), message });
    }
}

impl ClientContext for Deliveries {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka reported an error");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.hearing.broke.send_replace(Some(reason.to_owned()));
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        let Hearing { status, failed, .. } = self.hearing.as_ref();
        let (Ok(message) | Err((_, message))) = result;
        let key = message.key().map(|key| String::from_utf8_lossy(key).into_owned());
        let body = message.payload().unwrap_or_default().to_vec();
        match result {
            Ok(_) => {
                let latency_us = (now_us() - receipt.arrived_us).max(0) as u64;
                let event_time_us = receipt.event_time_us;
                status.clear(Scope::Alerts);
                status.note_alert(AcknowledgedAlert { latency_us, event_time_us, key, body });
                receipt.ledger.settle_one();
            }
            Err((error, _)) => {
                self.hearing.note_failure(error);
                // Nobody sends it again when the tenure has ended: the next one scores its row again.
                let failed = failed.lock().expect("no holder of the lock panics");
                let _ = failed.send(Sending { key, body, receipt });
            }
        }
    }
}

/// Sends again what the broker did not take.
struct Again {
    topic: String,
    current: Current,
}

impl Again {
    fn run(&self, failures: &Receiver<Sending>) {
        let mut backoff = Backoff::default();
        let mut waiting = VecDeque::new();
        loop {
            match failures.recv_timeout(CALM) {
                Ok(sending) => waiting.push_back(sending),
                Err(RecvTimeoutError::Timeout) if waiting.is_empty() => backoff.reset(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !waiting.is_empty() {
                // Whoever refused an alert will refuse it again at once.
                thread::sleep(backoff.pause());
            }
            waiting.extend(failures.try_iter());
            let current = self.current.lock().expect("no holder of the lock panics").upgrade();
            let Some(producer) = current else { return };
            while let Some(sending) = waiting.pop_front() {
                if let Err(sending) = offer(&producer, &self.topic, sending) {
                    waiting.push_front(sending);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_epoch_is_settled_when_it_has_ended_and_the_broker_has_all_of_its_alerts() {
        let ledger = Ledger::new();
        let is_settled = || ledger.is_settled().now_or_never().is_some();
        ledger.add();
        ledger.add();
        ledger.settle_one();
        ledger.settle_one();
        assert!(!is_settled(), "the epoch is open");
        ledger.add();
        ledger.settle_one();
        assert!(!is_settled(), "one alert is on its way");
        ledger.settle_one();
        assert!(is_settled() && is_settled());
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let ledger = Ledger::new();
        let waiting = tokio::spawn({
            let ledger = Arc::clone(&ledger);
            async move { ledger.is_settled().await }
        });
        tokio::task::yield_now().await;
        ledger.settle_one();
        waiting.await.expect("the wait ends");
    }

    #[test]
    fn a_missing_topic_is_told_as_that_of_alerts() {
        let source =
            TopicError::TopicMissing { topic: "alerts".to_owned(), bootstrap: "broker:9092".to_owned() };
        let problem = AlertsError::AlertsTopic { source }.problem();
        assert_eq!(problem.reason, "AlertsTopicMissing");
        assert!(
            problem.message.contains("\"alerts\"") && problem.message.contains("alerts.topic"),
            "{problem:?}"
        );
    }
}
