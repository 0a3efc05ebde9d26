//! The rules, for any input.

use chrono::{TimeDelta, Utc};
use proptest::prelude::*;
use user::domain::{
    account::{Email, MIN_PASSWORD_CHARS, Refusal, check_locale, check_name, check_password},
    session::{Presented, Verdict, judge},
};

fn email() -> Email {
    Email::parse("somebody@example.com").expect("valid")
}

proptest! {
    #[test]
    fn no_input_breaks_the_rules(text in any::<String>()) {
        let _ = Email::parse(&text);
        let _ = check_password(&text, &email());
        let _ = check_name(&text);
        let _ = check_locale(&text);
    }

    #[test]
    fn normalising_an_address_twice_changes_nothing(text in "[ ]?[A-Za-z0-9.+-]{1,12}@[A-Za-z0-9-]{1,8}\\.[A-Za-z]{2,4}[ ]?") {
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
            prop_assert_eq!(Email::parse(&email.as_str().to_uppercase()), Ok(email));
        }
    }

    #[test]
    fn plain_addresses_are_accepted(local in "[a-z0-9]{1,20}(\\.[a-z0-9]{1,20})?", host in "[a-z][a-z0-9]{0,20}\\.[a-z]{2,6}") {
        let address = format!("{local}@{host}");
        prop_assert_eq!(Email::parse(&address).map(|email| email.as_str().to_owned()), Ok(address));
    }

    #[test]
    fn an_accepted_address_is_one_line_with_one_host(text in any::<String>()) {
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(email.as_str().matches('@').count(), 1);
            prop_assert!(email.as_str().bytes().all(|b| b.is_ascii_graphic()));
        }
    }

    #[test]
    fn short_passwords_are_refused(text in "\\PC{0,9}") {
        prop_assert_eq!(check_password(&text, &email()), Err(Refusal::PasswordTooShort));
    }

    #[test]
    fn one_character_over_and_over_is_refused(c in any::<char>(), n in MIN_PASSWORD_CHARS..60) {
        let text: String = std::iter::repeat_n(c, n).collect();
        prop_assert_eq!(check_password(&text, &email()), Err(Refusal::PasswordRepeats));
    }

    #[test]
    fn ordinary_passwords_are_accepted(text in "[a-z]{5}[0-9]{5}\\PC{0,40}") {
        prop_assert_eq!(check_password(&text, &email()), Ok(()));
    }

    #[test]
    fn accepted_locales_are_korean_or_english(tag in "[a-zA-Z]{2}(-[a-zA-Z]{2})?") {
        if let Ok(locale) = check_locale(&tag) {
            prop_assert!(locale.starts_with("ko") || locale.starts_with("en"));
            prop_assert_eq!(check_locale(&locale), Ok(locale));
        }
    }

    #[test]
    fn a_token_is_exchanged_only_while_it_is_fresh(
        ends_in_s in -1000_i64..1000, used in any::<bool>(), revoked in any::<bool>(),
    ) {
        let now = Utc::now();
        let token = Presented {
            expires_at: now + TimeDelta::seconds(ends_in_s),
            used_at: used.then_some(now),
            revoked_at: revoked.then_some(now),
        };
        let verdict = judge(token, now);
        prop_assert_eq!(verdict == Verdict::Rotate, !used && !revoked && ends_in_s > 0);
        prop_assert_eq!(verdict == Verdict::RevokeSession, used && !revoked);
    }
}

#[test]
fn the_address_is_no_password() {
    let refused = check_password(" Somebody@Example.com ", &email());
    assert_eq!(refused, Err(Refusal::PasswordIsEmail));
}
