//! [`Traffic`]: what is sent, message by message. Pure: arrival times come in, plans come out.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::arguments::Format;
use super::calendar::{TimestampForm, hour_and_weekday};
use super::catalogue::{CITIES, CRYPTO};
use super::faults::{Change, Special, faults, oddities};
use super::label::{Circumstances, fraud_probability};
use super::session::{Crowd, Session};
use super::transaction::{LocationShape, Origin, Placement, PlannedMessage, Transaction};
use super::world::{World, normal};

const SECOND_US: i64 = 1_000_000;
/// More copies than this are never waiting; at high rates the rest is sent again at once.
const MOST_WAITING_COPIES: usize = 50_000;

/// What decides which messages are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrafficSettings {
    pub(super) seed: u64,
    pub(super) format: Format,
    /// Messages for each second of event time.
    pub(super) event_rate: f64,
    pub(super) duplicates: f64,
    pub(super) late: f64,
    pub(super) malformed: f64,
    pub(super) odd: f64,
}

/// The endless sequence of messages that the settings describe.
#[derive(Debug)]
pub(super) struct Traffic {
    settings: TrafficSettings,
    random: SmallRng,
    crowd: Crowd,
    repeats: BinaryHeap<Repeat>,
    faults: Deck,
    oddities: Deck,
    planned: u64,
}

/// A message that will be sent once more. The earliest one is the greatest.
#[derive(Debug)]
struct Repeat {
    due_us: i64,
    number: u64,
    message: PlannedMessage,
}

impl Ord for Repeat {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_us, other.number).cmp(&(self.due_us, self.number))
    }
}

impl PartialOrd for Repeat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Repeat {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Repeat {}

/// Cards in random order; each comes once before any comes again.
#[derive(Debug)]
struct Deck {
    cards: Vec<&'static Special>,
    drawn: usize,
}

impl Deck {
    fn new(cards: Vec<&'static Special>) -> Self {
        Self { drawn: cards.len(), cards }
    }

    fn draw(&mut self, random: &mut SmallRng) -> &'static Special {
        if self.drawn == self.cards.len() {
            self.cards.shuffle(random);
            self.drawn = 0;
        }
        self.drawn += 1;
        self.cards[self.drawn - 1]
    }
}

impl Traffic {
    pub(super) fn new(settings: TrafficSettings) -> Self {
        Self {
            settings,
            random: SmallRng::seed_from_u64(settings.seed),
            crowd: Crowd::new(settings.event_rate),
            repeats: BinaryHeap::new(),
            faults: Deck::new(faults(settings.format)),
            oddities: Deck::new(oddities(settings.format)),
            planned: 0,
        }
    }

    /// The message that arrives at this time, which must not go back.
    pub(super) fn next_message(&mut self, world: &World, arrival_us: i64) -> PlannedMessage {
        // Kafka timestamps have milliseconds.
        let arrival_us = arrival_us.div_euclid(1_000) * 1_000;
        self.planned += 1;
        if self.repeats.peek().is_some_and(|repeat| repeat.due_us <= arrival_us) {
            let repeat = self.repeats.pop().expect("there is one, by the line above");
            return PlannedMessage { arrival_us, ..repeat.message };
        }
        let message = self.fresh_message(world, arrival_us);
        self.plan_repeat(&message);
        message
    }

    fn fresh_message(&mut self, world: &World, arrival_us: i64) -> PlannedMessage {
        let event_time_us = arrival_us - self.delay_us();
        let mut transaction = self.purchase(world, event_time_us);
        let special = self.draw_special();
        match special.map(|special| &special.change) {
            Some(Change::Ahead(ahead_us)) => {
                transaction.event_time_us = arrival_us + ahead_us;
                transaction.timestamp_form = TimestampForm::MicrosZulu;
            }
            Some(Change::Form(form)) => transaction.timestamp_form = *form,
            _ => {}
        }
        PlannedMessage {
            arrival_us,
            transaction,
            placement: Placement::ByKey,
            special,
            origin: Origin::Fresh,
        }
    }

