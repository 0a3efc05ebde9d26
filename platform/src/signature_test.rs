use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::identity::Viewer;

const NOW_S: u64 = 1_800_000_000;

fn keys() -> Keys {
    Keys::new(b"the key of today, 32 bytes long!", None)
}

fn viewer() -> Identity {
    Identity::Viewer(Viewer {
        id: Uuid::from_u128(7),
        scopes: vec!["meeting:write".into()],
        roles: vec!["USER".into()],
        expires_at: 1_800_000_900,
    })
}

fn signed(keys: &Keys, subgraph: &str, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    keys.sign_at(NOW_S, subgraph, (&viewer(), None), body, &mut headers);
    headers
}

#[test]
fn a_signed_request_is_trusted_and_tells_who_asks() {
    let headers = signed(&keys(), "meeting", b"{}");
    assert_eq!(keys().verify_at(NOW_S, "meeting", &headers, b"{}").unwrap(), (viewer(), None));
}

#[test]
fn the_clients_address_is_signed_as_well() {
    let (keys, client) = (keys(), Some(ClientAddress("2001:db8::7".parse().unwrap())));
    let mut headers = HeaderMap::new();
    keys.sign_for("user", &Identity::Anonymous, client, b"{}", &mut headers);
    assert_eq!(keys.verify("user", &headers, b"{}").unwrap(), (Identity::Anonymous, client));
}

#[test]
fn another_subgraphs_request_is_refused() {
    let headers = signed(&keys(), "meeting", b"{}");
    let error = keys().verify_at(NOW_S, "user", &headers, b"{}").unwrap_err();
    assert!(matches!(error, SignatureError::Wrong));
}

#[test]
fn another_key_is_refused() {
    let headers = signed(&Keys::random(), "meeting", b"{}");
    let error = keys().verify_at(NOW_S, "meeting", &headers, b"{}").unwrap_err();
    assert!(matches!(error, SignatureError::Wrong));
}

#[test]
fn an_old_or_future_request_is_refused() {
    let headers = signed(&keys(), "meeting", b"{}");
    for away_s in [0, TOLERANCE_S] {
        assert!(keys().verify_at(NOW_S + away_s, "meeting", &headers, b"{}").is_ok());
        assert!(keys().verify_at(NOW_S - away_s, "meeting", &headers, b"{}").is_ok());
    }
    for now_s in [NOW_S + TOLERANCE_S + 1, NOW_S - TOLERANCE_S - 1, 0, u64::MAX] {
        let error = keys().verify_at(now_s, "meeting", &headers, b"{}").unwrap_err();
        assert!(matches!(error, SignatureError::Stale(_)), "{now_s}");
    }
}

#[test]
fn a_fresh_time_cannot_be_put_on_an_old_request() {
    let mut headers = signed(&keys(), "meeting", b"{}");
    let later = NOW_S + 1000;
    headers.insert(TIMESTAMP, later.into());
    let error = keys().verify_at(later, "meeting", &headers, b"{}").unwrap_err();
    assert!(matches!(error, SignatureError::Wrong));
}

#[test]
fn keys_rotate_without_an_outage() {
    let (old, new) = (b"old old old old old old old old!", b"new new new new new new new new!");
    let before = Keys::new(old, None);
    let during = Keys::new(new, Some(old));
    let after = Keys::new(new, None);
    let by_old = signed(&before, "user", b"x");
    let by_new = signed(&during, "user", b"x");
    assert!(during.verify_at(NOW_S, "user", &by_old, b"x").is_ok());
    assert!(during.verify_at(NOW_S, "user", &by_new, b"x").is_ok());
    assert!(after.verify_at(NOW_S, "user", &by_new, b"x").is_ok());
    assert!(after.verify_at(NOW_S, "user", &by_old, b"x").is_err());
}

#[test]
fn a_header_given_twice_or_not_at_all_is_refused() {
    for name in HEADERS {
        let mut headers = signed(&keys(), "user", b"");
        let value = headers.get(&name).unwrap().clone();
        headers.append(name.clone(), value);
        let error = keys().verify_at(NOW_S, "user", &headers, b"").unwrap_err();
        assert!(matches!(error, SignatureError::Missing(_)));
        headers.remove(&name);
        let error = keys().verify_at(NOW_S, "user", &headers, b"").unwrap_err();
        assert!(matches!(error, SignatureError::Missing(_)));
    }
}

#[test]
fn the_real_clock_is_used() {
    let mut headers = HeaderMap::new();
    keys().sign("user", &Identity::Anonymous, b"", &mut headers);
    assert_eq!(keys().verify("user", &headers, b"").unwrap(), (Identity::Anonymous, None));
}

proptest! {
    /// Whatever byte of whatever part is changed, the request is refused.
    #[test]
    fn a_forged_request_is_refused(
        body in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
        part in 0..4usize,
    ) {
        let mut headers = signed(&keys(), "user", &body);
        let mut body = body;
        if let Some(name) = HEADERS.get(part) {
            let mut value = headers.get(name).unwrap().as_bytes().to_vec();
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            // Hex digits are the same in upper case: that is no forgery.
            if *name == SIGNATURE
                && value.as_bytes().eq_ignore_ascii_case(headers[name].as_bytes()) {
                return Ok(());
            }
            headers.insert(name, value);
        } else {
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
        }
        prop_assert!(keys().verify_at(NOW_S, "user", &headers, &body).is_err());
    }

    /// Garbage never panics and is never trusted.
    #[test]
    fn garbage_is_refused(
        identity in "[ -~]{0,100}", timestamp in "[ -~]{0,30}", signature in "(v1=)?[ -~]{0,70}",
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in HEADERS.into_iter().zip([identity, timestamp, signature]) {
            headers.insert(name, HeaderValue::from_str(&value).unwrap());
        }
        prop_assert!(keys().verify_at(NOW_S, "user", &headers, b"").is_err());
    }
}
