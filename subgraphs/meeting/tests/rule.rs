//! The rules, for any input.

use meeting::domain::{
    media::{MAX_RECORDING_BYTES, check_size, check_type, same_kind},
    plan::{MAX_PARTICIPANTS, check_agenda, check_attendees, check_language, check_title},
    refusal::Refusal,
    signature::{Forgery, UploadKeys},
    status::{Outcome, Status, Step},
    template,
};
use proptest::{prelude::*, sample::select};
use uuid::Uuid;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(select(Step::ALL.to_vec()), 0..12)
}

/// How far a status is from the beginning.
fn rank(status: Status) -> u8 {
    match status {
        Status::Scheduled => 0,
        Status::InProgress => 1,
        Status::Ended => 2,
        Status::MinutesReady | Status::Cancelled => 3,
    }
}

proptest! {
    #[test]
    fn a_meeting_never_goes_back(steps in steps()) {
        let mut status = Status::Scheduled;
        for step in steps {
            match status.after(step) {
                Ok(Outcome::Move(next)) => {
                    prop_assert!(rank(next) > rank(status));
                    // What was just done can be repeated without an effect.
                    prop_assert_eq!(next.after(step), Ok(Outcome::Already));
                    status = next;
                }
                Ok(Outcome::Already) => {}
                Err(refusal) => prop_assert_eq!(refusal.code(), "ILLEGAL_STATUS"),
            }
        }
    }

    #[test]
    fn it_ends_only_after_it_started(steps in steps()) {
        let (mut status, mut started) = (Status::Scheduled, false);
        for step in steps {
            if let Ok(Outcome::Move(next)) = status.after(step) {
                started |= next == Status::InProgress;
                prop_assert!(next != Status::Ended || started);
                status = next;
            }
        }
    }

    #[test]
    fn minutes_come_only_after_the_end(status in select(Status::ALL.to_vec())) {
        prop_assert_eq!(status.takes_minutes(), status == Status::Ended);
        prop_assert_eq!(Status::parse(status.as_str()), Some(status));
        prop_assert!(!status.takes_recording(true) || status == Status::InProgress);
    }

    #[test]
    fn no_input_breaks_the_rules(text in any::<String>(), number in any::<i64>()) {
        let _ = check_title(&text);
        let _ = check_agenda(Some(&text));
        let _ = check_language(Some(&text));
        let _ = check_type(&text);
        let _ = check_size(number);
        let _ = check_attendees(Uuid::nil(), &[text]);
    }

    #[test]
    fn sizes_are_bounded(size in any::<i64>()) {
        let allowed = (1..=i64::try_from(MAX_RECORDING_BYTES).unwrap()).contains(&size);
        prop_assert_eq!(check_size(size).is_ok(), allowed);
    }

    #[test]
    fn an_accepted_type_is_a_harmless_header(text in "(audio|video)/[a-z]{3,5}(;[ -~]{0,20})?") {
        if let Ok(content_type) = check_type(&text) {
            prop_assert!(content_type.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert!(same_kind(&content_type, &text));
            prop_assert_eq!(check_type(&content_type), Ok(content_type));
        }
    }

    #[test]
    fn attendees_are_each_there_once_and_the_host_is_none(
        picks in prop::collection::vec(0_u128..6, 0..20)
    ) {
        let ids: Vec<Uuid> = picks.iter().map(|pick| Uuid::from_u128(*pick)).collect();
        let host = Uuid::from_u128(0);
        let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let attendees = check_attendees(host, &texts).unwrap();
        prop_assert!(!attendees.contains(&host));
        let mut unique = attendees.clone();
        unique.sort();
        unique.dedup();
        prop_assert_eq!(unique.len(), attendees.len());
        prop_assert!(ids.iter().all(|id| *id == host || attendees.contains(id)));
    }

    #[test]
    fn only_our_own_addresses_are_accepted(
        secret in any::<[u8; 32]>(), other in any::<[u8; 32]>(), id in any::<u128>(),
        expires in 0_i64..4_000_000_000, now in 0_i64..4_000_000_000,
        flip in 0_usize..64,
    ) {
        prop_assume!(secret != other);
        let keys = UploadKeys::derive([secret.as_slice()]);
        let rotated = UploadKeys::derive([other.as_slice(), &secret]);
        let id = Uuid::from_u128(id);
        let signature = keys.sign(id, expires);
        let expected = if now < expires { Ok(()) } else { Err(Forgery::Expired) };
        prop_assert_eq!(keys.check(id, expires, &signature, now), expected);
        prop_assert_eq!(rotated.check(id, expires, &signature, now), expected);
        let stranger = UploadKeys::derive([other.as_slice()]);
        prop_assert_eq!(stranger.check(id, expires, &signature, now), Err(Forgery::Signature));
        prop_assert_eq!(keys.check(id, expires + 1, &signature, now), Err(Forgery::Signature));
        let mut forged = signature.into_bytes();
        forged[flip] = if forged[flip] == b'0' { b'1' } else { b'0' };
        let forged = String::from_utf8(forged).unwrap();
        prop_assert_eq!(keys.check(id, expires, &forged, now), Err(Forgery::Signature));
    }
}

#[test]
fn a_meeting_has_a_largest_size() {
    let ids: Vec<String> =
        (1..=MAX_PARTICIPANTS as u128).map(|n| Uuid::from_u128(n).to_string()).collect();
    let host = Uuid::from_u128(0);
    assert_eq!(check_attendees(host, &ids), Err(Refusal::TooManyParticipants));
    assert_eq!(check_attendees(host, &ids[1..]).map(|a| a.len()), Ok(MAX_PARTICIPANTS - 1));
}

#[test]
fn templates_have_stable_ids_and_unique_keys() {
    let ids: Vec<String> = template::BUILT_IN.iter().map(|t| t.id.to_string()).collect();
    assert_eq!(ids[0], "01930000-0000-7000-8000-000000000001");
    assert_eq!(ids[3], "01930000-0000-7000-8000-000000000004");
    for template in &template::BUILT_IN {
        let mut keys: Vec<&str> = template.sections.iter().map(|section| section.key).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count, "{}", template.key);
    }
}
