//! The sending loop: plans, encodes and queues messages at the pace, until it is told to stop.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use snafu::ResultExt;

use super::GenerateError;
use super::arguments::GenerateArguments;
use super::clock::ReplayClock;
use super::encode::{Encoded, Encoder, Encoding};
use super::error::{CreateClientSnafu, DeliverSnafu, SendSnafu};
use super::pace::Pace;
use super::partition::partition_of;
use super::traffic::{Traffic, TrafficSettings};
use super::transaction::{Placement, PlannedMessage};
use super::world::World;

/// How long queued messages may take at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the loop rests when nothing is due.
const REST: Duration = Duration::from_millis(5);
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Messages that are queued before deliveries are looked at again.
const CHUNK: u64 = 256;

/// Counts what the broker did not take.
#[derive(Debug, Default)]
struct Deliveries {
    failed: AtomicU64,
    first_reason: OnceLock<String>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.first_reason.get_or_init(|| error.to_string());
        }
    }
}

/// Where arrival times come from.
enum Arrivals {
    Now,
    Replayed(ReplayClock),
}

impl Arrivals {
    fn next(&mut self) -> i64 {
        match self {
            Self::Now => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                since_epoch.as_micros() as i64
            }
            Self::Replayed(clock) => clock.advance(),
        }
    }
}

struct Sender<'a> {
    arguments: &'a GenerateArguments,
    producer: BaseProducer<Deliveries>,
    partitions: u32,
    encoder: Encoder,
    stop: &'a AtomicBool,
}

/// Sends until the number of messages is reached or `stop` is set; returns how many were acknowledged.
pub(super) fn send_all(
    arguments: &GenerateArguments,
    encoding: Encoding,
    partitions: u32,
    stop: &AtomicBool,
) -> Result<u64, GenerateError> {
    let seed = arguments.effective_seed(SystemTime::now());
    let world = World::new(seed);
    let mut traffic = Traffic::new(TrafficSettings {
        seed,
        format: arguments.format,
        event_rate: arguments.effective_event_rate(),
        duplicates: arguments.duplicates,
        late: arguments.late,
        malformed: arguments.malformed,
        odd: arguments.odd,
    });
    let mut arrivals = match arguments.start_time {
        None => Arrivals::Now,
        Some(start_us) => {
            Arrivals::Replayed(ReplayClock::new(seed, start_us, arguments.effective_event_rate()))
        }
    };
    let producer = create_producer(&arguments.bootstrap_servers)?;
    let mut sender = Sender { arguments, producer, partitions, encoder: Encoder::new(encoding), stop };

    tracing::info!(topic = arguments.topic, partitions, rate = arguments.rate, seed, "generating traffic");
    let pace = Pace::new(arguments.rate, arguments.bursts);
    let limit = arguments.messages.unwrap_or(u64::MAX);
    let started = Instant::now();
    let mut report = ProgressReport::new(started);
    let mut sent = 0;
    while sent < limit && !stop.load(Ordering::Relaxed) {
        let due = pace.due_by(started.elapsed()).min(limit).min(sent + CHUNK);
        while sent < due {
            let message = traffic.next_message(&world, arrivals.next());
            if !sender.send(&world, &message)? {
                return sender.finish(sent);
            }
            sent += 1;
        }
        sender.producer.poll(if sent < pace.due_by(started.elapsed()) { Duration::ZERO } else { REST });
        sender.check_deliveries()?;
        report.show(sent);
    }
    sender.finish(sent)
}

fn create_producer(servers: &str) -> Result<BaseProducer<Deliveries>, GenerateError> {
    ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "200000")
        .set("delivery.report.only.error", "true")
        .create_with_context(Deliveries::default())
        .context(CreateClientSnafu { servers })
}

impl Sender<'_> {
    /// Queues a message, waiting while the queue is full; false if it is told to stop meanwhile.
    fn send(&mut self, world: &World, message: &PlannedMessage) -> Result<bool, GenerateError> {
        let encoded = self.encoder.encode(world, message);
        let home = partition_of(encoded.partition_key, self.partitions);
        let partition = match message.placement {
            Placement::ByKey => home,
            Placement::Beside => (home + 1) % self.partitions,
        };
        loop {
            let record = build_record(&self.arguments.topic, partition, message.arrival_us / 1_000, encoded);
            match self.producer.send(record) {
                Ok(()) => return Ok(true),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(REST);
                    if self.stop.load(Ordering::Relaxed) {
                        return Ok(false);
                    }
                }
                Err((source, _)) => return Err(source).context(SendSnafu { topic: &self.arguments.topic }),
            }
        }
    }

    fn check_deliveries(&self) -> Result<(), GenerateError> {
        let deliveries = self.producer.context();
        let failed = deliveries.failed.load(Ordering::Relaxed);
        if failed == 0 {
            return Ok(());
        }
        let reason = deliveries.first_reason.get().map_or("unknown", String::as_str);
        DeliverSnafu {
            topic: &self.arguments.topic,
            servers: &self.arguments.bootstrap_servers,
            failed,
            reason,
        }
        .fail()
    }

    /// Waits until the broker has everything.
    fn finish(&self, sent: u64) -> Result<u64, GenerateError> {
        if let Err(error) = self.producer.flush(FLUSH_TIMEOUT) {
            let failed = u64::from(self.producer.in_flight_count().unsigned_abs());
            return DeliverSnafu {
                topic: &self.arguments.topic,
                servers: &self.arguments.bootstrap_servers,
                failed,
                reason: error.to_string(),
            }
            .fail();
        }
        self.check_deliveries()?;
        Ok(sent)
    }
}

fn build_record<'a>(
    topic: &'a str,
    partition: u32,
    timestamp_ms: i64,
    encoded: Encoded<'a>,
) -> BaseRecord<'a, [u8], [u8]> {
    let mut record = BaseRecord::to(topic).partition(partition as i32).timestamp(timestamp_ms);
    record.key = encoded.key;
    record.payload = encoded.value;
    record
}

/// Says now and then how it goes.
struct ProgressReport {
    last: Instant,
    sent_then: u64,
}

impl ProgressReport {
    fn new(now: Instant) -> Self {
        Self { last: now, sent_then: 0 }
    }

    fn show(&mut self, sent: u64) {
        let elapsed = self.last.elapsed();
        if elapsed < REPORT_EVERY {
            return;
        }
        let rate = (sent - self.sent_then) as f64 / elapsed.as_secs_f64();
        tracing::info!(messages = sent, per_second = rate.round(), "sending");
        self.last = Instant::now();
        self.sent_then = sent;
    }
}
