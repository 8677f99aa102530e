//! Cron schedules: five fields, checked before a CronJob is refused for them.

/// What is wrong with a schedule.
pub(super) fn fault(schedule: &str) -> Option<String> {
    const FIELDS: [(&str, u32, u32); 5] = [
        ("minute", 0, 59),
        ("hour", 0, 23),
        ("day of month", 1, 31),
        ("month", 1, 12),
        ("day of week", 0, 6),
    ];
    let parts: Vec<&str> = schedule.split(' ').collect();
    if parts.len() != FIELDS.len() {
        return Some(format!("'{schedule}' has {} fields, not five", parts.len()));
    }
    parts.iter().zip(FIELDS).find_map(|(part, (name, least, most))| {
        let sound = part.split(',').all(|item| is_item(item, least, most));
        (!sound).then(|| format!("'{part}' is no {name}: {least} to {most}, a range, a list, * or a step"))
    })
}

/// `*`, `n` or `a-b`, each with an optional `/step`.
fn is_item(item: &str, least: u32, most: u32) -> bool {
    let number =
        |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let within = |text: &str| number(text).filter(|value| (least..=most).contains(value));
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    if step.is_some_and(|step| number(step).is_none_or(|step| step == 0)) {
        return false;
    }
    match range.split_once('-') {
        Some((first, last)) => within(first).zip(within(last)).is_some_and(|(first, last)| first <= last),
        None => range == "*" || within(range).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn five_sound_fields_have_no_fault() {
        for schedule in ["17 * * * *", "0 */6 * * *", "0,30 8-18/2 1 1-12 0-6", "5/15 * * * *"] {
            assert_eq!(fault(schedule), None, "{schedule}");
        }
    }

    #[test]
    fn a_fault_names_the_field() {
        for (schedule, expected) in [
            ("* * * *", "has 4 fields"),
            ("60 * * * *", "'60' is no minute"),
            ("* 24 * * *", "'24' is no hour"),
            ("* * 0 * *", "'0' is no day of month"),
            ("* * * 13 *", "'13' is no month"),
            ("* * * * 7", "'7' is no day of week"),
            ("*/0 * * * *", "'*/0' is no minute"),
            ("30-10 * * * *", "'30-10' is no minute"),
            ("+5 * * * *", "'+5' is no minute"),
            (", * * * *", "',' is no minute"),
        ] {
            let message = fault(schedule).unwrap_or_default();
            assert!(message.contains(expected), "{schedule}: {message}");
        }
    }
}
