//! Events from the outbox to their effects, and jobs from the queue to their end.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{HistogramVec, IntCounterVec, IntGaugeVec, REQUEST_BUCKETS_S, WORK_BUCKETS_S, sampler};

static PUBLISHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters(
        "moim_outbox_published_total",
        "Rows of the outbox that JetStream has confirmed, by what they are.",
        &["class", "type"],
    )
});
static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters(
        "moim_outbox_delayed_total",
        "Times that a row of the outbox had to wait on, by why: a full queue, a refusal, no JetStream.",
        &["class", "reason"],
    )
});
static HANDLED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters(
        "moim_events_handled_total",
        "Deliveries of events to consumers, by how they ended.",
        &["consumer", "outcome"],
    )
});
static DELAY: LazyLock<HistogramVec> = LazyLock::new(|| {
    super::histograms(
        "moim_event_delay_seconds",
        "Time from an event's commit to the commit of its effect.",
        &["consumer"],
        &WORK_BUCKETS_S,
    )
});
static PROCESS: LazyLock<HistogramVec> = LazyLock::new(|| {
    super::histograms(
        "messaging_process_duration_seconds",
        "Time that a message's handling takes, events and jobs alike.",
        &["messaging_system", "messaging_consumer_group_name"],
        &WORK_BUCKETS_S,
    )
});
static DEAD: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters(
        "moim_dead_letters_total",
        "Messages that were given up and kept as dead letters.",
        &["consumer"],
    )
});
static JOBS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters(
        "moim_jobs_total",
        "Deliveries of jobs to workers, by how they ended.",
        &["queue", "outcome"],
    )
});
static WAITED: LazyLock<HistogramVec> = LazyLock::new(|| {
    super::histograms(
        "moim_job_wait_seconds",
        "Time that a task waited in its queue before its work began.",
        &["queue"],
        &WORK_BUCKETS_S,
    )
});
static WORKERS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    super::gauges("moim_queue_workers", "Workers of a queue in this process.", &["queue", "state"])
});
static CREATED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters("moim_tasks_created_total", "Tasks that were accepted.", &["service", "kind"])
});
static TASKS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    super::counters(
        "moim_tasks_finished_total",
        "Tasks that reached a final state.",
        &["service", "kind", "status"],
    )
});
static TASK_DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    super::histograms(
        "moim_task_duration_seconds",
        "Time from a task's first start to its final state.",
        &["service", "kind", "status"],
        &WORK_BUCKETS_S,
    )
});
static ENDPOINT: LazyLock<HistogramVec> = LazyLock::new(|| {
    super::histograms(
        "moim_subgraph_request_duration_seconds",
        "Time that a subgraph takes for a request of the router or of a peer.",
        &["subgraph", "outcome"],
        &REQUEST_BUCKETS_S,
    )
});

/// Rows of the outbox were published. `class` is the row's; `kind` the event's type, which our own
/// code sets, or the queue of a job.
pub(crate) fn published(class: &str, kind: &str) {
    PUBLISHED.with_label_values(&[class, kind]).inc();
}

/// A row of the outbox has to wait.
pub(crate) fn delayed(class: &str, reason: &str) {
    REFUSED.with_label_values(&[class, reason]).inc();
}

/// How the delivery of an event ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handled {
    /// Its effect is committed, or was before.
    Done,
    /// The consumer doesn't want this kind.
    Ignored,
    /// It failed and will be delivered again.
    Retried,
    /// It was given up.
    Dead,
}

impl Handled {
    const ALL: [Self; 4] = [Self::Done, Self::Ignored, Self::Retried, Self::Dead];

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "handled",
            Self::Ignored => "ignored",
            Self::Retried => "retried",
            Self::Dead => "dead",
        }
    }
}

/// A delivery of an event ended.
pub(crate) fn handled(consumer: &str, outcome: Handled, took: Duration) {
    HANDLED.with_label_values(&[consumer, outcome.as_str()]).inc();
    if !matches!(outcome, Handled::Ignored) {
        processed(consumer, took);
    }
}

