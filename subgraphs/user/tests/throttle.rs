//! Who guesses passwords is slowed down, by account and by address; nobody is locked out for good.

use std::time::Duration;

use platform::{
    identity::{ClientAddress, Identity},
    testing::eventually,
    throttle::Policy,
};
use serde_json::{Value, json};
use user::Config;

use crate::harness::{Case, PASSWORD};

const LOGIN: &str =
    "mutation($input: LoginInput!) { login(input: $input) { accessToken userErrors { code } } }";
const REGISTER: &str = "mutation($input: RegisterInput!) { register(input: $input) { accessToken userErrors { code } } }";

/// Pauses that no test outlasts.
const LONG: Policy =
    Policy { free: 3, pause_ms: 60_000, pause_max_ms: 120_000, forget_ms: 600_000 };
/// Pauses that are over soon.
const SHORT: Policy = Policy { free: 3, pause_ms: 50, pause_max_ms: 50, forget_ms: 600_000 };
/// So many that nothing comes of it.
const MANY: Policy = Policy { free: 1_000, ..LONG };

fn throttles(account: Policy, address: Policy, registration: Policy) -> impl FnOnce(&mut Config) {
    move |config| {
        config.throttles = user::config::Throttles { account, address, registration };
    }
}

fn address(text: &str) -> Option<ClientAddress> {
    Some(ClientAddress(text.parse().expect("an address")))
}

async fn login(case: &Case, from: &str, email: &str, password: &str) -> Value {
    let variables = json!({ "input": { "email": email, "password": password } });
    case.answer_from(address(from), &Identity::Anonymous, LOGIN, variables).await
}

async fn register(case: &Case, from: &str, email: &str) -> Value {
    let input = json!({ "email": email, "password": PASSWORD, "name": "N" });
    let variables = json!({ "input": input });
    case.answer_from(address(from), &Identity::Anonymous, REGISTER, variables).await
}

fn is_in(answer: &Value) -> bool {
    answer["data"]["login"]["accessToken"].is_string()
}

#[track_caller]
fn assert_wrong(answer: &Value) {
    assert_eq!(answer["data"]["login"]["userErrors"][0]["code"], "INVALID_CREDENTIALS", "{answer}");
}

