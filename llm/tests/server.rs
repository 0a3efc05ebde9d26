//! The engine in front of a server that says what the test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use chrono::{NaiveDate, NaiveTime};
use futures::future::join_all;
use llm::LanguageModel;
use llm::client::Client;
use llm::config::Config;
use serde_json::{Value, json};
use text::{DatedKind, Engine as _, Person, Piece, Said};
use uuid::Uuid;

/// What the server does with a request.
enum Reply {
    Says(Value),
    Status(StatusCode),
    Raw(String),
    Hangs,
}

#[derive(Clone, Default)]
struct Server {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

async fn complete(State(server): State<Server>, body: String) -> Response {
    server.asked.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    let reply = server.replies.lock().unwrap().pop_front();
    match reply {
        Some(Reply::Says(answer)) => {
            let message = json!({ "role": "assistant", "content": answer.to_string() });
            json!({ "choices": [{ "index": 0, "message": message }] }).to_string().into_response()
        }
        Some(Reply::Status(status)) => status.into_response(),
        Some(Reply::Raw(text)) => text.into_response(),
        Some(Reply::Hangs) => std::future::pending().await,
        None => panic!("nobody expected this: {body}"),
    }
}

impl Server {
    /// A server with these replies, and an engine that asks it.
    async fn start(replies: impl IntoIterator<Item = Reply>) -> (Self, LanguageModel) {
        let server = Self::default();
        server.replies.lock().unwrap().extend(replies);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let app =
            Router::new().route("/v1/chat/completions", post(complete)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (server, engine(&url))
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn engine(url: &str) -> LanguageModel {
    let config = Config {
        server: openai::Config {
            url: url.parse().unwrap(),
            model: "small".into(),
            key: Some("secret".to_owned().into()),
            timeout: Duration::from_millis(500),
        },
        deadline: Duration::from_secs(20),
        passage_chars: 500,
        answer_tokens: Some(2_048),
    };
    let client = Client::new(openai::Server::new(&config.server).unwrap(), &config);
    LanguageModel::new(client, config.passage_chars, config.deadline)
}

fn said(texts: &[&str]) -> Said {
    let piece = |(place, text): (i64, &&str)| Piece {
        id: Uuid::from_u128(u128::try_from(place).unwrap()),
        speaker: Some("Anna Schmidt".into()),
        start_ms: place * 1_000,
        end_ms: place * 1_000 + 900,
        text: (*text).to_owned(),
    };
    Said {
        language: "en".into(),
        day: NaiveDate::from_ymd_opt(2026, 11, 26).unwrap(),
        time_zone: "Asia/Seoul".into(),
        people: vec![Person { id: Uuid::from_u128(100), name: "Anna Schmidt".into() }],
        pieces: (1..).zip(texts).map(piece).collect(),
    }
}

const TEXTS: [&str; 2] = ["We decided to ship.", "I'll write the report by Friday."];

fn actions(lines: &[i32]) -> Reply {
    Reply::Says(json!({ "actions": [
        { "text": "Write the report", "assignee": "anna schmidt", "due": "2026-11-27", "lines": lines },
    ] }))
}

#[tokio::test]
async fn what_a_model_says_is_used_with_what_it_cites() {
    let (server, engine) = Server::start([
        actions(&[2]),
        Reply::Says(json!({ "items": [
            { "text": "Meet", "kind": "FOLLOW_UP", "date": "2026-12-01", "time": "15:00", "lines": [1] },
            { "text": "Some day", "kind": "DEADLINE", "date": "soon", "time": null, "lines": [1] },
        ] })),
        Reply::Says(json!({
            "overview": [{ "text": "They ship.", "lines": [2, 1, 1] }], "decisions": [],
            "keywords": ["Ship", "rocket"],
        })),
    ])
    .await;
    let said = said(&TEXTS);
    let found = engine.actions(&said).await.unwrap();
    assert_eq!((found.engine, found.instead_of), ("openai", None));
    let action = &found.found[0];
    assert_eq!(action.assignee, Some(Uuid::from_u128(100)));
    assert_eq!(action.due, NaiveDate::from_ymd_opt(2026, 11, 27));
    assert_eq!(action.segment_ids, [Uuid::from_u128(2)]);
    // A deadline of no day is none.
    let found = engine.schedule(&said).await.unwrap().found;
    assert_eq!(found.items.len(), 1);
    assert_eq!(found.items[0].kind, DatedKind::FollowUp);
    assert_eq!(found.items[0].time, NaiveTime::from_hms_opt(15, 0, 0));
    // A keyword that nobody said is none.
    let found = engine.summarise(&said).await.unwrap().found;
    assert_eq!(found.overview[0].segment_ids, [Uuid::from_u128(1), Uuid::from_u128(2)]);
    assert_eq!(found.keywords.len(), 1);

    let asked = &server.asked()[0];
    assert_eq!(asked["max_tokens"], 2_048);
    assert_eq!(asked["model"], "small");
    assert_eq!(asked["response_format"]["json_schema"]["strict"], true);
    let text = asked["messages"][1]["content"].as_str().unwrap();
    assert!(text.contains("[2] Anna Schmidt: I'll write the report by Friday."), "{text}");
}

#[tokio::test]
async fn an_answer_that_cites_nothing_that_was_said_is_asked_for_again() {
    let (server, engine) = Server::start([actions(&[7]), actions(&[2])]).await;
    let found = engine.actions(&said(&TEXTS)).await.unwrap();
    assert_eq!((found.engine, found.found.len()), ("openai", 1));
    let again = server.asked()[1]["messages"].as_array().unwrap().clone();
    assert_eq!(again.len(), 4);
    assert!(again[3]["content"].as_str().unwrap().contains("there is no line 7"), "{again:?}");
}

#[tokio::test]
async fn what_cannot_be_used_makes_the_built_in_engine_stand_in() {
    let refused = || Reply::Status(StatusCode::UNAUTHORIZED);
    let away = || Reply::Status(StatusCode::SERVICE_UNAVAILABLE);
    let prose = || Reply::Says(json!("I can't do that."));
    let scripts: [Vec<Reply>; 5] = [
        vec![refused()],
        vec![away(), away(), away()],
        vec![prose(), prose(), prose()],
        vec![Reply::Raw("x".repeat(2 << 20))],
        vec![Reply::Hangs, Reply::Hangs, Reply::Hangs],
    ];
    join_all(scripts.into_iter().map(async |script| {
        let tries = script.len();
        let (server, engine) = Server::start(script).await;
        let found = engine.actions(&said(&TEXTS)).await.unwrap();
        assert_eq!((found.engine, found.instead_of), ("builtin", Some("openai")));
        assert_eq!(found.found[0].text, TEXTS[1]);
        assert_eq!(server.asked().len(), tries);
    }))
    .await;
    // Nobody listens there.
    let nobody = engine("http://127.0.0.1:1/v1");
    assert!(nobody.check().await.is_err());
    assert_eq!(nobody.actions(&said(&TEXTS)).await.unwrap().engine, "builtin");
}

#[tokio::test]
async fn a_server_without_structured_output_is_asked_without() {
    let refused = Reply::Status(StatusCode::BAD_REQUEST);
    let (server, engine) = Server::start([refused, actions(&[2])]).await;
    assert_eq!(engine.actions(&said(&TEXTS)).await.unwrap().engine, "openai");
    assert_eq!(server.asked()[1]["response_format"], Value::Null);
    assert!(engine.check().await.is_ok());
}

#[tokio::test]
async fn a_long_meeting_is_read_in_passages() {
    let long = "word ".repeat(80);
    let (server, engine) = Server::start([actions(&[1]), actions(&[2])]).await;
    let found = engine.actions(&said(&[&long, &long])).await.unwrap();
    let cited: Vec<Uuid> = found.found.iter().flat_map(|one| one.segment_ids.clone()).collect();
    assert_eq!(cited, [Uuid::from_u128(1), Uuid::from_u128(2)]);
    assert_eq!(server.asked().len(), 2);
}