    fn draw_special(&mut self) -> Option<&'static Special> {
        let lot: f64 = self.random.random();
        if lot < self.settings.malformed {
            Some(self.faults.draw(&mut self.random))
        } else if lot < self.settings.malformed + self.settings.odd {
            Some(self.oddities.draw(&mut self.random))
        } else {
            None
        }
    }

    /// How long a message is under way: mostly under a second, for late ones up to three hours.
    fn delay_us(&mut self) -> i64 {
        let uniform: f64 = self.random.random();
        if self.random.random_bool(self.settings.late) {
            let (shortest, longest): (f64, f64) = (35.0, 3.0 * 3_600.0);
            return (shortest * (longest / shortest).powf(uniform) * 1e6) as i64;
        }
        let longest_seconds = if uniform > 0.98 { 20.0 } else { 1.5 };
        (uniform * uniform * longest_seconds * 1e6) as i64
    }

    fn purchase(&mut self, world: &World, event_time_us: i64) -> Transaction {
        let (hour, weekday) = hour_and_weekday(event_time_us);
        let night = !(5..23).contains(&hour);
        let random = &mut self.random;
        let session = self.crowd.next_buyer(world, random, night);
        let shop = world.shop(&session.user, random.random());
        let merchant = world.merchant(shop);
        let excess = merchant.spread * normal(random.random())
            + session.user.wealth
            + if session.compromised { 0.9 } else { 0.0 };
        let cents = ((merchant.median + excess).exp() as u64).clamp(50, 5_000_000);
        let circumstances = Circumstances {
            excess,
            cents,
            risk: merchant.risk + CITIES[usize::from(session.city)].risk,
            new_device: session.new_device,
            away: session.city != session.user.city,
            crypto: session.method == CRYPTO,
            hour,
            weekend: weekday >= 5,
            earlier: session.purchases,
            compromised: session.compromised,
        };
        let probability = fraud_probability(&circumstances, normal(random.random()));
        let is_fraud = random.random_bool(probability);
        record(session, random, shop, cents, is_fraud, event_time_us)
    }

    /// Decides whether a fresh message is sent again, when and where.
    fn plan_repeat(&mut self, message: &PlannedMessage) {
        if self.repeats.len() >= MOST_WAITING_COPIES {
            return;
        }
        let refused_by_rule = message.special.is_some_and(|special| {
            special.reason.is_some() && matches!(special.change, Change::Amount(_) | Change::Text(..))
        });
        if refused_by_rule && self.random.random_bool(0.5) {
            let due_us = message.arrival_us + self.random.random_range(SECOND_US..30 * SECOND_US);
            let mut corrected = PlannedMessage { special: None, origin: Origin::Corrected, ..*message };
            corrected.transaction.event_time_us = message.arrival_us;
            self.repeats.push(Repeat { due_us, number: self.planned, message: corrected });
        } else if self.random.random_bool(self.settings.duplicates) {
            let placement = if self.random.random_bool(0.1) { Placement::Beside } else { Placement::ByKey };
            let due_us = message.arrival_us + self.redelivery_delay_us();
            let copy = PlannedMessage { placement, origin: Origin::Redelivered, ..*message };
            self.repeats.push(Repeat { due_us, number: self.planned, message: copy });
        }
    }

    /// Copies follow at once (a retry), within ten minutes (a restart), or later than any memory.
    fn redelivery_delay_us(&mut self) -> i64 {
        match self.random.random_range(0..100) {
            0..40 => 0,
            40..85 => self.random.random_range(SECOND_US..600 * SECOND_US),
            _ => self.random.random_range(600 * SECOND_US..1_800 * SECOND_US),
        }
    }
}

/// The transaction of a purchase in a session.
fn record(
    session: &Session,
    random: &mut SmallRng,
    merchant: u16,
    cents: u64,
    is_fraud: bool,
    event_time_us: i64,
) -> Transaction {
    let location_shape = match random.random_range(0..100_u32) {
        0..93 => LocationShape::CityCountry,
        93..97 => LocationShape::City,
        _ => LocationShape::CityRegionCountry,
    };
    Transaction {
        id: random.random(),
        user_id: session.user.id,
        cents,
        merchant,
        event_time_us,
        timestamp_form: session.user.timestamp_form,
        is_fraud,
        method: session.method,
        city: session.city,
        location_shape,
        device: session.device,
        application: session.user.application,
        session: session.id,
    }
}

#[cfg(test)]
mod tests;
