//! What makes a telephone number and a time zone acceptable.

use super::account::Refusal;

/// Fewest digits of a telephone number in international form.
pub const MIN_PHONE_DIGITS: usize = 8;
/// Most digits of a telephone number in international form (E.164).
pub const MAX_PHONE_DIGITS: usize = 15;
/// Longest name of a time zone, in bytes.
pub const MAX_TIME_ZONE_BYTES: usize = 64;

/// Checks a telephone number, and writes it the usual way (`+82 10-1234-5678` → `+821012345678`).
///
/// # Errors
/// [`Refusal::InvalidPhone`] when it isn't `+`, the country's code and the number.
pub fn check_phone(phone: &str) -> Result<String, Refusal> {
    let rest = phone.trim().strip_prefix('+').ok_or(Refusal::InvalidPhone)?;
    let plain: String =
        rest.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    let digits = plain.bytes().all(|b| b.is_ascii_digit()) && !plain.starts_with('0');
    if digits && (MIN_PHONE_DIGITS..=MAX_PHONE_DIGITS).contains(&plain.len()) {
        Ok(format!("+{plain}"))
    } else {
        Err(Refusal::InvalidPhone)
    }
}

/// Whether this could be the name of an IANA time zone; whether there is such a one, data knows.
#[must_use]
pub fn check_time_zone(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    (1..=MAX_TIME_ZONE_BYTES).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_are_written_one_way() {
        assert_eq!(check_phone(" +82 10-1234-5678 "), Ok("+821012345678".to_owned()));
        assert_eq!(check_phone("+1 (555) 010.0000"), Ok("+15550100000".to_owned()));
        for wrong in ["", "+", "010-1234-5678", "+8210", "+0821012345678", "+82a1012345678"] {
            assert_eq!(check_phone(wrong), Err(Refusal::InvalidPhone), "{wrong:?}");
        }
        assert!(check_phone(&format!("+{}", "1".repeat(16))).is_err());
    }

    #[test]
    fn names_of_time_zones_are_plain() {
        assert!(check_time_zone("Asia/Seoul") && check_time_zone("Etc/GMT+9"));
        assert!(!check_time_zone("") && !check_time_zone("Asia Seoul"));
    }
}
