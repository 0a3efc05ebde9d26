use platform::testing::Scope;
use proptest::{prelude::*, strategy::ValueTree as _};

use super::*;

const START_MS: i64 = 1_700_000_000_000;

fn limiter(config: Config, shared: Option<Cache>) -> Limiter {
    Limiter::new(config, &ClientAddress::default(), shared).unwrap()
}

fn policy(per_second: u32, burst: u32, per_minute: u32, per_hour: u32) -> Policy {
    Policy { per_second, burst, per_minute, per_hour }
}

#[tokio::test]
async fn redis_and_this_process_count_alike() {
    let cache = Scope::new().await.cache().await;
    let limiter = limiter(Config::default(), None);
    let named =
        [("a", policy(3, 5, 17, 40)), ("b", policy(0, 0, 11, 0)), ("c", policy(1, 1, 0, 30))];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = prop::collection::vec((0_i64..30_000, 1_usize..8), 400);
    let steps = steps.new_tree(&mut runner).unwrap().current();
    let (mut now_ms, mut refused) = (START_MS, 0);
    for (step, mask) in steps {
        // Now and then nothing for more than an hour.
        now_ms += if step > 29_700 { step * 200 } else { step / 8 };
        let buckets: Vec<_> = named
            .iter()
            .enumerate()
            .filter(|(n, _)| mask >> n & 1 == 1)
            .map(|(_, it)| *it)
            .collect();
        let here = limiter.draw_local("x", &buckets, now_ms);
        let there = draw_in_redis(&cache, "x", &buckets, now_ms).await.expect("Redis answers");
        assert_eq!(here, there, "at {now_ms}");
        refused += usize::from(!here.0);
    }
    assert!((50..350).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_draw_takes_from_all_buckets_or_none() {
    let limiter = limiter(Config::default(), None);
    let (wide, narrow) = (("wide", policy(0, 0, 5, 0)), ("narrow", policy(0, 0, 1, 0)));
    assert!(limiter.draw_local("x", &[wide, narrow], START_MS).0);
    for _ in 0..10 {
        assert!(!limiter.draw_local("x", &[wide, narrow], START_MS).0);
    }
    let left = (0..10).filter(|_| limiter.draw_local("x", &[wide], START_MS).0).count();
    assert_eq!(left, 4);
    // Another caller has buckets of its own.
    assert!(limiter.draw_local("y", &[wide, narrow], START_MS).0);
}

#[tokio::test]
async fn without_redis_each_process_counts_for_itself() {
    let redis = platform::config::Redis {
        url: "redis://127.0.0.1:1".to_owned().into(),
        prefix: String::new(),
    };
    let cache = Cache::connect(&redis).await.unwrap();
    let config = Config { default: policy(0, 0, 3, 0), ..Config::default() };
    let limiter = limiter(config, Some(cache));
    let mut admitted = 0;
    for _ in 0..10 {
        admitted += usize::from(limiter.draw("x", &[]).await.admitted);
    }
    // Or six, if a minute begins in between.
    assert!(admitted == 3 || admitted == 6, "{admitted}");
}

#[test]
fn callers_are_viewers_addresses_and_networks() {
    let of = |address: &str| caller(&Identity::Anonymous, Some(address.parse().unwrap()));
    assert_eq!(of("192.0.2.1"), "address:192.0.2.1");
    assert_eq!(of("2001:db8:1:2:3::4"), "address:2001:db8:1:2::");
    assert_eq!(of("2001:db8:1:2:ffff::"), of("2001:db8:1:2::1"));
}

#[tokio::test]
async fn the_fields_tell_what_holds() {
    let mut config = Config { default: policy(20, 40, 200, 2_000), ..Config::default() };
    config.subgraphs.insert("us\"er".to_owned(), policy(10, 20, 0, 0));
    let limiter = limiter(config, None);
    let standing = limiter.draw("x", &["us\"er", "meeting"]).await;
    let mut headers = HeaderMap::new();
    standing.write(&mut headers);
    assert_eq!(
        headers["ratelimit-policy"],
        "\"us_er-second\";q=20;w=2, \"meeting-second\";q=40;w=2, \"meeting-minute\";q=200;w=60, \
         \"meeting-hour\";q=2000;w=3600"
    );
    let left = headers["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"us_er-second\";r=19;t=1, \"meeting-second\";r=39;t=1, "), "{left}");
    assert!(!headers.contains_key("retry-after"));
}
