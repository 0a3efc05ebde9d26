//! The push plane: subscription fields fed by the event stream.
//!
//! | module | idea |
//! |---|---|
//! | `source`, `subject` | `@eventSource` and its subjects, read from the supergraph |
//! | `stream`, `log`, `tail` | the stream in JetStream; the one reader of its end |
//! | `hub`, `index`, `mailbox`, `ring` | fan-out to subscribers, and the last events in memory |
//! | `feed`, `cursor` | the past and then the present of one subscription |
//! | `payload` | an event in the shape that the plan asks for |
//! | `plane`, `subscription` | guard, snapshot, one response per event |

pub(crate) mod announced;
mod config;
mod cursor;
mod error;
mod event;
mod feed;
mod hub;
mod index;
mod log;
mod mailbox;
mod payload;
mod plane;
mod ring;
mod source;
mod stream;
mod subject;
mod subscription;
mod tail;

pub use config::{Config, WebSocket};
pub use cursor::{Cursor, InvalidCursor};
pub use error::{INVALID_CURSOR, NOT_FOUND, SUBSCRIPTION_GAP, SUBSCRIPTION_SLOW_CLIENT};
pub use event::{HEADER_CHANGED, HEADER_ID, HEADER_REPUBLISHED, HEADER_TIME, HEADER_TYPE};
pub use plane::{Execution, Plane, Request, Root, Subscriber};
pub use source::{EventSource, SourceError, Sources, Start};
pub use stream::EventStream;
pub use subject::{FillError, Filter, Template, TemplateError};
pub use subscription::{Delivery, Subscription};
