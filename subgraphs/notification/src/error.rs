//! What can go wrong in the notification service.

use thiserror::Error;

/// The service can't start. There is nothing yet that could stop it.
#[derive(Debug, Error)]
pub enum StartError {}
