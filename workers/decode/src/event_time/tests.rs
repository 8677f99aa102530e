use super::*;
use proptest::prelude::*;

fn utc(text: &str) -> Option<i64> {
    EventTimeParser::new("UTC").unwrap().parse(text)
}

fn iso(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap().to_string()
}

fn in_zone(zone: &str, text: &str) -> Option<String> {
    EventTimeParser::new(zone).unwrap().parse(text).map(iso)
}

#[test]
fn every_accepted_form_parses() {
    for (text, expected) in [
        ("2026-01-05", "2026-01-05T00:00:00Z"),
        ("2026-01-05T20:15", "2026-01-05T20:15:00Z"),
        ("2026-01-05 20:15", "2026-01-05T20:15:00Z"),
        ("2026-01-05T20:15Z", "2026-01-05T20:15:00Z"),
        ("2026-01-05T20:15:30", "2026-01-05T20:15:30Z"),
        ("2026-01-05 20:15:30Z", "2026-01-05T20:15:30Z"),
        ("2026-01-05T20:15:30.1", "2026-01-05T20:15:30.1Z"),
        ("2026-01-05T20:15:30.123456", "2026-01-05T20:15:30.123456Z"),
        ("2026-01-05T20:15:30.1234567Z", "2026-01-05T20:15:30.123456Z"),
        ("2026-01-05T20:15:30.999999999+00", "2026-01-05T20:15:30.999999Z"),
        ("2026-01-05T20:15:30.000000999", "2026-01-05T20:15:30Z"),
        ("2026-01-05T20:15+02:00", "2026-01-05T18:15:00Z"),
        ("2026-01-05T20:15:30+0230", "2026-01-05T17:45:30Z"),
        ("2026-01-05T20:15:30-05", "2026-01-06T01:15:30Z"),
        ("2026-01-05T20:15:30.5-05:30", "2026-01-06T01:45:30.5Z"),
        ("2026-01-05T20:15:30-0000", "2026-01-05T20:15:30Z"),
        ("2026-01-05T20:15:30+23:59", "2026-01-04T20:16:30Z"),
        ("2026-01-05T00:00-23:59", "2026-01-05T23:59:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("2000-02-29T23:59:59.999999", "2000-02-29T23:59:59.999999Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("1970-01-01T00:00:00", "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(utc(text).map(iso).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn everything_else_does_not_parse() {
    for text in [
        "",
        " ",
        "2026",
        "2026-01",
        "20260105",
        "2026-W02-1",
        "2026-005",
        "26-01-05",
        "2026-1-5",
        "02026-01-05",
        "+2026-01-05",
        "-2026-01-05",
        "0000-01-01",
        "10000-01-01",
        "2026-00-05",
        "2026-13-05",
        "2026-01-00",
        "2026-01-32",
        "2026-02-29",
        "1900-02-29",
        "2026-04-31",
        "2026-06-31",
        "2026-09-31",
        "2026-11-31",
        "2026/01/05",
        "2026-01-05Z",
        "2026-01-05+02:00",
        "2026-01-05T",
        "2026-01-05 ",
        " 2026-01-05",
        "2026-01-05t20:15",
        "2026-01-05  20:15",
        "2026-01-05_20:15",
        "2026-01-05T20",
        "2026-01-05T20Z",
        "2026-01-05T2015",
        "2026-01-05T20:1",
        "2026-01-05T8:15",
        "2026-01-05T24:00",
        "2026-01-05T24:00:00",
        "2026-01-05T23:60",
        "2026-01-05T23:59:60",
        "2026-01-05T20:15:3",
        "2026-01-05T20:15:",
        "2026-01-05T20:15.5",
        "2026-01-05T20:15:30.",
        "2026-01-05T20:15:30.Z",
        "2026-01-05T20:15:30,5",
        "2026-01-05T20:15:30.1234567890",
        "2026-01-05T20:15:30z",
        "2026-01-05T20:15:30 Z",
        "2026-01-05T20:15:30Z ",
        "2026-01-05T20:15:30 +02:00",
        "2026-01-05T20:15:30+2",
        "2026-01-05T20:15:30+02:",
        "2026-01-05T20:15:30+02:0",
        "2026-01-05T20:15:30+020",
        "2026-01-05T20:15:30+24:00",
        "2026-01-05T20:15:30+02:60",
        "2026-01-05T20:15:30+02:00:00",
        "2026-01-05T20:15:30+02-00",
        "2026-01-05T20:15:30ZZ",
        "2026-01-05T20:15:30UTC",
        "2026-01-05T20:15:30Z[UTC]",
        "2026-01-05T20:15:30 Europe/Paris",
        "2026-01-05T20:15:30\u{2212}05:00",
        "1767644130",
        "1767644130.5",
        "2026-01-05T20:15:30\n",
        "2026-01-05T20:15:30\0",
        "\u{feff}2026-01-05",
        "２０２６-01-05",
        "2026-01-0٥",
        "2026-01-05T20:15:30.١",
        "2026-01-05T-1:15",
        "2026-01-05T+1:15",
        "2026-01-05T20:15:+3",
        "now",
        "NaN",
    ] {
        assert_eq!(utc(text), None, "{text:?}");
    }
}

#[test]
fn fractions_are_cut_digit_by_digit_before_1970_too() {
    assert_eq!(utc("1969-12-31T23:59:59.9999999"), Some(-1));
    assert_eq!(utc("1969-12-31T23:59:59.9999991Z"), Some(-1));
    assert_eq!(utc("1969-12-31T23:59:59.0000009"), Some(-1_000_000));
    assert_eq!(utc("1970-01-01T00:00:00.0000009"), Some(0));
}

#[test]
fn the_ends_of_the_years_parse_whatever_the_offset() {
    assert_eq!(utc("0001-01-01T00:00:00+23:59"), Some(-62_135_596_800_000_000 - 86_340_000_000));
    assert_eq!(utc("9999-12-31T23:59:59.999999-23:59"), Some(253_402_300_799_999_999 + 86_340_000_000));
    for zone in ["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"] {
        let parser = EventTimeParser::new(zone).unwrap();
        assert!(parser.parse("0001-01-01").is_some(), "{zone}");
        assert!(parser.parse("9999-12-31T23:59:59.999999").is_some(), "{zone}");
    }
    assert_eq!(
        EventTimeParser::new("America/New_York").unwrap().parse("9999-12-31T12:00"),
        utc("9999-12-31T17:00")
    );
}

#[test]
fn naive_text_is_read_in_the_zone_and_an_offset_overrides_it() {
    assert_eq!(in_zone("Europe/Paris", "2026-01-05").unwrap(), "2026-01-04T23:00:00Z");
    assert_eq!(in_zone("Europe/Paris", "2026-07-05T12:00").unwrap(), "2026-07-05T10:00:00Z");
    assert_eq!(in_zone("Europe/Paris", "2026-07-05T12:00Z").unwrap(), "2026-07-05T12:00:00Z");
    assert_eq!(in_zone("Asia/Kolkata", "2026-07-05 12:00:00.25").unwrap(), "2026-07-05T06:30:00.25Z");
    assert_eq!(in_zone("Etc/UTC", "2026-07-05T12:00").unwrap(), "2026-07-05T12:00:00Z");
}

#[test]
fn a_skipped_time_moves_forward_and_of_a_repeated_time_the_first_is_meant() {
    assert_eq!(in_zone("Europe/Paris", "2026-03-29T02:30").unwrap(), "2026-03-29T01:30:00Z");
    assert_eq!(in_zone("Europe/Paris", "2026-10-25T02:30").unwrap(), "2026-10-25T00:30:00Z");
    assert_eq!(in_zone("America/New_York", "2026-03-08T02:00").unwrap(), "2026-03-08T07:00:00Z");
    assert_eq!(
        in_zone("America/New_York", "2026-11-01T01:59:59.999999").unwrap(),
        "2026-11-01T05:59:59.999999Z"
    );
}

#[test]
fn an_unknown_zone_is_an_error_that_names_it() {
    for name in ["Mars/Olympus", "", "Etc/Unknown", "+02:00", "local"] {
        let error = EventTimeParser::new(name).unwrap_err();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}

proptest! {
    #[test]
    fn printed_times_parse_to_themselves(micros in -62_135_596_800_000_000i64..253_402_207_200_000_000) {
        prop_assert_eq!(utc(&iso(micros)), Some(micros));
    }

    #[test]
    fn zones_agree_with_the_compatible_reading(
        zone in proptest::sample::select(vec!["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        micros in -2_000_000_000_000_000i64..4_000_000_000_000_000,
    ) {
        let text = iso(micros).trim_end_matches('Z').to_owned();
        let civil: jiff::civil::DateTime = text.parse().unwrap();
        let zone_rules = TimeZoneDatabase::bundled().get(zone).unwrap();
        let expected = zone_rules.to_ambiguous_timestamp(civil).compatible().unwrap();
        prop_assert_eq!(EventTimeParser::new(zone).unwrap().parse(&text), Some(expected.as_microsecond()));
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,40}") {
        let _ = utc(&text);
    }

    #[test]
    fn near_misses_never_panic(text in "[0-9T:.Z+ -]{0,36}") {
        let _ = EventTimeParser::new("Europe/Paris").unwrap().parse(&text);
    }
}
