//! What clients were told to mend, by code.

use std::sync::LazyLock;

use super::IntCounterVec;

static TOLD: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters(
        "moim_user_errors_total",
        "User errors that mutations told clients of, by code.",
        &["code"],
    )
});

/// Counts a user error.
pub(crate) fn told(code: &'static str) {
    TOLD.with_label_values(&[code]).inc();
}
