//! What the user service tells the others.

use chrono::Utc;
use contract::event::kind;
use platform::event::{Class, NewEvent, rfc3339};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{NAME, store::user::UserRecord};

/// Somebody opened an account.
#[must_use]
pub fn user_created(user: &UserRecord, invalidates: Vec<String>) -> NewEvent {
    let mut data = profile(user);
    data["occurredAt"] = json!(rfc3339(user.created_at));
    about(user.id, kind::USER_CREATED, "created", data, invalidates)
}

/// Somebody changed their profile, or an administrator roles or whether the account is shut.
#[must_use]
pub fn user_updated(user: &UserRecord, invalidates: Vec<String>) -> NewEvent {
    let mut data = profile(user);
    data["version"] = json!(user.version);
    data["roles"] = json!(user.roles);
    data["isDisabled"] = json!(user.disabled_at.is_some());
    data["occurredAt"] = json!(rfc3339(Utc::now()));
    about(user.id, kind::USER_UPDATED, "updated", data, invalidates)
}

/// Somebody deleted their account. It carries no personal data: it is what stays of them longest.
#[must_use]
pub fn user_deleted(id: Uuid, invalidates: Vec<String>) -> NewEvent {
    let data = json!({ "userId": id, "occurredAt": rfc3339(Utc::now()) });
    about(id, kind::USER_DELETED, "deleted", data, invalidates)
}

fn profile(user: &UserRecord) -> Value {
    json!({
        "userId": user.id,
        "email": user.email,
        "name": user.name,
        "locale": user.locale,
        "timeZone": user.time_zone,
        "phone": user.phone,
    })
}

fn about(
    id: Uuid,
    kind: &'static str,
    verb: &'static str,
    data: Value,
    invalidates: Vec<String>,
) -> NewEvent {
    NewEvent {
        kind,
        source: NAME,
        ordering_key: id,
        entity: "user",
        entity_id: id,
        verb,
        class: Class::Event,
        data,
        changed: json!({ "user": { "__typename": "User", "id": id } }),
        invalidates,
    }
}
