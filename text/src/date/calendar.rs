//! Arithmetic on days. Every function gives `None` for a day that doesn't exist.

use chrono::{Datelike as _, Days, Months, NaiveDate, Weekday};

/// A day without a year that lies longer ago than this, in days, is meant to be in the next year.
const PAST_DAYS: u64 = 60;

/// So many days later.
pub(super) fn after_days(day: NaiveDate, days: u32) -> Option<NaiveDate> {
    day.checked_add_days(Days::new(u64::from(days)))
}

/// So many months later; in a shorter month its last day.
pub(super) fn after_months(day: NaiveDate, months: u32) -> Option<NaiveDate> {
    day.checked_add_months(Months::new(months))
}

/// That day of the week that comes so many weeks after this one. Weeks begin on Monday.
pub(super) fn in_week(day: NaiveDate, weeks: u32, wanted: Weekday) -> Option<NaiveDate> {
    let monday =
        day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())))?;
    after_days(monday, weeks.checked_mul(7)?.checked_add(wanted.num_days_from_monday())?)
}

/// The coming one; seven days ahead when today is one.
pub(super) fn coming_weekday(day: NaiveDate, wanted: Weekday) -> Option<NaiveDate> {
    let (today, wanted) = (day.weekday().num_days_from_monday(), wanted.num_days_from_monday());
    after_days(day, if wanted > today { wanted - today } else { 7 + wanted - today })
}

/// That day of this year, or of the next one if it is long past.
pub(super) fn coming_date(day: NaiveDate, month: u32, of_month: u32) -> Option<NaiveDate> {
    let this = NaiveDate::from_ymd_opt(day.year(), month, of_month)?;
    let long_past = this.checked_add_days(Days::new(PAST_DAYS))? < day;
    if long_past {
        NaiveDate::from_ymd_opt(day.year().checked_add(1)?, month, of_month)
    } else {
        Some(this)
    }
}

/// That day of this month, or of the next one if it is past.
pub(super) fn coming_day(day: NaiveDate, of_month: u32) -> Option<NaiveDate> {
    match day.with_day(of_month) {
        Some(this) if this >= day => Some(this),
        _ => day_of_month(day, 1, of_month),
    }
}

/// That day of the month that comes so many months after this one.
pub(super) fn day_of_month(day: NaiveDate, months: u32, of_month: u32) -> Option<NaiveDate> {
    after_months(day.with_day(1)?, months)?.with_day(of_month)
}

/// The last day of the month that comes so many months after this one.
pub(super) fn month_end(day: NaiveDate, months: u32) -> Option<NaiveDate> {
    after_months(day.with_day(1)?, months.checked_add(1)?)?.pred_opt()
}

/// The last day of this year.
pub(super) fn year_end(day: NaiveDate) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(day.year(), 12, 31)
}
