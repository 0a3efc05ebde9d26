//! What can be read out of what was said, by rules for Korean and English; pure, no I/O.
//!
//! | module | what is in it |
//! |---|---|
//! | [`said`] | what was said, and what was found in it |
//! | [`engine`] | the trait of whatever finds something in a text |
//! | [`extractive`] | the built-in engine: sentences that were said, chosen by rules |
//! | [`sentence`], [`cue`], [`salience`], [`date`], [`clock`], [`person`] | the rules it is made of |

pub mod clock;
pub mod cue;
pub mod date;
pub mod engine;
pub mod extractive;
pub mod person;
pub mod said;
pub mod salience;
pub mod sentence;

pub use engine::{By, Engine, EngineError, Found};
pub use extractive::Extractive;
pub use said::{
    Action, Analysis, Cited, Dated, DatedKind, Keyword, Person, Piece, Said, Schedule, Summary,
};
