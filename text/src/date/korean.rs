//! Days in Korean words. Particles and endings stick to them, so they are looked for anywhere.

use chrono::{NaiveDate, Weekday};

use super::calendar::{
    after_days, after_months, coming_date, coming_day, coming_weekday, day_of_month, in_week,
    month_end, year_end,
};

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("월요일", Weekday::Mon),
    ("화요일", Weekday::Tue),
    ("수요일", Weekday::Wed),
    ("목요일", Weekday::Thu),
    ("금요일", Weekday::Fri),
    ("토요일", Weekday::Sat),
    ("일요일", Weekday::Sun),
];
/// Weeks by name, and how many after this one they are; the longest first.
const WEEKS: [(&str, u32); 11] = [
    ("다다음 주", 2),
    ("다다음주", 2),
    ("다음 주", 1),
    ("다음주", 1),
    ("차주", 1),
    ("내주", 1),
    ("이번 주", 0),
    ("이번주", 0),
    ("금주", 0),
    ("오는", 0),
    ("돌아오는", 0),
];
/// Months by name, and how many after this one they are.
const MONTHS: [(&str, u32); 8] = [
    ("다다음 달", 2),
    ("다음 달", 1),
    ("다음달", 1),
    ("내달", 1),
    ("이번 달", 0),
    ("이번달", 0),
    ("이달", 0),
    ("당월", 0),
];
/// Counted days that have a name.
const COUNTED: [(&str, u32); 11] = [
    ("하루", 1),
    ("이틀", 2),
    ("사흘", 3),
    ("나흘", 4),
    ("닷새", 5),
    ("엿새", 6),
    ("이레", 7),
    ("여드레", 8),
    ("아흐레", 9),
    ("열흘", 10),
    ("보름", 15),
];
const NUMBERS: [(&str, u32); 15] = [
    ("한", 1),
    ("두", 2),
    ("세", 3),
    ("네", 4),
    ("일", 1),
    ("이", 2),
    ("삼", 3),
    ("사", 4),
    ("오", 5),
    ("육", 6),
    ("칠", 7),
    ("팔", 8),
    ("구", 9),
    ("십", 10),
    ("다섯", 5),
];
/// What makes a length of time a day ahead.
const AHEAD: [&str; 7] = ["뒤", "후", "이내", "안에", "안으로", "내로", "내에"];

/// The first day that is named, and where (in bytes).
pub(super) fn find(text: &str, said_on: NaiveDate) -> Option<(usize, NaiveDate)> {
    text.char_indices().find_map(|(at, _)| {
        let date = day_at(&text[..at], &text[at..], said_on)?;
        Some((at, date))
    })
}

/// The day whose name begins `text`.
fn day_at(before: &str, text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    // In the middle of a number or of a word no day begins, nor in a month that doesn't exist.
    let inside = |c: char| c.is_ascii_digit() || ('가'..='힣').contains(&c);
    if before.ends_with(inside) || before.trim_end().ends_with('월') {
        return None;
    }
    named(text, said_on)
        .or_else(|| week(text, said_on))
        .or_else(|| month(text, said_on))
        .or_else(|| ahead(text, said_on))
        .or_else(|| numbered(text, said_on))
}

fn named(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let days = [
        ("내일모레", 2),
        ("내일 모레", 2),
        ("오늘", 0),
        ("금일", 0),
        ("내일", 1),
        ("명일", 1),
        ("모레", 2),
        ("글피", 3),
    ];
    if let Some((_, days)) = days.iter().find(|(name, _)| text.starts_with(name)) {
        return after_days(said_on, *days);
    }
    if text.starts_with("월말") {
        return month_end(said_on, 0);
    }
    if text.starts_with("연말") || text.starts_with("올해 말") {
        return year_end(said_on);
    }
    coming_weekday(said_on, weekday(text)?)
}

fn weekday(text: &str) -> Option<Weekday> {
    WEEKDAYS.iter().find(|(name, _)| text.starts_with(name)).map(|(_, day)| *day)
}

/// "다음 주 금요일", "이번 주 안에", "이번 주말".
fn week(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let (rest, weeks) =
        WEEKS.iter().find_map(|(name, weeks)| Some((text.strip_prefix(name)?, *weeks)))?;
    let coming = text.starts_with("오는") || text.starts_with("돌아오는");
    if let Some(day) = weekday(rest.trim_start()) {
        return if coming { coming_weekday(said_on, day) } else { in_week(said_on, weeks, day) };
    }
    if coming {
        return None;
    }
    if rest.starts_with("말까지")
        || rest.trim_start().starts_with("안")
        || rest.trim_start().starts_with("내")
        || rest.starts_with("까지")
        || rest.trim_start().starts_with("중으로")
    {
        return in_week(said_on, weeks, Weekday::Fri);
    }
    rest.starts_with('말').then(|| in_week(said_on, weeks, Weekday::Sat)).flatten()
}

/// "다음 달 5일", "이달 말".
fn month(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let (rest, months) =
        MONTHS.iter().find_map(|(name, months)| Some((text.strip_prefix(name)?, *months)))?;
    let rest = rest.trim_start();
    if rest.starts_with('말') || rest.starts_with("안에") || rest.starts_with("내로") {
        return month_end(said_on, months);
    }
    let (day, rest) = digits(rest)?;
    rest.starts_with('일').then(|| day_of_month(said_on, months, day)).flatten()
}

/// "2주 뒤", "열흘 뒤", "한 달 후".
fn ahead(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let (date, rest) = length(text, said_on)?;
    let rest = rest.trim_start();
    AHEAD.iter().any(|word| rest.starts_with(word)).then_some(date)
}

fn length(text: &str, said_on: NaiveDate) -> Option<(NaiveDate, &str)> {
    for (name, days) in COUNTED {
        if let Some(rest) = text.strip_prefix(name) {
            return Some((after_days(said_on, days)?, rest));
        }
    }
    if let Some(rest) = text.strip_prefix("일주일") {
        return Some((after_days(said_on, 7)?, rest));
    }
    let (count, rest) = digits(text).or_else(|| {
        NUMBERS.iter().find_map(|(name, number)| Some((*number, text.strip_prefix(name)?)))
    })?;
    let rest = rest.trim_start();
    for (unit, days) in [("주일", 7), ("주", 7), ("일", 1)] {
        if let Some(rest) = rest.strip_prefix(unit) {
            return Some((after_days(said_on, count.checked_mul(days)?)?, rest));
        }
    }
    for unit in ["개월", "달"] {
        if let Some(rest) = rest.strip_prefix(unit) {
            return Some((after_months(said_on, count)?, rest));
        }
    }
    None
}

/// "12월 3일", "12월 말", and "15일" of no month that is named.
fn numbered(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let (number, rest) = digits(text)?;
    let rest = rest.trim_start();
    if let Some(rest) = rest.strip_prefix('월') {
        let rest = rest.trim_start();
        if rest.starts_with('말') {
            return month_end(coming_date(said_on, number, 28)?, 0);
        }
        let (day, rest) = digits(rest)?;
        return rest
            .trim_start()
            .starts_with('일')
            .then(|| coming_date(said_on, number, day))
            .flatten();
    }
    let rest = rest.strip_prefix('일')?;
    // "3일 동안" is a length, "5일 전" is past.
    let length =
        ["간", "째", "차", "치", "동안", "전", "이상", "정도", "만에", "밖에", "이나", "걸"];
    let is_length = length.iter().any(|word| rest.trim_start().starts_with(word));
    (!is_length).then(|| coming_day(said_on, number)).flatten()
}

fn digits(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
