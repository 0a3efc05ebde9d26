//! Days in English words.

use chrono::{NaiveDate, Weekday};

use super::calendar::{
    after_days, after_months, coming_date, coming_day, coming_weekday, in_week, month_end, year_end,
};

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Mon),
    ("tuesday", Weekday::Tue),
    ("wednesday", Weekday::Wed),
    ("thursday", Weekday::Thu),
    ("friday", Weekday::Fri),
    ("saturday", Weekday::Sat),
    ("sunday", Weekday::Sun),
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
const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];
const ORDINAL_ENDS: [&str; 4] = ["st", "nd", "rd", "th"];

/// The first day that is named, and where (in bytes).
pub(super) fn find(text: &str, said_on: NaiveDate) -> Option<(usize, NaiveDate)> {
    let words = words(text);
    (0..words.len()).find_map(|place| {
        let date = day_at(&words, place, said_on)?;
        Some((words[place].at, date))
    })
}

struct Word {
    at: usize,
    lower: String,
}

fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_alphanumeric() || c == '-';
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push(Word { at: from, lower: text[from..at].to_lowercase() });
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// The day whose name begins at this word.
fn day_at(words: &[Word], place: usize, said_on: NaiveDate) -> Option<NaiveDate> {
    let at = |ahead: usize| words.get(place + ahead).map_or("", |word| word.lower.as_str());
    let phrase = |phrase: &str| phrase.split(' ').enumerate().all(|(n, word)| at(n) == word);
    if let Ok(day) = at(0).parse() {
        return Some(day);
    }
    if phrase("day after tomorrow") {
        return after_days(said_on, 2);
    }
    match at(0) {
        "tomorrow" => return after_days(said_on, 1),
        "today" | "tonight" | "eod" | "cob" => return Some(said_on),
        "eow" => return in_week(said_on, 0, Weekday::Fri),
        "in" | "within" => return ahead(&at, 1, said_on),
        "end" => return end(&at, said_on),
        "month-end" => return month_end(said_on, 0),
        _ => {}
    }
    if let "this" = at(0)
        && let "morning" | "afternoon" | "evening" = at(1)
    {
        return Some(said_on);
    }
    if (0..=2).any(|n| at(n + 1) == "from" && matches!(at(n + 2), "now" | "today")) {
        return ahead(&at, 0, said_on);
    }
    month_and_day(&at, said_on)
        .or_else(|| weekday(words, place, said_on))
        .or_else(|| the_day(words, place, said_on))
}

/// "two weeks", "3 days", "a month".
fn ahead<'w>(at: &impl Fn(usize) -> &'w str, from: usize, said_on: NaiveDate) -> Option<NaiveDate> {
    let (count, unit) = match (at(from), at(from + 1)) {
        ("a" | "an", "couple") if at(from + 2) == "of" => (2, at(from + 3)),
        ("a" | "an" | "one", unit) => (1, unit),
        ("the", "next") => (number(at(from + 2))?, at(from + 3)),
        (count, unit) => (number(count)?, unit),
    };
    match unit {
        "day" | "days" => after_days(said_on, count),
        "week" | "weeks" | "week's" => after_days(said_on, count.checked_mul(7)?),
        "fortnight" => after_days(said_on, 14),
        "month" | "months" => after_months(said_on, count),
        _ => None,
    }
}

/// "end of the month", "end of day", "end of next week".
fn end<'w>(at: &impl Fn(usize) -> &'w str, said_on: NaiveDate) -> Option<NaiveDate> {
    if at(1) != "of" {
        return None;
    }
    let (next, unit) = match at(2) {
        "the" | "this" => (0, at(3)),
        "next" => (1, at(3)),
        unit => (0, unit),
    };
    match unit {
        "day" | "today" | "business" => Some(said_on),
        "week" => in_week(said_on, next, Weekday::Fri),
        "month" => month_end(said_on, next),
        "year" => year_end(said_on),
        month => {
            let month = u32::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
            month_end(coming_date(said_on, month, 28)?, 0)
        }
    }
}

fn number(word: &str) -> Option<u32> {
    let written = || NUMBERS.iter().position(|number| *number == word);
    word.parse().ok().or_else(|| u32::try_from(written()?).ok())
}

fn month(word: &str) -> Option<u32> {
    let short = word.len() >= 3 && word != "may";
    let place = MONTHS.iter().position(|month| {
        *month == word
            || (short && (month[..3] == *word || (word == "sept" && *month == "september")))
    })?;
    Some(u32::try_from(place).ok()? + 1)
}

/// "December 3", "3 December", "the 3rd of December".
fn month_and_day<'w>(at: &impl Fn(usize) -> &'w str, said_on: NaiveDate) -> Option<NaiveDate> {
    let (month, day) = if let Some(day) = of_month(at(0)) {
        (month(at(if at(1) == "of" { 2 } else { 1 }))?, day)
    } else {
        (month(at(0))?, of_month(at(if at(1) == "the" { 2 } else { 1 }))?)
    };
    coming_date(said_on, month, day)
}

fn of_month(word: &str) -> Option<u32> {
    let digits = ORDINAL_ENDS.iter().find_map(|end| word.strip_suffix(end));
    digits.unwrap_or(word).parse().ok().filter(|day| (1..=31).contains(day))
}

fn weekday(words: &[Word], place: usize, said_on: NaiveDate) -> Option<NaiveDate> {
    let word = |place: Option<usize>| {
        place.and_then(|place| words.get(place)).map_or("", |word| word.lower.as_str())
    };
    let (name, plural) = match words[place].lower.strip_suffix('s') {
        Some(name) => (name, true),
        None => (words[place].lower.as_str(), false),
    };
    let (_, day) = WEEKDAYS.iter().find(|(weekday, _)| *weekday == name)?;
    let (before, earlier) = (word(place.checked_sub(1)), word(place.checked_sub(2)));
    // "On Mondays" is a habit, "last Monday" is past.
    if plural || before == "last" || before == "every" {
        return None;
    }
    let (after, following) = (word(Some(place + 1)), word(Some(place + 2)));
    let next = before == "next"
        || (before == "week" && earlier == "next")
        || (before == "on" && earlier == "week")
        || (after == "next" && following == "week")
        || (after == "of" && following == "next");
    if earlier == "week" && before == "from" {
        return after_days(coming_weekday(said_on, *day)?, 7);
    }
    match next {
        true => in_week(said_on, 1, *day),
        false if before == "this" => in_week(said_on, 0, *day).filter(|date| *date >= said_on),
        false => coming_weekday(said_on, *day),
    }
}

/// "the 15th": of no month that is named.
fn the_day(words: &[Word], place: usize, said_on: NaiveDate) -> Option<NaiveDate> {
    let word = words[place].lower.as_str();
    let before = place.checked_sub(1).map(|before| words[before].lower.as_str())?;
    let ordinal = ORDINAL_ENDS.iter().any(|end| word.ends_with(end));
    let of_a_month = words.get(place + 1).is_none_or(|after| {
        // "The 2nd floor" is no day.
        matches!(
            after.lower.as_str(),
            "you"
                | "we"
                | "i"
                | "they"
                | "that"
                | "but"
                | "because"
                | "though"
                | "at"
                | "and"
                | "or"
                | "if"
                | "is"
                | "so"
                | "then"
                | "works"
                | "in"
                | "for"
                | "to"
                | "please"
                | "of"
        )
    });
    if !ordinal || !matches!(before, "the" | "by" | "on") || !of_a_month {
        return None;
    }
    coming_day(said_on, of_month(word)?)
}
