//! [`ReplayClock`]: arrival times of a past that never was, with days, nights and weekends.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::calendar::hour_and_weekday;

/// Traffic of each hour of the day (UTC), relative to the mean.
const HOURS: [f64; 24] = [
    0.45, 0.35, 0.30, 0.28, 0.30, 0.40, 0.60, 0.80, 0.95, 1.05, 1.15, 1.25, 1.35, 1.30, 1.25, 1.25, 1.30,
    1.40, 1.60, 1.70, 1.65, 1.45, 1.10, 0.77,
];
/// Traffic of each day of the week from Monday, relative to the mean.
const WEEKDAYS: [f64; 7] = [0.92, 0.92, 0.94, 0.97, 1.08, 1.15, 1.02];

/// Independent arrivals whose rate follows the hour and the weekday.
#[derive(Debug)]
pub(super) struct ReplayClock {
    time_us: f64,
    mean_gap_us: f64,
    random: SmallRng,
}

impl ReplayClock {
    /// Starts at a time; `rate` is the mean number of arrivals a second.
    pub(super) fn new(seed: u64, start_us: i64, rate: f64) -> Self {
        let random = SmallRng::seed_from_u64(seed ^ 0xc10c);
        Self { time_us: start_us as f64, mean_gap_us: 1e6 / rate, random }
    }

    /// The next arrival, in microseconds since the epoch.
    pub(super) fn advance(&mut self) -> i64 {
        let now = self.time_us as i64;
        let (hour, weekday) = hour_and_weekday(now);
        let intensity = HOURS[usize::from(hour)] * WEEKDAYS[usize::from(weekday)];
        let uniform: f64 = self.random.random();
        self.time_us -= (1.0 - uniform).ln() * self.mean_gap_us / intensity;
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY_US: i64 = 1_767_571_200_000_000;

    #[test]
    fn a_week_has_the_requested_mean_rate() {
        let mut clock = ReplayClock::new(3, MONDAY_US, 1.0);
        let count = 7 * 86_400;
        let end = (0..count).fold(0, |_, _| clock.advance());
        let seconds = (end - MONDAY_US) as f64 / 1e6;
        assert!((seconds / f64::from(count) - 1.0).abs() < 0.03, "{seconds}");
    }

    #[test]
    fn nights_are_quieter_than_evenings_and_time_never_goes_back() {
        let mut clock = ReplayClock::new(3, MONDAY_US, 1.0);
        let (mut night, mut evening, mut last) = (0, 0, MONDAY_US);
        for _ in 0..200_000 {
            let now = clock.advance();
            assert!(now >= last);
            last = now;
            match hour_and_weekday(now).0 {
                2 | 3 => night += 1,
                19 | 20 => evening += 1,
                _ => {}
            }
        }
        assert!(evening > 3 * night, "{evening} {night}");
    }
}
