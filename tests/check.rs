//! `moim check` looks, says what to do, and changes nothing.

use crate::kit::instance::Place;
use async_nats::jetstream;
use futures::TryStreamExt as _;
use platform::config::Postgres;
use secrecy::ExposeSecret as _;

/// The lines of a check that failed, each by what it is about.
async fn failures(place: &Place) -> Vec<String> {
    let output = place.run_through(&["check"]).await;
    let failed = output.lines().filter_map(|line| line.strip_prefix("FAIL  "));
    failed.map(str::to_owned).collect()
}

/// The databases of a place.
async fn databases(place: &Place) -> Vec<String> {
    let postgres = Postgres::from(place).expect("settings");
    let pool = sqlx::PgPool::connect(postgres.url.expose_secret()).await.expect("Postgres");
    sqlx::query_scalar(
        "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1",
    )
    .bind(&postgres.database_prefix)
    .fetch_all(&pool)
    .await
    .expect("a list")
}

/// The streams of a place.
async fn streams(place: &Place) -> Vec<String> {
    let url = place.get("MOIM_NATS_URL").expect("a server");
    let client = async_nats::connect(url).await.expect("NATS");
    let names: Vec<String> =
        jetstream::new(client).stream_names().try_collect().await.expect("a list");
    names.into_iter().filter(|name| name.starts_with(place.nats_prefix())).collect()
}

/// Given an installation of which nothing is there yet, when it is checked, then each check that fails says what to do,
/// and nothing was made; step by step, what was done is checked off.
#[tokio::test]
async fn it_says_what_to_do_and_makes_nothing() {
    let mut place = Place::new();
    place.set("MOIM_SIGNATURE_KEY", "0123456789abcdef0123456789abcdef");
    let found = failures(&place).await;
    assert_eq!(found.len(), 7, "{found:#?}");
    let of = |what: &str| {
        let line = found.iter().find(|line| line.starts_with(what));
        line.unwrap_or_else(|| panic!("{what} in {found:#?}")).clone()
    };
    assert!(of("NATS").ends_with("more are missing: run `moim nats apply`"), "{found:#?}");
    let meeting = of("database: meeting");
    assert!(meeting.ends_with("_meeting doesn't exist: run `moim migrate`"), "{meeting}");
    assert_eq!(databases(&place).await, Vec::<String>::new());
    assert_eq!(streams(&place).await, Vec::<String>::new());

    place.run(&["nats", "apply"]).await.expect("applied");
    place.run(&["migrate"]).await.expect("migrated");
    assert_eq!(failures(&place).await, Vec::<String>::new());

    // Given engines of somebody else's that aren't there
    for (name, value) in [
        ("MOIM_TRANSCRIPT_ENGINE", "openai"),
        ("MOIM_TRANSCRIPT_ENGINE_URL", "http://127.0.0.1:1/v1"),
        ("MOIM_TRANSCRIPT_ENGINE_MODEL", "whisper-1"),
        ("MOIM_AI_ENGINE", "openai"),
        ("MOIM_AI_ENGINE_URL", "http://127.0.0.1:1/v1"),
        ("MOIM_AI_ENGINE_MODEL", "small"),
    ] {
        place.set(name, value);
    }
    let found = failures(&place).await;
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("speech to text: start it, or set MOIM_TRANSCRIPT_ENGINE_URL"));
    assert!(found[1].starts_with("language model: start it, or set MOIM_AI_ENGINE_URL"));
    place.unset("MOIM_TRANSCRIPT_ENGINE");
    place.unset("MOIM_AI_ENGINE");

    // Given a database of an older version, and a stream that was lost
    let mut postgres = Postgres::from(&place).expect("settings");
    postgres.max_connections = 1;
    let pool = platform::database::connect(&postgres, "meeting").await.expect("the database");
    let forgotten = sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 1002");
    forgotten.execute(&pool).await.expect("forgotten");
    let client = async_nats::connect(place.get("MOIM_NATS_URL").expect("a server")).await;
    let lost = format!("{}_QUEUE_AI", place.nats_prefix());
    jetstream::new(client.expect("NATS")).delete_stream(&lost).await.expect("deleted");
    let expected = [
        format!("NATS: stream {lost} is missing: run `moim nats apply`"),
        "database: meeting: 1002 progress is due: run `moim migrate`".to_owned(),
    ];
    assert_eq!(failures(&place).await, expected);
    let still: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE version = 1002")
            .fetch_one(&pool)
            .await
            .expect("a count");
    assert_eq!(still, 0, "nothing was migrated");
}

/// Given servers that can't be reached, when it is checked, then it says which, and by what variable to name them.
#[tokio::test]
async fn it_says_which_server_is_away() {
    let mut place = Place::new();
    place.set("MOIM_SIGNATURE_KEY", "0123456789abcdef0123456789abcdef");
    // Nobody listens there.
    for name in ["MOIM_POSTGRES_URL", "MOIM_REDIS_URL", "MOIM_NATS_URL"] {
        let scheme =
            place.get(name).expect("set").split("://").next().expect("a scheme").to_owned();
        place.set(name, &format!("{scheme}://127.0.0.1:9"));
    }
    let found = failures(&place).await;
    for (what, variable) in [
        ("Redis", "MOIM_REDIS_URL"),
        ("NATS", "MOIM_NATS_URL"),
        ("database: user", "MOIM_POSTGRES_URL"),
    ] {
        let named = found.iter().any(|line| line.starts_with(what) && line.contains(variable));
        assert!(named, "{what} in {found:#?}");
    }
}
