//! Who is shopping right now: sessions of users, each a handful of purchases.

use rand::Rng;
use rand::rngs::SmallRng;

use super::catalogue::CRYPTO;
use super::world::{User, World};

/// Share of purchases made in quick succession by scripts, card testers and people in a hurry.
const RAPID_SHARE: f64 = 0.05;
/// Mean seconds between two purchases of a session: unhurried, rapid.
const GAP_SECONDS: [f64; 2] = [120.0, 8.0];
/// A crowd is never larger than this, however high the rate.
const MOST_SESSIONS: f64 = 20_000.0;

/// A user on a device, for a number of purchases.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) user: User,
    pub(super) city: u8,
    pub(super) method: u8,
    pub(super) device: u64,
    pub(super) new_device: bool,
    /// Somebody else has the user's credentials.
    pub(super) compromised: bool,
    /// Purchases so far.
    pub(super) purchases: u16,
    remaining: u16,
}

/// All sessions that are under way.
///
/// Each purchase takes a random slot, so the time between two purchases of one session is the number
/// of slots over the rate; the number of slots is chosen so that this is a realistic time.
#[derive(Debug)]
pub(super) struct Crowd {
    unhurried: Vec<Option<Session>>,
    rapid: Vec<Option<Session>>,
}

impl Crowd {
    /// A crowd that makes `rate` purchases a second.
    pub(super) fn new(rate: f64) -> Self {
        let slots =
            |share: f64, gap: f64| vec![None; (rate * share * gap).clamp(4.0, MOST_SESSIONS) as usize];
        Self {
            unhurried: slots(1.0 - RAPID_SHARE, GAP_SECONDS[0]),
            rapid: slots(RAPID_SHARE, GAP_SECONDS[1]),
        }
    }

    /// The session that buys next; its purchase is counted. `night` makes crime more likely.
    pub(super) fn next_buyer(&mut self, world: &World, random: &mut SmallRng, night: bool) -> &Session {
        let rapid = random.random_bool(RAPID_SHARE);
        let pool = if rapid { &mut self.rapid } else { &mut self.unhurried };
        let slot = random.random_range(0..pool.len());
        let session = match pool[slot].take() {
            Some(mut session) if session.remaining > 0 => {
                session.remaining -= 1;
                session.purchases += 1;
                session
            }
            _ => Session::begin(world, random, rapid, night),
        };
        pool[slot].insert(session)
    }
}

impl Session {
    fn begin(world: &World, random: &mut SmallRng, rapid: bool, night: bool) -> Self {
        let user = world.active_user(random.random());
        let compromised_share = 0.002 * if night { 3.0 } else { 1.0 } * if rapid { 4.0 } else { 1.0 };
        let compromised = random.random_bool(compromised_share);
        let away = random.random_bool(if compromised { 0.6 } else { 0.03 });
        let risky = random.random_bool(if compromised { 0.3 } else { 0.02 });
        let new_device = random.random_bool(if compromised { 0.7 } else { 0.02 });
        let device_number = if new_device {
            random.random_range(1_000..u64::MAX)
        } else {
            random.random_range(0..u64::from(user.devices))
        };
        let method = match random.random_range(0..100_u32) {
            0..10 if compromised => CRYPTO,
            0 => CRYPTO,
            _ => user.method,
        };
        Self {
            id: random.random(),
            city: if away { world.destination(random.random(), risky) } else { user.city },
            method,
            device: world.device(&user, device_number),
            new_device,
            compromised,
            purchases: 0,
            remaining: remaining_purchases(random, rapid),
            user,
        }
    }
}

/// Purchases after the first: a few, or a long row of them in a rapid session.
fn remaining_purchases(random: &mut SmallRng, rapid: bool) -> u16 {
    let uniform: f64 = random.random();
    let mean = if rapid { 8.0 } else { 1.6 };
    (-(1.0 - uniform).ln() * mean).min(60.0) as u16
}
