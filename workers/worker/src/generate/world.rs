//! The world that traffic happens in: users with habits, shops with prices, and where everybody lives.
//!
//! Users are not stored: everything about one follows from the seed and its number, so that a hundred
//! thousand of them cost no memory and no cache misses.

use super::calendar::TimestampForm;
use super::catalogue::{APPLICATIONS, CITIES, FIRST_HIGH_RISK_CITY, HOUSES, METHODS, TRADES};

/// How many users there are. Their ids are 1 to this number.
pub(super) const USERS: u32 = 100_000;

/// How unequal users are: the share of the n-th most active falls with n to this power.
const ACTIVITY_EXPONENT: f64 = 0.75;
/// How unequal shops are.
const POPULARITY_EXPONENT: f64 = 0.85;
/// Shops that a user comes back to.
const FAVOURITES: u64 = 6;

/// The generated world.
#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    merchants: Vec<Merchant>,
    /// Running totals of the weights of [`CITIES`] below the high-risk ones, then of all.
    city_weights: Vec<u32>,
}

/// A shop.
#[derive(Debug)]
pub(super) struct Merchant {
    /// The name, escaped for a JSON string.
    pub(super) json_name: String,
    /// The name.
    pub(super) name: String,
    /// Logarithm of the median price in cents.
    pub(super) median: f64,
    /// Spread of the logarithm of prices.
    pub(super) spread: f64,
    /// What it adds to the hidden fraud score.
    pub(super) risk: f32,
}

/// What is typical of a user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) city: u8,
    pub(super) method: u8,
    pub(super) application: u8,
    /// Number of own devices, at least one.
    pub(super) devices: u8,
    /// Added to the logarithm of prices.
    pub(super) wealth: f64,
    pub(super) timestamp_form: TimestampForm,
}

/// Mixes all bits of a number: the finaliser of SplitMix64.
pub(super) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number in [0, 1) from the upper bits of a mixed number.
fn unit(mixed: u64) -> f64 {
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Turns a uniform number in [0, 1) into a rank below `count` that follows a power law.
fn zipf_rank(uniform: f64, count: u32, exponent: f64) -> u32 {
    let power = 1.0 - exponent;
    let reach = f64::from(count + 1).powf(power) - 1.0;
    let rank = (uniform * reach + 1.0).powf(1.0 / power) - 1.0;
    (rank as u32).min(count - 1)
}

/// An approximately normal number from four times 16 uniform bits: their sum, standardised.
pub(super) fn normal(bits: u64) -> f64 {
    let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
    (sum as f64 / 65_536.0 - 2.0) * 3.0_f64.sqrt()
}

/// The entry of a table of percentages that a uniform number in [0, 1) falls on.
fn pick_by_percent<T>(table: &[(T, u32)], uniform: f64) -> usize {
    let mut rest = (uniform * 100.0) as u32;
    for (index, (_, percent)) in table.iter().enumerate() {
        if rest < *percent {
            return index;
        }
        rest -= percent;
    }
    0
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut merchants = Vec::with_capacity(TRADES.len() * HOUSES.len());
        for house in HOUSES {
            for trade in &TRADES {
                let name = format!("{house} {}", trade.name);
                merchants.push(Merchant {
                    json_name: name.replace('"', "\\\""),
                    name,
                    median: trade.median_cents.ln() + 0.3 * normal(mix(seed ^ merchants.len() as u64)),
                    spread: trade.spread,
                    risk: trade.risk,
                });
            }
        }
        // Popularity follows the position, which must not follow the order of the tables.
        let mut order: Vec<u64> = (0..merchants.len() as u64).collect();
        order.sort_by_key(|index| mix(seed.rotate_left(17) ^ index));
        let mut slots: Vec<Option<Merchant>> = merchants.into_iter().map(Some).collect();
        let merchants = order.iter().filter_map(|index| slots[*index as usize].take()).collect();

        let mut total = 0;
        let city_weights = CITIES
            .iter()
            .map(|city| {
                total += u32::from(city.weight);
                total
            })
            .collect();
        Self { seed, merchants, city_weights }
    }

    pub(super) fn merchant(&self, index: u16) -> &Merchant {
        &self.merchants[usize::from(index)]
    }

    /// The user whom a uniform number in [0, 1) falls on; few users have most of the activity.
    pub(super) fn active_user(&self, uniform: f64) -> User {
        let rank = zipf_rank(uniform, USERS, ACTIVITY_EXPONENT);
        // A bijection, since the factor has no divisor in common with the number of users.
        let id = (u64::from(rank) * 38_197 + self.seed % 1_000) % u64::from(USERS) + 1;
        self.user(id as u32)
    }

    /// Everything about the user with this id.
    pub(super) fn user(&self, id: u32) -> User {
        let first = mix(self.seed ^ (u64::from(id) << 20));
        let second = mix(first);
        let third = mix(second);
        User {
            id,
            city: self.city(unit(first), CITIES.len()),
            method: pick_by_percent(&METHODS, unit(second)) as u8,
            application: zipf_rank(unit(third), APPLICATIONS.len() as u32, 0.7) as u8,
            devices: 1 + zipf_rank(unit(mix(third)), 4, 0.9) as u8,
            wealth: 0.4 * normal(mix(third ^ 1)),
            timestamp_form: usual_form(unit(mix(third ^ 2))),
        }
    }

    fn city(&self, uniform: f64, among: usize) -> u8 {
        let target = (uniform * f64::from(self.city_weights[among - 1])) as u32;
        self.city_weights.partition_point(|total| *total <= target) as u8
    }

    /// Where somebody travels to: anywhere, with `risky` only to the countries that fraud likes.
    pub(super) fn destination(&self, bits: u64, risky: bool) -> u8 {
        if risky {
            let choices = (CITIES.len() - FIRST_HIGH_RISK_CITY) as u64;
            return (FIRST_HIGH_RISK_CITY as u64 + bits % choices) as u8;
        }
        self.city(unit(mix(bits)), FIRST_HIGH_RISK_CITY)
    }

    /// The shop that a user goes to: mostly one of the favourites.
    pub(super) fn shop(&self, user: &User, bits: u64) -> u16 {
        let favourite = bits % 100 < 65;
        let source = if favourite {
            mix(self.seed ^ (u64::from(user.id) << 32) ^ ((bits >> 8) % FAVOURITES))
        } else {
            mix(bits)
        };
        zipf_rank(unit(source), self.merchants.len() as u32, POPULARITY_EXPONENT) as u16
    }

    /// The id of the n-th device of a user.
    pub(super) fn device(&self, user: &User, number: u64) -> u64 {
        mix(mix(self.seed ^ u64::from(user.id)) ^ number)
    }
}