/// An event's effect is committed.
pub(crate) fn took_effect(consumer: &str, occurred: DateTime<Utc>) {
    DELAY.with_label_values(&[consumer]).observe(seconds_since(occurred));
}

/// The handling of a message took this long.
pub(crate) fn processed(consumer: &str, took: Duration) {
    PROCESS.with_label_values(&["nats", consumer]).observe(took.as_secs_f64());
}

/// A message was kept as a dead letter.
pub(crate) fn buried(consumer: &str) {
    DEAD.with_label_values(&[consumer]).inc();
}

/// The work of a job began.
pub(crate) fn job_began(queue: &str, queued: DateTime<Utc>) {
    WAITED.with_label_values(&[queue]).observe(seconds_since(queued));
}

/// A delivery of a job ended; `outcome` is one of a few words of the worker's code.
pub(crate) fn job_ended(queue: &str, consumer: &str, outcome: &'static str, took: Duration) {
    JOBS.with_label_values(&[queue, outcome]).inc();
    processed(consumer, took);
}

/// How many workers of a queue there are in this process, and how many are at work.
pub(crate) fn workers(queue: &str, all: usize, busy: usize) {
    let set = |state, count: usize| {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        WORKERS.with_label_values(&[queue, state]).set(count);
    };
    set("busy", busy);
    set("idle", all.saturating_sub(busy));
}

/// A task was accepted.
pub(crate) fn task_created(service: &str, queue: &str, kind: &str) {
    CREATED.with_label_values(&[service, kind]).inc();
    sampler::task_known(service, queue, kind);
}

/// A task reached a final state.
pub(crate) fn task_ended(service: &str, kind: &str, status: &str, began: Option<DateTime<Utc>>) {
    TASKS.with_label_values(&[service, kind, status]).inc();
    if let Some(began) = began {
        TASK_DURATION.with_label_values(&[service, kind, status]).observe(seconds_since(began));
    }
}

/// The handles of one subgraph's endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    answered: super::Histogram,
    refused: super::Histogram,
}

impl Endpoint {
    pub(crate) fn new(subgraph: &str) -> Self {
        let of = |outcome| ENDPOINT.with_label_values(&[subgraph, outcome]);
        Self { answered: of("answered"), refused: of("refused") }
    }

    /// A request was answered, or refused with an HTTP error.
    pub(crate) fn observe(&self, success: bool, took: Duration) {
        let histogram = if success { &self.answered } else { &self.refused };
        histogram.observe(took.as_secs_f64());
    }
}

/// Makes a consumer's series, so that they begin at 0 and not with their first event.
pub(crate) fn consumer(consumer: &str) {
    for outcome in Handled::ALL {
        HANDLED.with_label_values(&[consumer, outcome.as_str()]);
    }
    DELAY.with_label_values(&[consumer]);
    PROCESS.with_label_values(&["nats", consumer]);
    DEAD.with_label_values(&[consumer]);
}

/// Makes a queue's series, with those of its consumers.
pub(crate) fn queue(queue: &str, outcomes: &[&'static str], consumers: &[String]) {
    for outcome in outcomes {
        JOBS.with_label_values(&[queue, outcome]);
    }
    WAITED.with_label_values(&[queue]);
    for consumer in consumers {
        PROCESS.with_label_values(&["nats", consumer]);
        DEAD.with_label_values(&[consumer]);
    }
}

/// Makes the series of a relay.
pub(crate) fn relay() {
    for class in ["event", "live", "job"] {
        for reason in ["full", "refused", "away"] {
            REFUSED.with_label_values(&[class, reason]);
        }
    }
}

fn seconds_since(moment: DateTime<Utc>) -> f64 {
    (Utc::now() - moment).to_std().unwrap_or_default().as_secs_f64()
}
