//! Servers that can't, won't or don't answer.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::json;
use speech::{Code, Engine as _, Event, Job, SpeechError};
use stt::engine::TRIES_MAX;
use tokio_util::sync::CancellationToken;

use crate::kit::{Asked, TestServer, counted, engine, hear, hear_until, segments, status, tone};

#[tokio::test]
async fn a_model_without_times_is_asked_without_and_in_short_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (server, engine) = TestServer::answering(|number, asked| {
        if asked.fields["response_format"] == "verbose_json" {
            return status(StatusCode::BAD_REQUEST);
        }
        json!({ "text": format!("Piece {number}.") }).to_string().into_response()
    })
    .await;

    let (events, outcome) = hear(&engine, Job::new(tone(folder.path(), 100))).await;

    assert_eq!(outcome.unwrap().language, None);
    let asked = server.asked();
    let refused = asked.iter().filter(|one| one.fields["response_format"] == "verbose_json");
    assert_eq!(refused.count(), 1);
    assert!(asked.iter().all(|one| one.length_ms() <= 30_000));
    let segments = segments(&events);
    assert_eq!(segments.len(), asked.len() - 1);
    assert!(
        segments.iter().all(|one| one.confidence.is_none() && one.end_ms - one.start_ms > 9_000)
    );
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let (server, engine) = TestServer::answering(|number, asked| match number {
        0 => status(StatusCode::SERVICE_UNAVAILABLE),
        1 => status(StatusCode::TOO_MANY_REQUESTS),
        _ => counted(number, asked),
    })
    .await;
    let (events, outcome) = hear(&engine, Job::new(tone(folder.path(), 10))).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(server.asked().len(), 3);
    assert_eq!(segments(&events).len(), 10);
}

#[tokio::test]
async fn what_was_heard_before_a_server_went_stays_and_another_attempt_may_go_well() {
    let folder = tempfile::tempdir().unwrap();
    let (server, engine) = TestServer::answering(|number, asked| match number {
        0 => counted(number, asked),
        _ => status(StatusCode::BAD_GATEWAY),
    })
    .await;
    let (events, outcome) = hear(&engine, Job::new(tone(folder.path(), 90))).await;
    let error = outcome.unwrap_err();
    assert!(error.is_retryable() && error.code() == Code::EngineFailed, "{error:?}");
    assert_eq!(server.asked().len(), 1 + TRIES_MAX as usize);
    assert!(segments(&events).len() >= 15);
}

#[tokio::test]
async fn a_refusal_says_whether_it_can_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = tone(folder.path(), 5);
    for (refusal, is_mendable) in [
        (StatusCode::UNAUTHORIZED, true),
        (StatusCode::NOT_FOUND, true),
        (StatusCode::PAYLOAD_TOO_LARGE, false),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, false),
    ] {
        let (server, engine) = TestServer::answering(move |_, _| status(refusal)).await;
        let error = hear(&engine, Job::new(&path)).await.1.unwrap_err();
        assert_eq!(error.is_retryable(), is_mendable, "{error}");
        assert!(error.to_string().contains(refusal.as_str()), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
    // What claims success and is none doesn't end a recording for good, and isn't silence.
    for body in ["<html>", r#"{"status_code":500,"detail":"out of memory"}"#] {
        let (_, engine) = TestServer::answering(move |_, _| body.into_response()).await;
        let error = hear(&engine, Job::new(&path).part()).await.1.unwrap_err();
        assert!(matches!(error, SpeechError::Away { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn health_tells_a_server_that_is_away() {
    let (_server, there) = TestServer::answering(counted).await;
    // It doesn't list its models, but it is there.
    there.check().await.unwrap();
    // It takes the connection and is too busy to answer.
    let busy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    engine(&format!("http://{}/v1", busy.local_addr().unwrap())).check().await.unwrap();
    let nobody = engine("http://127.0.0.1:1/v1");
    let error = nobody.check().await.unwrap_err();
    assert!(error.to_string().contains("can't be reached"), "{error}");
    assert!(!error.to_string().contains("127.0.0.1:1/v1"), "{error}");
}

#[tokio::test]
async fn a_cancelled_job_ends_while_the_server_thinks() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let asked = cancel.clone();
    let (server, engine) = TestServer::start(move |number, request: Asked| {
        let asked = asked.clone();
        Box::pin(async move {
            if number == 0 {
                return counted(number, &request);
            }
            asked.cancel();
            std::future::pending().await
        })
    })
    .await;
    let job = Job::new(tone(folder.path(), 90));
    let (events, outcome) = hear_until(&engine, job, cancel, |_| {}).await;
    assert_eq!(outcome.unwrap_err().code(), Code::Cancelled);
    assert_eq!(server.asked().len(), 2);
    assert!(!segments(&events).is_empty());
}

#[tokio::test]
async fn a_job_whose_listener_is_gone_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (server, engine) = TestServer::answering(counted).await;
    let (sink, mut events) = tokio::sync::mpsc::channel::<Event>(1);
    let job = Job::new(tone(folder.path(), 90));
    let work = engine.transcribe(job, sink, CancellationToken::new());
    let listen = async move { assert!(events.recv().await.is_some()) };
    let (outcome, ()) = futures::future::join(work, listen).await;
    assert_eq!(outcome.unwrap_err().code(), Code::Cancelled);
    assert!(server.asked().len() <= 1);
}
