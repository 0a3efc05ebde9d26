//! `moim user`: who administers, and accounts that are shut, for the operator of the installation.

use crate::{
    service::{self, Name},
    setting::Settings,
};
use anyhow::{Context, Result};
use platform::{cache::Cache, config, outbox::Outbox};
use std::io::Write;
use user::{
    administration::{Account, Administration, Step},
    domain::role::Role,
};

/// Most administrators that are listed.
const ADMINS_MAX: i64 = 1_000;

/// What to do with accounts. The first administrator comes to be so: by `moim user grant EMAIL ADMIN`.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Give somebody a role
    Grant {
        /// Email address of the account
        email: String,
        /// Name of the role: ADMIN
        role: String,
    },
    /// Take a role from somebody; the last administrator stays
    Revoke {
        /// Email address of the account
        email: String,
        /// Name of the role: ADMIN
        role: String,
    },
    /// Shut an account: its sessions end, and nobody logs in
    Disable {
        /// Email address of the account
        email: String,
    },
    /// Open an account that was shut
    Enable {
        /// Email address of the account
        email: String,
    },
    /// List those who administer
    Admins,
}

/// Looks after accounts.
pub(crate) async fn run(command: Command) -> Result<()> {
    let settings = Settings::load()?;
    let pool = service::database(&settings, Name::User).await?;
    let mut out = std::io::stdout();
    let (email, step) = match &command {
        Command::Grant { email, role } => (email, Step::Grant(parse(role)?)),
        Command::Revoke { email, role } => (email, Step::Revoke(parse(role)?)),
        Command::Disable { email } => (email, Step::Disable),
        Command::Enable { email } => (email, Step::Enable),
        Command::Admins => {
            let role = Some(Role::Admin.as_str());
            let admins = user::store::user::list(&pool, None, role, None, None, ADMINS_MAX).await?;
            for admin in admins {
                let shut = if admin.disabled_at.is_some() { " (shut)" } else { "" };
                writeln!(out, "{} {}{shut}", admin.email, admin.name)?;
            }
            return Ok(());
        }
    };
    let cache = Cache::connect(&config::Redis::from(&settings)?).await?;
    let administration = Administration::new(pool, cache, Outbox::new());
    let account = administration.step(None, Account::Email(email), step).await;
    let account = account.with_context(|| format!("nothing changed for {email}"))?;
    let roles: Vec<&str> = account.standing().roles().map(Role::as_str).collect();
    let shut = if account.disabled_at.is_some() { ", shut" } else { "" };
    writeln!(out, "{}: {}{shut}", account.email, roles.join(", "))?;
    if let Step::Grant(_) = step {
        writeln!(out, "it holds from the next log-in or refresh on")?;
    }
    Ok(())
}

fn parse(role: &str) -> Result<Role> {
    let known = Role::ALL.map(Role::as_str).join(", ");
    Role::parse(role).with_context(|| format!("there is no role {role}; there are {known}"))
}
