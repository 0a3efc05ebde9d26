//! What makes the plan of a meeting acceptable: title, agenda, participants.

use std::collections::HashSet;

use uuid::Uuid;

use super::refusal::Refusal;

/// Longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;
/// Longest agenda, in bytes.
pub const MAX_AGENDA_BYTES: usize = 20_000;
/// Most participants of a meeting, the host included.
pub const MAX_PARTICIPANTS: usize = 200;
/// Most meetings that are asked for at once.
pub const MAX_MEETINGS_AT_ONCE: usize = 100;
/// Language of titles and minutes where none was chosen.
pub const DEFAULT_LANGUAGE: &str = "ko";

/// Trims and checks a title.
///
/// # Errors
/// [`Refusal::InvalidTitle`].
pub fn check_title(title: &str) -> Result<String, Refusal> {
    let title = title.trim();
    let chars = title.chars().count();
    if chars == 0 || chars > MAX_TITLE_CHARS || title.chars().any(char::is_control) {
        return Err(Refusal::InvalidTitle);
    }
    Ok(title.to_owned())
}

/// Trims and checks an agenda; an empty one is none.
///
/// # Errors
/// [`Refusal::InvalidAgenda`].
pub fn check_agenda(agenda: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(agenda) = agenda.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    // NUL is the one character that the database can't hold.
    if agenda.len() > MAX_AGENDA_BYTES || agenda.contains('\0') {
        return Err(Refusal::InvalidAgenda);
    }
    Ok(Some(agenda.to_owned()))
}

/// Checks the spoken language: `ko`, `en` or a tag of them (`en-US` → `en`).
///
/// # Errors
/// [`Refusal::InvalidLanguage`].
pub fn check_language(tag: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(tag) = tag else { return Ok(None) };
    let language = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    match language.as_str() {
        "ko" | "en" => Ok(Some(language)),
        _ => Err(Refusal::InvalidLanguage),
    }
}

/// The attendees besides the host: each once, in the order given.
///
/// # Errors
/// [`Refusal::UnknownParticipant`] for an id that isn't a UUID,
/// [`Refusal::TooManyParticipants`] beyond [`MAX_PARTICIPANTS`].
pub fn check_attendees(host: Uuid, ids: &[impl AsRef<str>]) -> Result<Vec<Uuid>, Refusal> {
    if ids.len() > MAX_PARTICIPANTS {
        return Err(Refusal::TooManyParticipants);
    }
    let mut seen = HashSet::from([host]);
    let mut attendees = Vec::with_capacity(ids.len());
    for id in ids {
        let id = Uuid::parse_str(id.as_ref()).map_err(|_| Refusal::UnknownParticipant)?;
        if seen.insert(id) {
            attendees.push(id);
        }
    }
    if seen.len() > MAX_PARTICIPANTS {
        return Err(Refusal::TooManyParticipants);
    }
    Ok(attendees)
}
