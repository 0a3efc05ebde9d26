//! Times of day in words.

use chrono::NaiveTime;

const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];
/// Minutes as they are said after an hour.
const MINUTES: [(&str, u32); 4] =
    [("fifteen", 15), ("thirty", 30), ("forty-five", 45), ("forty", 40)];
/// Hours as Koreans count them; the longest first.
const HOURS_KO: [(&str, u32); 12] = [
    ("열두", 12),
    ("열한", 11),
    ("열", 10),
    ("아홉", 9),
    ("여덟", 8),
    ("일곱", 7),
    ("여섯", 6),
    ("다섯", 5),
    ("네", 4),
    ("세", 3),
    ("두", 2),
    ("한", 1),
];
/// People don't meet at night: an hour up to this one, with nothing said about it, is in the
/// afternoon.
const AFTERNOON_UNTIL: u32 = 7;

/// Half of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Morning,
    Afternoon,
}

/// The time of day that `text` names first; `None` if it names none.
///
/// Understood are "3 pm", "3:30 p.m.", "at 10", "at half past nine", "15:00", "noon", "오후 3시",
/// "10시 30분", "세 시 반", "정오". An hour of which nothing is said lies between 8 and 19 o'clock.
#[must_use]
pub fn find(text: &str) -> Option<NaiveTime> {
    english(&text.to_lowercase()).or_else(|| korean(text))
}

fn english(lower: &str) -> Option<NaiveTime> {
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != ':' && c != '.')
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| !word.is_empty())
        .collect();
    words.iter().enumerate().find_map(|(place, word)| {
        let at = |ahead: usize| words.get(place + ahead).copied().unwrap_or_default();
        let before = place.checked_sub(1).map_or("", |before| words[before]);
        if matches!(*word, "noon" | "midday") {
            return NaiveTime::from_hms_opt(12, 0, 0);
        }
        if *word == "half" && at(1) == "past" {
            return time(number(at(2))?, 30, half(at(3)));
        }
        let (clock, glued) = split(word);
        let (hour, minute) = match clock.split_once(':') {
            Some((hour, minute)) => (hour.parse().ok()?, Some(minute.parse().ok()?)),
            None => (number(clock)?, None),
        };
        let spoken = minute.is_none().then(|| MINUTES.iter().find(|(name, _)| *name == at(1)));
        let spoken = spoken.flatten().map(|(_, minute)| *minute);
        let after = place + 1 + usize::from(spoken.is_some());
        let minute = minute.or(spoken);
        let half = half(glued).or_else(|| half(words.get(after).copied().unwrap_or_default()));
        let half = half.or_else(|| part_of_day(words.get(after..).unwrap_or_default()));
        // A bare number is a time only after "at".
        let is_time = half.is_some() || minute.is_some() || at(1) == "o'clock" || at(1) == "oclock";
        let counted = matches!(at(1), "the" | "least" | "most" | "percent");
        (is_time || (before == "at" && !counted && hour <= 12))
            .then(|| time(hour, minute.unwrap_or(0), half))?
    })
}

/// "3pm" is "3" and "pm".
fn split(word: &str) -> (&str, &str) {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(word.len());
    if end == 0 { (word, "") } else { word.split_at(end) }
}

fn half(word: &str) -> Option<Half> {
    match word {
        "am" | "a.m" => Some(Half::Morning),
        "pm" | "p.m" => Some(Half::Afternoon),
        _ => None,
    }
}

/// "… in the morning".
fn part_of_day(after: &[&str]) -> Option<Half> {
    match after {
        ["in", "the", "morning", ..] => Some(Half::Morning),
        ["in", "the", "afternoon" | "evening", ..] => Some(Half::Afternoon),
        _ => None,
    }
}

fn number(word: &str) -> Option<u32> {
    let written = || NUMBERS.iter().position(|number| *number == word);
    word.parse().ok().or_else(|| u32::try_from(written()?).ok())
}

fn korean(text: &str) -> Option<NaiveTime> {
    if text.contains("정오") {
        return NaiveTime::from_hms_opt(12, 0, 0);
    }
    text.match_indices('시').find_map(|(at, word)| {
        let (before, after) = (text[..at].trim_end(), text[at + word.len()..].trim_start());
        // "3시간" is a length.
        if text[at + word.len()..].starts_with('간') {
            return None;
        }
        let (hour, before) = hour_ko(before)?;
        let minute = if after.starts_with('반') {
            30
        } else {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let minutes = after[end..].trim_start().starts_with('분');
            if minutes { after[..end].parse().unwrap_or(0) } else { 0 }
        };
        let before = before.trim_end();
        let half = if ["오전", "아침", "새벽"].iter().any(|word| before.ends_with(word)) {
            Some(Half::Morning)
        } else if ["오후", "저녁", "밤", "낮"].iter().any(|word| before.ends_with(word)) {
            Some(Half::Afternoon)
        } else {
            None
        };
        time(hour, minute, half)
    })
}

/// The hour at the end of `text`, and what stands before it.
fn hour_ko(text: &str) -> Option<(u32, &str)> {
    let digits = text.len() - text.bytes().rev().take_while(u8::is_ascii_digit).count();
    if digits < text.len() {
        return Some((text[digits..].parse().ok()?, &text[..digits]));
    }
    HOURS_KO.iter().find_map(|(name, hour)| {
        let before = text.strip_suffix(name)?;
        // "그런데 시…" holds no hour: it is a word of its own.
        (before.is_empty() || before.ends_with(char::is_whitespace)).then_some((*hour, before))
    })
}

fn time(hour: u32, minute: u32, half: Option<Half>) -> Option<NaiveTime> {
    let hour = match half {
        Some(Half::Morning) if hour == 12 => 0,
        Some(Half::Afternoon) if hour < 12 => hour + 12,
        None if (1..=AFTERNOON_UNTIL).contains(&hour) => hour + 12,
        _ => hour,
    };
    NaiveTime::from_hms_opt(hour, minute, 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_told_from_words() {
        for (text, at) in [
            ("next Tuesday at 3 pm", Some((15, 0))),
            ("at 3:30 p.m.", Some((15, 30))),
            ("10am works", Some((10, 0))),
            ("Friday at ten", Some((10, 0))),
            ("at 2 on Monday", Some((14, 0))),
            ("at half past nine", Some((9, 30))),
            ("at nine thirty", Some((9, 30))),
            ("at seven thirty in the morning", Some((7, 30))),
            ("at 16:45", Some((16, 45))),
            ("around noon", Some((12, 0))),
            ("at 12 am", Some((0, 0))),
            ("at the office, 3 people", None),
            ("we have 5 items", None),
            ("오후 3시에", Some((15, 0))),
            ("오전 10시 30분", Some((10, 30))),
            ("두 시 반에", Some((14, 30))),
            ("14시", Some((14, 0))),
            ("정오에", Some((12, 0))),
            ("3시간 동안", None),
            ("그런데 시작합시다", None),
            ("다시 합시다", None),
            ("25시", None),
        ] {
            let at = at.and_then(|(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0));
            assert_eq!(find(text), at, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = find(&text);
        }

        #[test]
        fn clocks_make_no_panic(text in "[0-9:시분반 apm.열두]{0,14}") {
            let _ = find(&text);
        }
    }
}
