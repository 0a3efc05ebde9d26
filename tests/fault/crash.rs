//! The process dies as `kill -9` would, at each named point of an event's way.

use super::{load::Load, oracle::Oracle};
use crate::kit::instance::Place;
use platform::crash::Point;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often a point is passed before the process dies there: the work is then under way.
const PASSES: u32 = 3;
/// How long it may take until the process has died.
const DEATH: Duration = Duration::from_secs(60);

/// Given people who hold meetings, when the process dies at the point and is started again, then the oracle finds
/// nothing lost and nothing twice.
async fn dies_at(point: Point) {
    let mut place = Place::new();
    // Several installations run side by side on one server.
    place.set("MOIM_POSTGRES_MAX_CONNECTIONS", "6");
    place.set("MOIM_CRASH_AT", &format!("{}:{PASSES}", point.name()));
    let moim = place.up().await;
    let mut load = Load::start(&moim.base).await;
    let died = tokio::time::timeout(DEATH, moim.died()).await;
    died.unwrap_or_else(|_| panic!("{} is not passed {PASSES} times", point.name()));

    place.unset("MOIM_CRASH_AT");
    let moim = place.up().await;
    load.moved_to(&moim.base);
    let meetings = load.finish().await;

    eprintln!("died at {} and started again: what does the oracle say?", point.name());
    Oracle::of(&place).await.check(&meetings, &load).await;
    eprintln!("{}: all is well", point.name());
}

/// Deaths at several points side by side, each of an installation of its own: they mostly wait, until what a dead process
/// held is delivered again.
async fn dies_at_each(points: &[Point]) {
    let mut stories: JoinSet<()> = points.iter().map(|point| dies_at(*point)).collect();
    while let Some(ended) = stories.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

const OUTBOX_AND_RELAY: [Point; 5] = [
    Point::OutboxAppended,
    Point::OutboxCommitted,
    Point::RelayRead,
    Point::RelayPublished,
    Point::RelayMarked,
];
const CONSUMER: [Point; 4] = [
    Point::ConsumerReceived,
    Point::ConsumerApplied,
    Point::ConsumerCommitted,
    Point::ConsumerConfirmed,
];
const WORKER: [Point; 4] =
    [Point::WorkerClaimed, Point::WorkerWorked, Point::WorkerCommitted, Point::WorkerConfirmed];

#[tokio::test]
async fn dies_between_a_change_and_its_event() {
    dies_at_each(&OUTBOX_AND_RELAY).await;
}

#[tokio::test]
async fn dies_between_an_event_and_its_effect() {
    dies_at_each(&CONSUMER).await;
}

#[tokio::test]
async fn dies_between_a_job_and_its_end() {
    dies_at_each(&WORKER).await;
}

/// A point that is added gets its story.
#[test]
fn every_point_has_a_story() {
    assert_eq!([&OUTBOX_AND_RELAY[..], &CONSUMER, &WORKER].concat(), Point::ALL);
}
