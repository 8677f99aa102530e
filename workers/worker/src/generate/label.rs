//! The hidden score behind `is_fraud`: learnable from what a model sees, but not separable by it.
//!
//! The label is drawn with the probability of the score, so that no rule over the visible fields is
//! ever exact: some frauds look harmless, and some purchases that look bad are honest.

/// What the score depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Logarithm of the amount over what is usual at the shop for this user.
    pub(super) excess: f64,
    /// The amount in cents.
    pub(super) cents: u64,
    /// Risk of the city and of the shop's trade.
    pub(super) risk: f32,
    /// The user pays from a device that is not theirs.
    pub(super) new_device: bool,
    /// The user pays from another city than home.
    pub(super) away: bool,
    /// Payment in cryptocurrency.
    pub(super) crypto: bool,
    /// Hour of the day in UTC.
    pub(super) hour: u8,
    /// Saturday or Sunday.
    pub(super) weekend: bool,
    /// Purchases of this session so far.
    pub(super) earlier: u16,
    /// Somebody else has the user's credentials: what a model cannot see.
    pub(super) compromised: bool,
}

/// Calibrated for a share of frauds near 1 %.
const BASE: f64 = -6.4;

/// The probability that a purchase is fraud. `noise` is a standard normal number.
pub(super) fn fraud_probability(circumstances: &Circumstances, noise: f64) -> f64 {
    let yes = |fact: bool, weight: f64| if fact { weight } else { 0.0 };
    let score = BASE
        + 0.5 * circumstances.excess.clamp(-2.0, 3.0)
        + yes(circumstances.cents > 100_000, 0.6)
        + yes(circumstances.cents > 500_000, 0.6)
        + 0.8 * f64::from(circumstances.risk)
        + yes(circumstances.new_device, 1.3)
        + yes(circumstances.away, 0.4)
        + yes(circumstances.crypto, 1.0)
        + yes(circumstances.hour >= 23 || circumstances.hour < 5, 0.5)
        + yes(circumstances.weekend, 0.1)
        + 0.12 * f64::from(circumstances.earlier.min(12))
        + yes(circumstances.compromised, 3.2)
        + 0.7 * noise;
    1.0 / (1.0 + (-score).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARMLESS: Circumstances = Circumstances {
        excess: 0.0,
        cents: 2_000,
        risk: 0.0,
        new_device: false,
        away: false,
        crypto: false,
        hour: 14,
        weekend: false,
        earlier: 0,
        compromised: false,
    };

    #[test]
    fn every_risk_factor_raises_the_probability() {
        let base = fraud_probability(&HARMLESS, 0.0);
        let worse = [
            Circumstances { excess: 1.0, ..HARMLESS },
            Circumstances { cents: 200_000, ..HARMLESS },
            Circumstances { cents: 600_000, ..HARMLESS },
            Circumstances { risk: 1.0, ..HARMLESS },
            Circumstances { new_device: true, ..HARMLESS },
            Circumstances { away: true, ..HARMLESS },
            Circumstances { crypto: true, ..HARMLESS },
            Circumstances { hour: 23, ..HARMLESS },
            Circumstances { hour: 4, ..HARMLESS },
            Circumstances { weekend: true, ..HARMLESS },
            Circumstances { earlier: 6, ..HARMLESS },
            Circumstances { compromised: true, ..HARMLESS },
        ];
        for circumstances in worse {
            assert!(fraud_probability(&circumstances, 0.0) > base, "{circumstances:?}");
        }
    }

    #[test]
    fn nothing_is_ever_certain() {
        let worst = Circumstances {
            excess: 3.0,
            cents: 900_000,
            risk: 2.9,
            new_device: true,
            away: true,
            crypto: true,
            hour: 2,
            weekend: true,
            earlier: 12,
            compromised: false,
        };
        assert!(fraud_probability(&worst, 0.0) < 0.99);
        assert!(fraud_probability(&HARMLESS, 0.0) > 0.0);
    }
}