/// The form in which a user's application writes times; odd forms are rare.
fn usual_form(uniform: f64) -> TimestampForm {
    use TimestampForm as Form;
    let table = [
        (Form::MicrosZulu, 40),
        (Form::MillisZulu, 28),
        (Form::SecondsZulu, 9),
        (Form::OffsetColon, 11),
        (Form::NaiveSpace, 5),
        (Form::NaiveSeconds, 2),
        (Form::OffsetBasic, 2),
        (Form::OffsetHours, 1),
        (Form::NanosZulu, 1),
        (Form::TenthsZulu, 1),
    ];
    table[pick_by_percent(&table, uniform)].0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn the_most_active_hundredth_of_users_has_a_large_share_of_the_activity() {
        let world = World::new(7);
        let mut activity: HashMap<u32, u32> = HashMap::new();
        for step in 0..100_000 {
            *activity.entry(world.active_user(f64::from(step) / 100_000.0).id).or_default() += 1;
        }
        let mut counts: Vec<u32> = activity.into_values().collect();
        counts.sort_unstable_by(|left, right| right.cmp(left));
        let top: u32 = counts[..1_000].iter().sum();
        assert!((20_000..50_000).contains(&top), "{top}");
    }

    #[test]
    fn user_ids_are_one_to_the_number_of_users() {
        let world = World::new(7);
        for step in 0..10_000 {
            let id = world.active_user(f64::from(step) / 10_000.0).id;
            assert!((1..=USERS).contains(&id));
        }
    }

    #[test]
    fn another_seed_is_another_world() {
        let (one, other) = (World::new(1), World::new(2));
        assert_eq!(one.user(17), World::new(1).user(17));
        assert_ne!(one.user(17), other.user(17));
        assert_ne!(one.merchant(0).name, other.merchant(0).name);
    }

    #[test]
    fn every_merchant_has_a_name_of_its_own() {
        let world = World::new(7);
        let names: HashSet<&str> = world.merchants.iter().map(|merchant| merchant.name.as_str()).collect();
        assert_eq!(names.len(), TRADES.len() * HOUSES.len());
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let sample: Vec<f64> = (0..100_000).map(|index| normal(mix(index))).collect();
        let mean = sample.iter().sum::<f64>() / sample.len() as f64;
        let variance = sample.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / sample.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn shares_in_percent_sum_to_100() {
        assert_eq!(METHODS.iter().map(|(_, percent)| percent).sum::<u32>(), 100);
    }
}
