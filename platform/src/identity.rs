//! Who asks: decided once at the edge, carried to the subgraphs in the signed identity header.

use std::net::{IpAddr, Ipv6Addr};

use async_graphql::Context;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::ApiError;

/// Who a request is made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Identity {
    /// Nobody has logged in.
    Anonymous,
    /// A person, by a verified token.
    Viewer(Viewer),
    /// Another service of ours.
    Service {
        /// Its name.
        name: String,
    },
    /// Everybody who belongs to one group, as one: the router asks so for what is the same for all of
    /// them, after each has shown that he belongs. It may see what belongs to that group, and is nobody:
    /// it changes nothing and has nothing of its own.
    Group {
        /// The group.
        id: Uuid,
    },
}

/// A person who has logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Viewer {
    /// The person's id.
    pub id: Uuid,
    /// What the token allows.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Roles of the person.
    #[serde(default)]
    pub roles: Vec<String>,
    /// When the token ends, in seconds since 1970.
    pub expires_at: i64,
}

/// The address of the client for whom a request is made, as the router found it out. It comes along with
/// what may change something, and is there in a request's data like the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address of the request that a resolver works for, if it is known.
    #[must_use]
    pub fn from_ctx(ctx: &Context<'_>) -> Option<Self> {
        ctx.data_opt::<Self>().copied()
    }

    /// Whom it stands for: whoever has one IPv6 address has the whole network of 64 bits.
    #[must_use]
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        }
    }
}

static ANONYMOUS: Identity = Identity::Anonymous;

impl Identity {
    /// The person who asks.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it isn't a person who has logged in.
    pub fn viewer(&self) -> Result<&Viewer, async_graphql::Error> {
        match self {
            Self::Viewer(viewer) => Ok(viewer),
            Self::Anonymous | Self::Service { .. } | Self::Group { .. } => {
                Err(ApiError::unauthenticated().into_graphql())
            }
        }
    }

    /// The name of the service that asks.
    ///
    /// # Errors
    /// `FORBIDDEN` when it isn't a service.
    pub fn service(&self) -> Result<&str, async_graphql::Error> {
        match self {
            Self::Service { name } => Ok(name),
            Self::Anonymous | Self::Viewer(_) | Self::Group { .. } => {
                Err(ApiError::forbidden().into_graphql())
            }
        }
    }

    /// The identity of the request that a resolver works for; anonymous when none was put there.
    #[must_use]
    pub fn from_ctx<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_opt::<Self>().unwrap_or(&ANONYMOUS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_in_json() {
        let viewer = Identity::Viewer(Viewer {
            id: Uuid::nil(),
            scopes: vec!["a".into()],
            roles: vec![],
            expires_at: 7,
        });
        let json = serde_json::to_value(&viewer).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "kind": "viewer", "id": Uuid::nil(), "scopes": ["a"], "roles": [], "expiresAt": 7
            })
        );
        assert_eq!(serde_json::from_value::<Identity>(json).unwrap(), viewer);
        let json = serde_json::to_value(Identity::Anonymous).unwrap();
        assert_eq!(json, serde_json::json!({"kind": "anonymous"}));
    }

    #[test]
    fn an_address_of_six_stands_for_its_network() {
        let network = |text: &str| ClientAddress(text.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn only_a_viewer_is_a_viewer() {
        assert!(Identity::Anonymous.viewer().is_err());
        assert!(Identity::Service { name: "a".into() }.viewer().is_err());
        assert!(Identity::Anonymous.service().is_err());
        let group = Identity::Group { id: Uuid::nil() };
        assert!(group.viewer().is_err() && group.service().is_err());
    }
}
