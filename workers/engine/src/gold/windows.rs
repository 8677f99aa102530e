//! [`Windows`]: which windows a moment belongs to, and when they close.

use crate::watermark::micros;

/// The windows of a table: aligned to the epoch, of one size, each a *slide* after the one before.
///
/// The slide divides the size, so time falls into *panes* of the length of the slide that no window cuts. A pane
/// is named by its number (its start divided by the slide), a window by the number of its first pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    slide_us: i64,
    /// Panes in a window, and windows that a pane belongs to.
    panes: i64,
    allowed_lateness_us: i64,
}

impl Windows {
    /// Windows of lengths that were checked: none is zero, and the slide divides the size.
    pub(crate) fn new(size_ms: u64, slide_ms: u64, allowed_lateness_ms: u64) -> Self {
        let (size_us, slide_us) = (micros(size_ms), micros(slide_ms));
        Self { slide_us, panes: size_us / slide_us, allowed_lateness_us: micros(allowed_lateness_ms) }
    }

    /// How many windows a pane belongs to.
    pub(crate) fn per_pane(&self) -> u32 {
        self.panes as u32
    }

    /// The pane of a moment.
    pub(crate) fn pane(&self, time_us: i64) -> i64 {
        time_us.div_euclid(self.slide_us)
    }

    /// The first moment of a pane, or of a window.
    pub(crate) fn start_us(&self, number: i64) -> i64 {
        number.saturating_mul(self.slide_us)
    }

    /// The first moment behind a window.
    pub(crate) fn end_us(&self, window: i64) -> i64 {
        self.start_us(window.saturating_add(self.panes))
    }

    /// The first watermark at which a window has closed.
    pub(crate) fn closing_us(&self, window: i64) -> i64 {
        self.end_us(window).saturating_add(self.allowed_lateness_us)
    }

    /// The first window of a pane, in the order of their ends.
    pub(crate) fn first_of(&self, pane: i64) -> i64 {
        pane - (self.panes - 1)
    }

    /// The windows that have closed where the watermark is this: all that are named by a number below.
    pub(crate) fn first_open(&self, watermark_us: i64) -> i64 {
        // A window is closed when its end + lateness <= watermark: (window + panes) * slide <= watermark - lateness.
        let ended = watermark_us.saturating_sub(self.allowed_lateness_us).div_euclid(self.slide_us);
        ended.saturating_sub(self.panes).saturating_add(1)
    }

    /// How many of a pane's windows have closed where the watermark is this.
    pub(crate) fn closed(&self, pane: i64, watermark_us: i64) -> u32 {
        let closed = self.first_open(watermark_us).saturating_sub(self.first_of(pane));
        closed.clamp(0, self.panes) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::watermark::MINUS_INFINITY;

    const MINUTE_US: i64 = 60_000_000;

    /// The example's merchant table: 15 min every 5 min, 5 min late.
    fn hop() -> Windows {
        Windows::new(900_000, 300_000, 300_000)
    }

    #[test]
    fn windows_are_half_open_and_aligned_to_the_epoch() {
        let windows = Windows::new(600_000, 600_000, 0);
        assert_eq!(windows.per_pane(), 1);
        let pane = |minutes: i64| windows.pane(minutes * MINUTE_US);
        assert_eq!((pane(0), pane(9), pane(10), pane(-1), pane(-10), pane(-11)), (0, 0, 1, -1, -1, -2));
        assert_eq!(windows.pane(10 * MINUTE_US - 1), 0);
        assert_eq!((windows.start_us(-1), windows.end_us(-1)), (-10 * MINUTE_US, 0));
    }

    #[test]
    fn a_pane_belongs_to_as_many_windows_as_slides_fit_in_a_window() {
        let windows = hop();
        let pane = windows.pane(20 * MINUTE_US);
        assert_eq!((windows.per_pane(), pane, windows.first_of(pane)), (3, 4, 2));
        assert_eq!(windows.end_us(2), 25 * MINUTE_US, "the first window ends with the pane");
        assert_eq!(windows.start_us(4), 20 * MINUTE_US, "the last begins with it");
    }

    #[test]
    fn a_window_closes_when_the_watermark_has_its_end_and_the_lateness() {
        let windows = hop();
        // The windows of the pane [20, 25) end at 25, 30 and 35.
        let closed = |watermark_us| windows.closed(4, watermark_us);
        assert_eq!(closed(MINUS_INFINITY), 0);
        assert_eq!(closed(30 * MINUTE_US - 1), 0);
        assert_eq!(closed(30 * MINUTE_US), 1);
        assert_eq!(closed(35 * MINUTE_US - 1), 1);
        assert_eq!(closed(35 * MINUTE_US), 2);
        assert_eq!(closed(40 * MINUTE_US), 3);
        assert_eq!(closed(i64::MAX), 3);
    }

    proptest! {
        #[test]
        fn closed_windows_are_those_of_the_definition(
            slide_ms in 1..50_u64, panes in 1..20_u64, lateness_ms in 0..100_u64,
            time_us in -1_000_000..1_000_000_i64, watermark_us in -1_000_000..1_000_000_i64,
        ) {
            let windows = Windows::new(slide_ms * panes, slide_ms, lateness_ms);
            let pane = windows.pane(time_us);
            let of_pane: Vec<i64> = (windows.first_of(pane)..=pane).collect();
            prop_assert_eq!(of_pane.len(), panes as usize);
            for &window in &of_pane {
                prop_assert!(windows.start_us(window) <= time_us && time_us < windows.end_us(window));
            }
            let is_closed =
                |window: i64| windows.end_us(window) + lateness_ms as i64 * 1_000 <= watermark_us;
            let closed = of_pane.iter().filter(|&&window| is_closed(window)).count();
            prop_assert_eq!(windows.closed(pane, watermark_us), closed as u32);
            for window in of_pane {
                prop_assert_eq!(window < windows.first_open(watermark_us), is_closed(window));
            }
        }
    }
}
