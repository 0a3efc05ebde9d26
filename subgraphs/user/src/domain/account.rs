//! What makes an email address, a password, a name and a locale acceptable.

use thiserror::Error;

/// Shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 10;
/// Longest password, in bytes: hashing a book would be a cheap way to burn our CPU.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// Longest display name, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Longest email address, in bytes (RFC 5321).
pub const MAX_EMAIL_BYTES: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321).
pub const MAX_EMAIL_LOCAL_BYTES: usize = 64;
/// Longest label of a domain name, in bytes (RFC 1035).
pub const MAX_DOMAIN_LABEL_BYTES: usize = 63;
/// The locale of those who don't choose one.
pub const DEFAULT_LOCALE: &str = "ko";
/// The time zone of those who don't choose one.
pub const DEFAULT_TIME_ZONE: &str = "Asia/Seoul";

/// Why a registration is refused; the texts are shown to the person who registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not an address that mail could be sent to.
    #[error("this is not a valid email address")]
    InvalidEmail,
    /// Somebody has an account with this address.
    #[error("an account with this email address already exists")]
    EmailTaken,
    /// Fewer than [`MIN_PASSWORD_CHARS`] characters.
    #[error("the password needs at least {MIN_PASSWORD_CHARS} characters")]
    PasswordTooShort,
    /// More than [`MAX_PASSWORD_BYTES`] bytes.
    #[error("the password may have at most {MAX_PASSWORD_BYTES} bytes")]
    PasswordTooLong,
    /// One character over and over.
    #[error("the password must not be a single repeated character")]
    PasswordRepeats,
    /// The password is the email address.
    #[error("the password must not be the email address")]
    PasswordIsEmail,
    /// Empty, too long, or with control characters.
    #[error("the name needs 1 to {MAX_NAME_CHARS} characters on one line")]
    InvalidName,
    /// Neither Korean nor English.
    #[error("the locale must be a Korean or English language tag such as \"ko\" or \"en-US\"")]
    InvalidLocale,
    /// Wrong email or password: which one is never said.
    #[error("the email address or the password is wrong")]
    InvalidCredentials,
    /// The password that was asked for once more isn't right.
    #[error("the password is wrong")]
    WrongPassword,
    /// An administrator shut the account.
    #[error("this account is shut; ask whoever runs this installation")]
    AccountDisabled,
    /// No account with this id or address.
    #[error("there is no such account")]
    UserNotFound,
    /// Nobody else could administer then.
    #[error("this is the last administrator; make somebody else one first")]
    LastAdmin,
    /// Nobody shuts himself out.
    #[error("one can't shut one's own account; delete it instead")]
    OwnAccount,
    /// Everybody has it.
    #[error("everybody with an account has this role")]
    RoleOfAll,
    /// The account was deleted, while a token of it was still good.
    #[error("this account doesn't exist any more")]
    NoAccount,
    /// Not one of the IANA database.
    #[error("the time zone must be a name like \"Asia/Seoul\"")]
    InvalidTimeZone,
    /// Not in international form.
    #[error("the telephone number must be in international form, like +821012345678")]
    InvalidPhone,
    /// Unknown, expired, used or revoked.
    #[error("the refresh token is not valid any more; log in again")]
    InvalidRefreshToken,
}

impl Refusal {
    /// The stable code that clients branch on.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidEmail => "INVALID_EMAIL",
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::PasswordTooShort
            | Self::PasswordTooLong
            | Self::PasswordRepeats
            | Self::PasswordIsEmail => "WEAK_PASSWORD",
            Self::InvalidName => "INVALID_NAME",
            Self::InvalidLocale => "INVALID_LOCALE",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::WrongPassword => "WRONG_PASSWORD",
            Self::AccountDisabled => "ACCOUNT_DISABLED",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::LastAdmin => "LAST_ADMIN",
            Self::OwnAccount => "OWN_ACCOUNT",
            Self::RoleOfAll => "ROLE_OF_ALL",
            Self::NoAccount => "NO_ACCOUNT",
            Self::InvalidTimeZone => "INVALID_TIME_ZONE",
            Self::InvalidPhone => "INVALID_PHONE",
            Self::InvalidRefreshToken => "INVALID_REFRESH_TOKEN",
        }
    }

    /// The input field to mend, when it is a single one.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::InvalidEmail | Self::EmailTaken => Some("email"),
            Self::PasswordTooShort
            | Self::PasswordTooLong
            | Self::PasswordRepeats
            | Self::PasswordIsEmail
            | Self::WrongPassword => Some("password"),
            Self::InvalidName => Some("name"),
            Self::InvalidLocale => Some("locale"),
            Self::InvalidTimeZone => Some("timeZone"),
            Self::InvalidPhone => Some("phone"),
            Self::UserNotFound | Self::LastAdmin | Self::OwnAccount => Some("userId"),
            Self::RoleOfAll => Some("role"),
            Self::InvalidCredentials | Self::NoAccount | Self::AccountDisabled => None,
            Self::InvalidRefreshToken => Some("refreshToken"),
        }
    }
}

/// A normalised, well-formed email address: trimmed and lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Normalises and checks `text`.
    ///
    /// # Errors
    /// [`Refusal::InvalidEmail`] when it isn't `local@domain` with a dot-atom
    /// before the `@` and a host name of at least two labels after it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(Refusal::InvalidEmail)?;
        if text.len() <= MAX_EMAIL_BYTES && is_dot_atom(local) && is_host(domain) {
            Ok(Self(text))
        } else {
            Err(Refusal::InvalidEmail)
        }
    }

    /// The normalised address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_dot_atom(local: &str) -> bool {
    local.len() <= MAX_EMAIL_LOCAL_BYTES
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
        })
}

fn is_host(domain: &str) -> bool {
    domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= MAX_DOMAIN_LABEL_BYTES
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// Checks a new password for the account of `email`.
///
/// # Errors
/// One of the password refusals, all with the code `WEAK_PASSWORD`.
pub fn check_password(password: &str, email: &Email) -> Result<(), Refusal> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Refusal::PasswordTooLong);
    }
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(Refusal::PasswordTooShort);
    }
    let mut chars = password.chars();
    let first = chars.next();
    if chars.all(|c| Some(c) == first) {
        return Err(Refusal::PasswordRepeats);
    }
    if password.trim().to_lowercase() == email.as_str() {
        return Err(Refusal::PasswordIsEmail);
    }
    Ok(())
}

/// Trims and checks a display name.
///
/// # Errors
/// [`Refusal::InvalidName`] when it is empty, too long, or has control characters.
pub fn check_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if name.is_empty()
        || name.chars().count() > MAX_NAME_CHARS
        || name.chars().any(char::is_control)
    {
        return Err(Refusal::InvalidName);
    }
    Ok(name.to_owned())
}

/// Checks a language tag whose language is Korean or English, and writes it
/// the usual way (`KO` → `ko`, `en-us` → `en-US`).
///
/// # Errors
/// [`Refusal::InvalidLocale`] for any other language or a malformed tag.
pub fn check_locale(tag: &str) -> Result<String, Refusal> {
    let mut parts = tag.trim().split('-');
    let language = parts.next().unwrap_or_default().to_ascii_lowercase();
    if language != "ko" && language != "en" {
        return Err(Refusal::InvalidLocale);
    }
    match (parts.next(), parts.next()) {
        (None, _) => Ok(language),
        (Some(region), None)
            if region.len() == 2 && region.bytes().all(|b| b.is_ascii_alphabetic()) =>
        {
            Ok(format!("{language}-{}", region.to_ascii_uppercase()))
        }
        _ => Err(Refusal::InvalidLocale),
    }
}
