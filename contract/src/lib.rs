//! What the services of this domain tell each other, as its listeners read it.
//!
//! | module | what is in it |
//! |---|---|
//! | [`event`] | the names of all events, and what each carries |
//! | [`takes_part`] | the view of who takes part in a meeting that each service keeps of its own |
//! | [`attendance`] | who attends a meeting, and where its days are counted |
//! | [`spoken`] | the immutable transcript object in object storage |
//!
//! Subgraphs never import each other; this is the one place where what passes between them is
//! written down. A type here reads every example that is stored in `schema/events/example/`.

pub mod attendance;
pub mod event;
pub mod spoken;
pub mod takes_part;
#[cfg(feature = "testing")]
pub mod testing;
