//! Roles of accounts, and what each may do: named permissions, which are scopes of the access token.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// What every access token allows: using the API in one's own name.
pub const BASE_SCOPE: &str = "api";

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[graphql(name = "UserRole")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Somebody with an account: everybody.
    User,
    /// Administers the installation.
    Admin,
}

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See all accounts with addresses and roles.
    ReadUsers,
    /// Give and take roles, shut and open accounts.
    ManageUsers,
    /// Evict what is cached.
    EvictCache,
    /// Announce something to everybody.
    Announce,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::User, Self::Admin];

    /// The name in the API, in access tokens and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Admin => "ADMIN",
        }
    }

    /// Reads the name back, in capitals or not; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(name))
    }

    /// What it may do besides using the API in one's own name.
    #[must_use]
    pub fn permissions(self) -> &'static [Permission] {
        match self {
            Self::User => &[],
            Self::Admin => &Permission::ALL,
        }
    }
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ReadUsers, Self::ManageUsers, Self::EvictCache, Self::Announce];

    /// Its name: a scope of access tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadUsers => "users:read",
            Self::ManageUsers => "users:manage",
            Self::EvictCache => "cache:evict",
            Self::Announce => "announcements:send",
        }
    }

    /// The permission of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }
}

/// What an account may do at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Roles as they stand in the database; everybody is a [`Role::User`] besides.
    pub roles: Vec<String>,
    /// Whether it is shut.
    pub is_disabled: bool,
}

impl Standing {
    /// Its roles; one that this version doesn't know is passed over.
    pub fn roles(&self) -> impl Iterator<Item = Role> + '_ {
        let given = self.roles.iter().filter_map(|name| Role::parse(name));
        std::iter::once(Role::User).chain(given.filter(|role| *role != Role::User))
    }

    /// Whether it may do this. An account that is shut may nothing.
    #[must_use]
    pub fn permits(&self, permission: Permission) -> bool {
        !self.is_disabled && self.roles().any(|role| role.permissions().contains(&permission))
    }

    /// The scopes of an access token.
    #[must_use]
    pub fn scopes(&self) -> Vec<&'static str> {
        let may = Permission::ALL.into_iter().filter(|permission| self.permits(*permission));
        std::iter::once(BASE_SCOPE).chain(may.map(Permission::as_str)).collect()
    }
}