#[track_caller]
fn assert_refused(answer: &Value) {
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "RATE_LIMITED", "{answer}");
    let seconds = extensions["retryAfter"].as_u64().expect("seconds");
    assert!((1..=120).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn one_account_is_slowed_down_and_others_are_not_with_redis_and_without() {
    for redis in [true, false] {
        let case = Case::with(throttles(LONG, MANY, MANY), redis).await;
        for email in ["a@example.com", "b@example.com"] {
            case.register(email, PASSWORD, "N").await;
        }
        // Given wrong log-ins, as many as are free and one more, from everywhere
        for n in 0..4 {
            assert_wrong(&login(&case, &format!("192.0.2.{n}"), "a@example.com", "wrong").await);
        }
        // Then the account is shut, also for the right password and however it is written
        assert_refused(&login(&case, "192.0.2.9", "a@example.com", "wrong").await);
        assert_refused(&login(&case, "192.0.2.9", "A@Example.com ", PASSWORD).await);
        // and another one isn't
        assert!(is_in(&login(&case, "192.0.2.1", "b@example.com", PASSWORD).await));
    }
}

#[tokio::test]
async fn an_unknown_account_is_told_the_same() {
    let case = Case::with(throttles(LONG, MANY, MANY), true).await;
    case.register("known@example.com", PASSWORD, "N").await;
    let mut answers = Vec::new();
    for email in ["known@example.com", "unknown@example.com", "no address at all"] {
        let mut of_one = Vec::new();
        for _ in 0..6 {
            let mut answer = login(&case, "192.0.2.1", email, "wrong").await;
            // How long it is still shut depends on when it is asked.
            if let Some(error) = answer["errors"].get_mut(0) {
                error["message"].take();
                error["extensions"]["retryAfter"].take();
            }
            of_one.push(answer);
        }
        answers.push(of_one);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[0][5]["errors"][0]["extensions"]["code"], "RATE_LIMITED");
}

#[tokio::test]
async fn an_address_is_slowed_down_whatever_account_it_tries() {
    let case = Case::with(throttles(MANY, LONG, MANY), true).await;
    case.register("a@example.com", PASSWORD, "N").await;
    for n in 0..4 {
        let email = format!("{n}@example.com");
        assert_wrong(&login(&case, &format!("2001:db8::{n}"), &email, "wrong").await);
    }
    // The whole network of 64 bits is one.
    assert_refused(&login(&case, "2001:db8::ffff", "a@example.com", PASSWORD).await);
    assert!(is_in(&login(&case, "2001:db8:1::", "a@example.com", PASSWORD).await));
    // A shut address can't shut others out of their account.
    for _ in 0..10 {
        assert_refused(&login(&case, "2001:db8::1", "a@example.com", "wrong").await);
    }
    assert!(is_in(&login(&case, "192.0.2.1", "a@example.com", PASSWORD).await));
}

#[tokio::test]
async fn who_is_right_costs_nothing() {
    let case = Case::with(throttles(LONG, LONG, MANY), true).await;
    case.register("a@example.com", PASSWORD, "N").await;
    for _ in 0..4 {
        assert_wrong(&login(&case, "192.0.2.7", "a@example.com", "wrong").await);
        for _ in 0..2 {
            assert!(is_in(&login(&case, "192.0.2.1", "a@example.com", PASSWORD).await));
        }
    }
}

#[tokio::test]
async fn the_door_opens_again() {
    let case = Case::with(throttles(SHORT, MANY, MANY), true).await;
    case.register("a@example.com", PASSWORD, "N").await;
    for _ in 0..4 {
        login(&case, "192.0.2.1", "a@example.com", "wrong").await;
    }
    eventually(Duration::from_secs(20), || async {
        is_in(&login(&case, "192.0.2.1", "a@example.com", PASSWORD).await)
    })
    .await;
    // And everything is forgiven.
    assert_wrong(&login(&case, "192.0.2.1", "a@example.com", "wrong").await);
    assert!(is_in(&login(&case, "192.0.2.1", "a@example.com", PASSWORD).await));
}

#[tokio::test]
async fn registrations_are_counted_by_address() {
    let case = Case::with(throttles(MANY, MANY, LONG), true).await;
    for n in 0..4 {
        let answer = register(&case, "192.0.2.1", &format!("{n}@example.com")).await;
        assert!(answer["data"]["register"]["accessToken"].is_string(), "{answer}");
    }
    let answer = register(&case, "192.0.2.1", "more@example.com").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "RATE_LIMITED", "{answer}");
    let answer = register(&case, "192.0.2.2", "more@example.com").await;
    assert!(answer["data"]["register"]["accessToken"].is_string(), "{answer}");
}

#[test]
fn settings_that_cannot_hold_are_refused() {
    let source = |name: &str, value: &str| {
        platform::config::Values::new().with("MOIM_USER_SIGNING_KEY_FILE", "key").with(name, value)
    };
    for (name, value) in [
        ("MOIM_USER_THROTTLE_MAX_SECONDS", "0"),
        ("MOIM_USER_THROTTLE_MAX_SECONDS", "86401"),
        ("MOIM_USER_FAILURES_PER_ACCOUNT", "-1"),
        ("MOIM_USER_FAILURES_PER_ADDRESS", "many"),
    ] {
        assert!(Config::from(&source(name, value)).is_err(), "{name}={value}");
    }
    let config = Config::from(&source("MOIM_USER_REGISTRATIONS_PER_ADDRESS", "0")).expect("off");
    assert_eq!((config.throttles.account.free, config.throttles.registration.free), (5, 0));
}
