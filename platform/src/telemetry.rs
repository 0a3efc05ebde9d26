//! Logs, the trace context (W3C `traceparent`) that ties the work for one request together, and the
//! spans of a trace, which are exported if that is switched on.

pub mod export;
mod span;

use std::fmt;
use std::future::Future;
use std::io::IsTerminal;
use std::str::FromStr;

use http::{HeaderMap, HeaderValue};
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Source};

pub use span::{Kind, Span, Value, exports};

/// Header that carries the trace context.
pub const TRACEPARENT: &str = "traceparent";
/// What is logged unless `MOIM_LOG` says otherwise.
pub const FILTER_DEFAULT: &str = "info,async_nats=warn,sqlx::postgres::notice=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people when the log goes to a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("no such format"),
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Directives like `info,platform=debug`.
    pub filter: String,
    /// How lines look.
    pub format: Format,
}

impl Log {
    /// Reads `MOIM_LOG` (default [`FILTER_DEFAULT`]) and `MOIM_LOG_FORMAT` (`auto`, `human` or
    /// `json`; default `auto`).
    ///
    /// # Errors
    /// When a value can't be used.
    pub fn from(source: &dyn Source) -> Result<Self, ConfigError> {
        let filter = source.get("MOIM_LOG").unwrap_or_else(|| FILTER_DEFAULT.to_owned());
        EnvFilter::try_new(&filter).map_err(|error| {
            ConfigError::invalid(
                "MOIM_LOG",
                error.to_string(),
                "give directives like info,sqlx=warn",
            )
        })?;
        let format = crate::config::parsed(
            source,
            "MOIM_LOG_FORMAT",
            Format::Auto,
            "give auto, human or json",
        )?;
        Ok(Self { filter, format })
    }
}

/// Starts logging to standard error. Done once a process; later calls change nothing.
///
/// # Errors
/// When the filter can't be read.
pub fn init(log: &Log) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| {
        ConfigError::invalid("MOIM_LOG", error.to_string(), "mend the directives")
    })?;
    let terminal = std::io::stderr().is_terminal();
    let json = match log.format {
        Format::Auto => !terminal,
        Format::Human => false,
        Format::Json => true,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error means that something else in the process logs already: then that stays.
    let _ = if json {
        builder.json().flatten_event(true).with_current_span(true).try_init()
    } else {
        builder.with_ansi(terminal).try_init()
    };
    Ok(())
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The trace that this task works for, if it runs inside [`TraceContext::scope`].
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|trace| *trace).ok()
}

/// A place in a trace, as W3C Trace Context has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceContext {
    /// The start of a new trace.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two of them are never equal")]
    pub fn new() -> Self {
        Self { trace_id: nonzero(rand::random), span_id: nonzero(rand::random), flags: 1 }
    }

    /// A step below this one, in the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: nonzero(rand::random), ..*self }
    }

    /// Reads a `traceparent`; `None` when it isn't one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version may have more parts; ours has exactly four.
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let version = hex(version, 2)?;
        let trace_id = hex(trace, 32)?;
        let span_id = u64::try_from(hex(span, 16)?).ok()?;
        let flags = u8::try_from(hex(flags, 2)?).ok()?;
        (version != 0xff && trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }

    /// The trace that a request's headers name, or a new one.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self::in_headers(headers).unwrap_or_else(Self::new)
    }

    /// The trace that a request's headers name, if they do.
    #[must_use]
    pub fn in_headers(headers: &HeaderMap) -> Option<Self> {
        headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(Self::parse)
    }

    /// Writes the trace into a request's headers.
    pub fn inject(&self, headers: &mut HeaderMap) {
        // Hex digits and dashes: always a valid header value.
        if let Ok(value) = HeaderValue::from_str(&self.to_string()) {
            headers.insert(TRACEPARENT, value);
        }
    }

    /// The id of the whole trace, 32 hex digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Runs a future as work for this trace: [`current`] tells it inside.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Runs a function as work for this trace, like one poll of a stream.
    pub fn enter<R>(self, work: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, work)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

fn nonzero<T: Default + PartialEq>(random: impl Fn() -> T) -> T {
    loop {
        let value = random();
        if value != T::default() {
            return value;
        }
    }
}

/// Exactly `len` lower-case hex digits.
fn hex(text: &str, len: usize) -> Option<u128> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == len && plain).then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    #[test]
    fn a_traceparent_comes_back_as_it_went() {
        let trace = TraceContext::new();
        assert_eq!(TraceContext::parse(&trace.to_string()), Some(trace));
        let child = trace.child();
        assert_eq!(child.trace_id(), trace.trace_id());
        assert_ne!(child, trace);
    }

    #[test]
    fn what_is_not_a_traceparent_is_refused() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(TraceContext::parse(&good).unwrap().trace_id(), id);
        let bad = [
            String::new(),
            "garbage".into(),
            format!("00-{id}-00f067aa0ba902b7"),
            format!("00-{id}-00f067aa0ba902b7-01-more"),
            format!("ff-{id}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            format!("00-+{}-00f067aa0ba902b7-01", &id[1..]),
        ];
        for text in bad {
            assert_eq!(TraceContext::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn settings_are_checked() {
        assert!(Log::from(&Values::new().with("MOIM_LOG_FORMAT", "xml")).is_err());
        assert!(Log::from(&Values::new().with("MOIM_LOG", "a=b=c")).is_err());
        let log = Log::from(&Values::new().with("MOIM_LOG_FORMAT", "json")).unwrap();
        assert_eq!(log, Log { filter: FILTER_DEFAULT.into(), format: Format::Json });
    }

    #[tokio::test]
    async fn the_trace_is_known_inside_its_scope() {
        assert_eq!(current(), None);
        let trace = TraceContext::new();
        assert_eq!(trace.scope(async { current() }).await, Some(trace));
        assert_eq!(trace.enter(current), Some(trace));
    }
}
