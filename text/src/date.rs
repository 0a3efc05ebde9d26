//! Days in words: which day is meant, seen from the day on which it was said.

use chrono::{Datelike as _, Days, NaiveDate, Weekday};

const WEEKDAYS: [(Weekday, &str, &str); 7] = [
    (Weekday::Mon, "monday", "월요일"),
    (Weekday::Tue, "tuesday", "화요일"),
    (Weekday::Wed, "wednesday", "수요일"),
    (Weekday::Thu, "thursday", "목요일"),
    (Weekday::Fri, "friday", "금요일"),
    (Weekday::Sat, "saturday", "토요일"),
    (Weekday::Sun, "sunday", "일요일"),
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// A day without a year that lies longer ago than this, in days, is meant to be in the next year.
const PAST_DAYS: u64 = 60;

/// The first way of naming a day that `text` holds, as a day; `None` if it names none.
///
/// Understood are ISO dates, "December 3", "3 December", "12월 3일", today, tomorrow, the day after
/// tomorrow, and weekdays with and without "next" ("this" or none: the coming one; "next": the one
/// in the week after this one, which begins on Monday).
#[must_use]
pub fn find(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .collect();
    iso(&words)
        .or_else(|| month_and_day(&words, said_on))
        .or_else(|| korean_month_and_day(&lower, said_on))
        .or_else(|| weekday(&words, &lower, said_on))
        .or_else(|| near(&words, &lower, said_on))
}

fn iso(words: &[&str]) -> Option<NaiveDate> {
    words.iter().find_map(|word| word.parse().ok())
}

fn month_and_day(words: &[&str], said_on: NaiveDate) -> Option<NaiveDate> {
    let (place, month) = words.iter().enumerate().find_map(|(place, word)| {
        let month = MONTHS.iter().position(|month| month == word)?;
        Some((place, u32::try_from(month).ok()? + 1))
    })?;
    let after = words.get(place + 1).and_then(|word| day_of_month(word));
    let before = || place.checked_sub(1).and_then(|before| day_of_month(words[before]));
    coming(month, after.or_else(before)?, said_on)
}

fn day_of_month(word: &str) -> Option<u32> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end));
    digits.unwrap_or(word).parse().ok().filter(|day| (1..=31).contains(day))
}

/// "12월 3일": the number right before 월, and the one between it and 일.
fn korean_month_and_day(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    text.match_indices('월').find_map(|(at, month_word)| {
        let month = trailing_number(&text[..at])?;
        let rest = &text[at + month_word.len()..];
        let (day, _) = rest.split_once('일')?;
        coming(month, day.trim().parse().ok()?, said_on)
    })
}

fn trailing_number(text: &str) -> Option<u32> {
    let start = text
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    text[start..].parse().ok()
}

/// That day of this year, or of the next one if it is long past.
fn coming(month: u32, day: u32, said_on: NaiveDate) -> Option<NaiveDate> {
    let this = NaiveDate::from_ymd_opt(said_on.year(), month, day)?;
    let long_past = this.checked_add_days(Days::new(PAST_DAYS))? < said_on;
    if long_past { NaiveDate::from_ymd_opt(said_on.year() + 1, month, day) } else { Some(this) }
}

fn weekday(words: &[&str], text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let english = words.iter().enumerate().find_map(|(place, word)| {
        let (day, ..) = WEEKDAYS.iter().find(|(_, name, _)| name == word)?;
        let next = place.checked_sub(1).is_some_and(|before| words[before] == "next");
        Some((*day, next))
    });
    let korean = || {
        WEEKDAYS.iter().find_map(|(day, _, name)| {
            let before = &text[..text.find(name)?];
            let next = ["다음 주 ", "다음주 "].iter().any(|word| before.ends_with(word));
            Some((*day, next))
        })
    };
    let (day, next) = english.or_else(korean)?;
    let (today, wanted) = (said_on.weekday().num_days_from_monday(), day.num_days_from_monday());
    let ahead = match next {
        true => 7 - today + wanted,
        false if wanted > today => wanted - today,
        false => 7 - today + wanted,
    };
    said_on.checked_add_days(Days::new(u64::from(ahead)))
}

fn near(words: &[&str], text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let has = |word: &str| words.contains(&word);
    let ahead = if text.contains("day after tomorrow") || text.contains("모레") {
        2
    } else if has("tomorrow") || text.contains("내일") {
        1
    } else if has("today") || has("tonight") || text.contains("오늘") {
        0
    } else {
        return None;
    };
    said_on.checked_add_days(Days::new(ahead))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_told_from_words() {
        let thursday = NaiveDate::from_ymd_opt(2026, 11, 26).unwrap();
        for (text, day) in [
            ("Send it by tomorrow.", Some((2026, 11, 27))),
            ("the day after tomorrow", Some((2026, 11, 28))),
            ("Friday, please", Some((2026, 11, 27))),
            ("on Thursday", Some((2026, 12, 3))),
            ("next Monday", Some((2026, 11, 30))),
            ("next Friday", Some((2026, 12, 4))),
            ("on December 3rd", Some((2026, 12, 3))),
            ("the 3 December release", Some((2026, 12, 3))),
            ("in January 7", Some((2027, 1, 7))),
            ("on 2027-02-01.", Some((2027, 2, 1))),
            ("내일까지 보내 주세요", Some((2026, 11, 27))),
            ("모레 뵙겠습니다", Some((2026, 11, 28))),
            ("금요일까지 제출", Some((2026, 11, 27))),
            ("다음 주 금요일까지", Some((2026, 12, 4))),
            ("12월 3일까지", Some((2026, 12, 3))),
            ("오늘 안에", Some((2026, 11, 26))),
            ("We may do it.", None),
            ("February 31", None),
            ("13월 3일", None),
            ("", None),
        ] {
            let day = day.and_then(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day));
            assert_eq!(find(text, thursday), day, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), days in 0_i32..800_000) {
            let day = NaiveDate::from_num_days_from_ce_opt(days).unwrap_or_default();
            let _ = find(&text, day);
        }

        #[test]
        fn korean_numbers_make_no_panic(text in "[0-9월일 가]{0,12}") {
            let _ = find(&text, NaiveDate::default());
        }
    }
}
