//! [`RateMeter`]: events a second over the last ten seconds.

/// Whole seconds that the rate is taken over.
const WINDOW_SECONDS: i64 = 10;
/// The window and the second that is running.
const SLOTS: usize = WINDOW_SECONDS as usize + 1;

/// Counts events by the second of the wall clock, and forgets those that are older than the window.
#[derive(Clone, Debug)]
pub struct RateMeter {
    started_second: i64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: i64,
    count: u64,
}

impl RateMeter {
    /// A meter that has seen nothing before `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        Self { started_second: now_ms.div_euclid(1_000), slots: [Slot::default(); SLOTS] }
    }

    /// Counts `count` events.
    pub fn add(&mut self, now_ms: i64, count: u64) {
        let second = now_ms.div_euclid(1_000);
        let slot = &mut self.slots[second.rem_euclid(SLOTS as i64) as usize];
        if slot.second != second {
            *slot = Slot { second, count: 0 };
        }
        slot.count += count;
    }

    /// Events a second over the last ten whole seconds, or over those since the start.
    pub fn per_second(&self, now_ms: i64) -> f64 {
        let second = now_ms.div_euclid(1_000);
        let measured = (second - self.started_second).min(WINDOW_SECONDS);
        if measured < 1 {
            return 0.0;
        }
        let window = second - measured..second;
        let count: u64 =
            self.slots.iter().filter(|slot| window.contains(&slot.second)).map(|slot| slot.count).sum();
        count as f64 / measured as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_over_the_last_ten_whole_seconds() {
        let mut meter = RateMeter::new(0);
        for second in 0..60 {
            meter.add(second * 1_000 + 500, if second < 30 { 1 } else { 100 });
        }
        assert!((meter.per_second(60_000) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_young_meter_divides_by_its_age_and_a_silent_one_falls_to_zero() {
        let mut meter = RateMeter::new(100_000);
        assert!(meter.per_second(100_900).abs() < 1e-9);
        meter.add(100_100, 50);
        meter.add(101_100, 70);
        assert!((meter.per_second(102_000) - 60.0).abs() < 1e-9);
        assert!(meter.per_second(150_000).abs() < 1e-9);
    }
}
