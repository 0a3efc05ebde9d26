use futures::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::config::Redis;
use crate::testing::{Scope, eventually};

const POLICY: Policy = Policy { free: 3, pause_ms: 40, pause_max_ms: 100, forget_ms: 60_000 };
const START_MS: i64 = 1_700_000_000_000;

async fn real(scope: &Scope) -> Cache {
    Cache::connect(&Redis::from(&scope.source()).expect("settings")).await.expect("Redis")
}

async fn away() -> Cache {
    let url = "redis://127.0.0.1:1".to_owned().into();
    Cache::connect(&Redis { url, prefix: String::new() }).await.expect("it is tried later")
}

#[test]
fn pauses_double_up_to_the_longest_and_are_forgotten() {
    let mut state = State::default();
    let mut now_ms = START_MS;
    for _ in 0..3 {
        assert_eq!(state.attempt(&POLICY, now_ms), Ok(()));
    }
    for pause_ms in [40, 80, 100, 100] {
        assert_eq!(state.attempt(&POLICY, now_ms), Ok(()));
        assert_eq!(state.attempt(&POLICY, now_ms), Err(pause_ms));
        // Trying while it is closed makes nothing worse.
        assert_eq!(state.attempt(&POLICY, now_ms + 1), Err(pause_ms - 1));
        now_ms += pause_ms;
    }
    now_ms += 60_000;
    for _ in 0..3 {
        assert_eq!(state.attempt(&POLICY, now_ms), Ok(()));
    }
}

#[test]
fn waits_are_told_in_whole_seconds() {
    assert_eq!(Closed(Duration::from_millis(1)).seconds(), 1);
    assert_eq!(Closed(Duration::from_millis(2_000)).seconds(), 2);
}

#[tokio::test]
async fn processes_count_together_and_many_at_once_do_not_slip_through() {
    let scope = Scope::new().await;
    let long = Policy { pause_ms: 60_000, pause_max_ms: 60_000, ..POLICY };
    let throttles = [
        Throttle::new(real(&scope).await, "test.many", long),
        Throttle::new(real(&scope).await, "test.many", long),
    ];
    let attempts = (0..20).map(|n| throttles[n % 2].attempt("somebody"));
    let made = join_all(attempts).await.into_iter().filter(Result::is_ok).count();
    // Three are free, and the fourth closes the door.
    assert_eq!(made, 4);
    let Err(Closed(wait)) = throttles[0].attempt("somebody").await else { panic!("it is closed") };
    assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(30), "{wait:?}");
    assert_eq!(throttles[0].attempt("somebody else").await, Ok(()));
}

#[tokio::test]
async fn the_door_opens_again_and_success_takes_attempts_back() {
    let scope = Scope::new().await;
    for cache in [real(&scope).await, away().await] {
        let throttle = Throttle::new(cache, "test.door", POLICY);
        for _ in 0..4 {
            assert_eq!(throttle.attempt("a").await, Ok(()));
        }
        assert!(throttle.attempt("a").await.is_err());
        let opens = || async { throttle.attempt("a").await.is_ok() };
        eventually(Duration::from_secs(10), opens).await;
        assert!(throttle.attempt("a").await.is_err());
        // One that succeeds leaves the door open, however many failed before.
        eventually(Duration::from_secs(10), opens).await;
        throttle.take_back("a").await;
        assert_eq!(throttle.attempt("a").await, Ok(()));
        throttle.forget("a").await;
        for _ in 0..10 {
            assert_eq!(throttle.attempt("a").await, Ok(()));
            throttle.take_back("a").await;
        }
    }
}

#[tokio::test]
async fn when_redis_goes_away_a_process_goes_on_from_what_it_knows() {
    let scope = Scope::new().await;
    let long = Policy { pause_ms: 60_000, pause_max_ms: 60_000, ..POLICY };
    let mut throttle = Throttle::new(real(&scope).await, "test.away", long);
    for _ in 0..4 {
        assert_eq!(throttle.attempt("a").await, Ok(()));
    }
    throttle.cache = away().await;
    assert!(throttle.attempt("a").await.is_err());
    assert_eq!(throttle.attempt("b").await, Ok(()));
}

#[tokio::test]
async fn no_throttle_where_none_is_free() {
    let off = Policy { free: 0, ..POLICY };
    let throttle = Throttle::new(away().await, "test.off", off);
    for _ in 0..100 {
        assert_eq!(throttle.attempt("a").await, Ok(()));
    }
}

/// What happens to a name, and how many milliseconds later.
fn steps() -> impl Strategy<Value = Vec<(bool, i64)>> {
    prop::collection::vec((prop::bool::weighted(0.8), 0_i64..120), 1..30)
}

#[test]
fn the_script_follows_the_same_rules() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_scope, cache) = runtime.block_on(async {
        let scope = Scope::new().await;
        let cache = real(&scope).await;
        (scope, cache)
    });
    let mut number = 0;
    let policy = Policy { forget_ms: 60_000, ..POLICY };
    let config = ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() };
    let run = |steps: Vec<(bool, i64)>| {
        number += 1;
        let key = [format!("throttle:rules:{number}")];
        let (mut state, mut now_ms) = (State::default(), START_MS);
        for (attempt, later_ms) in steps {
            now_ms += later_ms;
            if !attempt {
                let told = runtime.block_on(cache.run(&TAKE_BACK, &key, &[0]));
                prop_assert!(told.is_some());
                state.take_back();
                continue;
            }
            let wait = state.attempt(&policy, now_ms).err().unwrap_or(0);
            let Policy { free, pause_ms, pause_max_ms, forget_ms } = policy;
            let arguments =
                [now_ms, free.into(), pause_ms.into(), pause_max_ms.into(), forget_ms.into()];
            let told = runtime.block_on(cache.run(&COUNT, &key, &arguments));
            let State { attempts, closed_until_ms, until_ms } = state;
            let expected = vec![wait, attempts.into(), closed_until_ms, until_ms];
            prop_assert_eq!(told, Some(expected));
        }
        Ok(())
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = std::cell::RefCell::new(run);
    runner.run(&steps(), |steps| (run.borrow_mut())(steps)).unwrap();
}
