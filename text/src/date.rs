//! Days in words: which day is meant, seen from the day on which it was said.

mod calendar;
mod english;
mod korean;

use chrono::NaiveDate;

/// The day that `text` names first; `None` if it names none.
///
/// | what is understood | for example |
/// |---|---|
/// | dates | 2026-12-03, December 3, the 3rd of December, the 15th, 12월 3일, 다음 달 5일, 15일 |
/// | days close by | today, tomorrow, the day after tomorrow, 오늘, 내일, 모레, 글피 |
/// | weekdays | Friday (the coming one), next Friday (of the week after this one), 다음 주 금요일 |
/// | ends | end of the week (its Friday), of the month, of the year, 월말, 이번 주 안에 |
/// | lengths | in two weeks, three days from now, 2주 뒤, 열흘 뒤, 한 달 후 |
///
/// Weeks begin on Monday. A date without a year is of this year, unless it is long past; a day
/// without a month is the coming one.
#[must_use]
pub fn find(text: &str, said_on: NaiveDate) -> Option<NaiveDate> {
    let found = [english::find(text, said_on), korean::find(text, said_on)];
    found.into_iter().flatten().min_by_key(|(at, _)| *at).map(|(_, date)| date)
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
            ("in two weeks", Some((2026, 12, 10))),
            ("a week from now", Some((2026, 12, 3))),
            ("in 3 days", Some((2026, 11, 29))),
            ("by the end of the month", Some((2026, 11, 30))),
            ("by end of next week", Some((2026, 12, 4))),
            ("at the end of January", Some((2027, 1, 31))),
            ("by the 15th", Some((2026, 12, 15))),
            ("on the 28th at noon", Some((2026, 11, 28))),
            ("the 3rd of December", Some((2026, 12, 3))),
            ("by Dec 3", Some((2026, 12, 3))),
            ("Tuesday next week", Some((2026, 12, 1))),
            ("a week from Friday", Some((2026, 12, 4))),
            ("on the 2nd floor", None),
            ("every Monday", None),
            ("last Monday", None),
            ("on Fridays", None),
            ("내일모레까지", Some((2026, 11, 28))),
            ("글피에", Some((2026, 11, 29))),
            ("이번 주 금요일", Some((2026, 11, 27))),
            ("다다음 주 월요일", Some((2026, 12, 7))),
            ("2주 뒤에", Some((2026, 12, 10))),
            ("두 달 후에", Some((2027, 1, 26))),
            ("열흘 뒤", Some((2026, 12, 6))),
            ("일주일 뒤에", Some((2026, 12, 3))),
            ("월말까지", Some((2026, 11, 30))),
            ("다음 달 5일까지", Some((2026, 12, 5))),
            ("다음 달 말까지", Some((2026, 12, 31))),
            ("이번 주 안에", Some((2026, 11, 27))),
            ("15일까지", Some((2026, 12, 15))),
            ("3일 동안", None),
            ("생일 축하합니다", None),
            ("12월 말까지", Some((2026, 12, 31))),
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
