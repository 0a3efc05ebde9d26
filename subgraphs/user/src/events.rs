//! What the user service tells the others.

use platform::event::{Class, NewEvent, rfc3339};
use serde_json::json;

use crate::{NAME, store::user::UserRecord};

/// Somebody opened an account.
#[must_use]
pub fn user_created(user: &UserRecord, cache_key: String) -> NewEvent {
    NewEvent {
        kind: "moim.user.created.v1",
        source: NAME,
        ordering_key: user.id,
        entity: "user",
        entity_id: user.id,
        verb: "created",
        class: Class::Event,
        data: json!({
            "userId": user.id,
            "email": user.email,
            "name": user.name,
            "locale": user.locale,
            "timeZone": user.time_zone,
            "occurredAt": rfc3339(user.created_at),
        }),
        changed: json!({ "user": { "__typename": "User", "id": user.id } }),
        invalidates: vec![cache_key],
    }
}
