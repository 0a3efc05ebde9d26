//! The ways to people outside, each against a server that speaks its protocol.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::event::kind;
use contract::testing::tell;
use notification::channel::address::{self, PublicOnly};
use platform::config::Values;
use platform::testing::eventually;
use reqwest::dns::Resolve as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::provider::{HttpServer, MailServer};
use crate::stage::{DEADLINE, Stage, viewer};

fn mail(server: &MailServer, credentials: &str) -> Values {
    Values::new()
        .with("MOIM_SMTP_URL", format!("smtp://{credentials}127.0.0.1:{}", server.port))
        .with("MOIM_SMTP_FROM", "모임 <moim@example.org>")
}

/// Somebody who has an account with this profile besides.
async fn person(stage: &Stage, profile: Value) -> Uuid {
    let id = Uuid::now_v7();
    let mut all = json!({ "userId": id, "locale": "ko", "name": "김민지" });
    all.as_object_mut().unwrap().extend(profile.as_object().unwrap().clone());
    tell(&stage.kernel, kind::USER_CREATED, id, id, all).await;
    stage.told(id, "WELCOME").await;
    id
}

async fn failed(stage: &Stage, code: &str) {
    eventually(DEADLINE, || async {
        let query = "SELECT count(*) FROM tasks WHERE status = 'FAILED' AND error_code = $1";
        let failed: i64 =
            sqlx::query_scalar(query).bind(code).fetch_one(&stage.kernel.pool).await.unwrap();
        failed == 1
    })
    .await;
}

#[tokio::test]
async fn email_goes_to_a_mail_server_with_an_id_that_stays() {
    let mut server = MailServer::start(&["moim", "secret"]).await;
    let stage = Stage::configured(mail(&server, "moim:secret@")).await;
    let email = "minji@example.com";
    let id = person(&stage, json!({ "email": email })).await;
    let letter = server.letter().await;
    assert_eq!((&letter["from"], &letter["to"]), (&json!("moim@example.org"), &json!([email])));
    let text = letter["text"].as_str().unwrap();
    let task: Uuid = sqlx::query_scalar("SELECT id FROM tasks WHERE job_kind = 'email'")
        .fetch_one(&stage.kernel.pool)
        .await
        .unwrap();
    assert!(text.contains(&format!("Message-ID: <{task}@example.org>")), "{text}");
    assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
    assert!(text.contains("Content-Language: ko"), "{text}");
    // Encoded words of RFC 2047: "모임에 오신 것을 환영합니다"
    let subject = STANDARD.encode("모임에");
    assert!(text.contains(&format!("Subject: =?utf-8?b?{}", &subject[..8])), "{text}");

    // Whoever doesn't want to be written to isn't: but stands in the inbox.
    let off = json!({ "preferences": [
        { "kind": "MEETING_INVITATION", "channel": "EMAIL", "enabled": false },
        { "kind": "MEETING_STARTED", "channel": "EMAIL", "enabled": true },
    ] });
    let payload = "me { notificationPreferences { kind channel enabled } }";
    let chosen = stage.caller.mutate(&viewer(id), "setNotificationPreferences", payload, off).await;
    let all = chosen["me"]["notificationPreferences"].as_array().unwrap();
    let enabled = |kind: &str, channel: &str| {
        let one = all.iter().find(|one| one["kind"] == kind && one["channel"] == channel);
        one.unwrap()["enabled"].clone()
    };
    assert_eq!(enabled("MEETING_INVITATION", "EMAIL"), false);
    assert_eq!(enabled("MEETING_INVITATION", "INBOX"), true);
    assert_eq!(enabled("MEETING_STARTED", "EMAIL"), true);
    let meeting = stage.meeting(&[Uuid::now_v7(), id]).await;
    let started = json!({ "meetingId": meeting, "meetingTitle": "Weekly\r\nBcc: x@example.com" });
    tell(&stage.kernel, kind::MEETING_STARTED, meeting, Uuid::now_v7(), started).await;
    let letter = server.letter().await;
    let text = letter["text"].as_str().unwrap();
    assert_eq!(letter["to"], json!([email]), "nobody else, whatever a title says");
    assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    assert_eq!(stage.told(id, "MEETING_STARTED").await["kind"], "MEETING_STARTED");
}

#[tokio::test]
async fn a_mail_server_that_puts_off_is_asked_again_and_one_that_refuses_is_not() {
    let mut server = MailServer::start(&[]).await;
    let stage = Stage::configured(mail(&server, "")).await;
    person(&stage, json!({ "email": "later@example.com" })).await;
    assert_eq!(server.letter().await["to"], json!(["later@example.com"]));
    person(&stage, json!({ "email": "nobody@example.com" })).await;
    failed(&stage, "DELIVERY_REFUSED").await;
}

#[tokio::test]
async fn a_mail_server_that_is_stopped_delays_letters_and_nothing_else() {
    const PEOPLE: usize = 12;
    let server = MailServer::start(&[]).await;
    let port = server.port;
    let hooks = HttpServer::start([]).await;
    let settings = mail(&server, "").with("MOIM_WEBHOOKS_PRIVATE", "true");
    server.stop().await;
    let stage = Stage::impatient(settings).await;
    let mut addresses: Vec<String> = Vec::new();
    for number in 0..PEOPLE {
        addresses.push(format!("person-{number}@example.com"));
        person(&stage, json!({ "email": addresses[number] })).await;
    }
    // Longer than there are tries: what has a fault of its own would have been given up by now.
    let scalar = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(&stage.kernel.pool).await.unwrap()
    };
    let tried = "SELECT count(*) FROM tasks WHERE job_kind = 'email' AND attempts > 9";
    eventually(DEADLINE, || async { scalar(tried).await > 0 }).await;
    let given_up = "SELECT count(*) FROM tasks WHERE status = 'FAILED'";
    assert_eq!(scalar(given_up).await, 0);
    // Another way isn't held up by it.
    let reached = person(&stage, json!({ "email": "hooked@example.com" })).await;
    addresses.push("hooked@example.com".to_owned());
    let input = json!({ "url": hooks.url });
    stage.caller.mutate(&viewer(reached), "setWebhook", "secret", input).await;
    test(&stage, reached, "WEBHOOK").await;
    hooks.requests(1).await;

    let mut server = MailServer::start_at(port, &[]).await;
    let mut letters = Vec::new();
    for _ in 0..addresses.len() {
        letters.push(server.letter().await["to"][0].as_str().unwrap().to_owned());
    }
    letters.sort_unstable();
    addresses.sort_unstable();
    assert_eq!(letters, addresses, "each once");
    let open = "SELECT count(*) FROM tasks WHERE status <> 'COMPLETED'";
    eventually(DEADLINE, || async { scalar(open).await == 0 }).await;
}

#[tokio::test]
async fn wrong_credentials_keep_letters_for_later() {
    let server = MailServer::start(&["moim", "secret"]).await;
    let stage = Stage::configured(mail(&server, "moim:wrong@")).await;
    person(&stage, json!({ "email": "minji@example.com" })).await;
    eventually(DEADLINE, || async {
        let query = "SELECT count(*) FROM tasks WHERE attempts > 0 AND status <> 'FAILED'";
        let tried: i64 = sqlx::query_scalar(query).fetch_one(&stage.kernel.pool).await.unwrap();
        tried == 1
    })
    .await;
    let unmasked: Vec<String> = sqlx::query_scalar("SELECT row_to_json(tasks)::text FROM tasks")
        .fetch_all(&stage.kernel.pool)
        .await
        .unwrap();
    assert!(!unmasked.concat().contains("wrong"), "a secret in the database");
}

#[tokio::test]
async fn short_messages_go_out_in_the_shape_of_twilio() {
    let server = HttpServer::start([StatusCode::SERVICE_UNAVAILABLE]).await;
    let stage = Stage::configured(
        Values::new()
            .with("MOIM_SMS_PROVIDER", "twilio")
            .with("MOIM_SMS_URL", &server.url)
            .with("MOIM_SMS_ACCOUNT", "AC123")
            .with("MOIM_SMS_SECRET", "token")
            .with("MOIM_SMS_FROM", "+15005550006"),
    )
    .await;
    let id = person(&stage, json!({ "phone": "+821012345678", "locale": "en" })).await;
    let me = "notificationChannels";
    let channels = stage.caller.entity(&viewer(id), "User", id, me).await;
    assert_eq!(channels["notificationChannels"], json!(["INBOX", "SMS"]));
    test(&stage, id, "SMS").await;
    // The first try was answered with 503.
    let requests = server.requests(2).await;
    assert!(
        requests.iter().all(|one| one.uri.path() == "/2010-04-01/Accounts/AC123/Messages.json")
    );
    let key = |request: &crate::provider::Request| request.header("idempotency-key").to_owned();
    assert_eq!(key(&requests[0]), key(&requests[1]));
    let basic = format!("Basic {}", STANDARD.encode("AC123:token"));
    assert_eq!(requests[1].header("authorization"), basic);
    let form: Vec<(String, String)> = url::form_urlencoded::parse(requests[1].body.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let body = "If you can read this, notifications reach you this way.";
    let expected = [("To", "+821012345678"), ("From", "+15005550006"), ("Body", body)];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

/// Has a message sent to oneself.
async fn test(stage: &Stage, who: Uuid, channel: &str) {
    let input = json!({ "channel": channel });
    let sent = stage
        .caller
        .mutate(&viewer(who), "sendTestNotification", "notification { kind }", input)
        .await;
    assert_eq!(sent, json!({ "notification": { "kind": "TEST" }, "userErrors": [] }));
}

#[tokio::test]
async fn short_messages_go_out_in_the_shape_of_solapi() {
    let server = HttpServer::start([]).await;
    let stage = Stage::configured(
        Values::new()
            .with("MOIM_SMS_PROVIDER", "solapi")
            .with("MOIM_SMS_URL", &server.url)
            .with("MOIM_SMS_ACCOUNT", "KEY")
            .with("MOIM_SMS_SECRET", "secret")
            .with("MOIM_SMS_FROM", "0212345678"),
    )
    .await;
    let id = person(&stage, json!({ "phone": "+821012345678" })).await;
    test(&stage, id, "SMS").await;
    let request = server.requests(1).await.remove(0);
    assert_eq!(request.uri.path(), "/messages/v4/send");
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["message"]["to"], "01012345678");
    assert_eq!(body["message"]["from"], "0212345678");
    assert_eq!(body["message"]["text"], "이 알림이 보이면 이 경로로 알림을 받을 수 있습니다.");
    let authorization = request.header("authorization");
    let part = |name: &str| {
        let rest = authorization.split_once(&format!("{name}=")).unwrap().1;
        rest.split(',').next().unwrap().to_owned()
    };
    assert_eq!(part("apiKey"), "KEY");
    let signed = format!("{}{}", part("date"), part("salt"));
    assert_eq!(part("signature"), hex(&hmac(b"secret", &signed)));
    // Nobody abroad can be reached by it.
    let abroad = person(&stage, json!({ "phone": "+15005550006" })).await;
    let input = json!({ "channel": "SMS" });
    let sent = stage
        .caller
        .mutate(&viewer(abroad), "sendTestNotification", "notification { kind }", input)
        .await;
    assert_eq!(sent["userErrors"][0]["code"], "CHANNEL_UNAVAILABLE");
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_webhook_is_signed_tried_again_and_removed() {
    let server = HttpServer::start([StatusCode::BAD_REQUEST]).await;
    let stage = Stage::configured(Values::new().with("MOIM_WEBHOOKS_PRIVATE", "true")).await;
    let id = person(&stage, json!({ "locale": "en" })).await;
    let url = format!("{}/hooks?of=me", server.url);
    let set = async |url: &str| {
        let input = json!({ "url": url });
        let fields = "webhook { url } secret";
        stage.caller.mutate(&viewer(id), "setWebhook", fields, input).await
    };
    let made = set(&url).await;
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(made["webhook"]["url"], url);
    let meeting = stage.meeting(&[Uuid::now_v7(), id]).await;

    let requests = server.requests(2).await;
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    let request = &requests[1];
    assert_eq!(request.uri.to_string(), "/hooks?of=me");
    let (message, time) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let expected = hmac(&key, &format!("{message}.{time}.{}", request.body));
    let signature = format!("v1,{}", STANDARD.encode(expected));
    assert_eq!(request.header("webhook-signature"), signature);
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["type"], "notification.created");
    assert_eq!(body["data"]["kind"], "MEETING_INVITATION");
    assert_eq!(body["data"]["title"], "Invitation: Weekly");
    assert_eq!(body["data"]["meetingId"], json!(meeting));

    // Nobody else sees it.
    let other = stage.person("ko").await;
    let fields = "webhook { url } notificationChannels notificationPreferences { kind }";
    let seen = stage.caller.entity(&viewer(other), "User", id, fields).await;
    let nothing =
        json!({ "webhook": null, "notificationChannels": null, "notificationPreferences": null });
    assert_eq!(seen, nothing);

    let remove = async |url: &str| {
        let input = json!({ "url": url });
        stage.caller.mutate(&viewer(id), "removeWebhook", "me { webhook { url } }", input).await
    };
    assert_eq!(remove("https://example.com/").await["userErrors"][0]["code"], "WEBHOOK_NOT_FOUND");
    let removed = remove(&url).await;
    assert_eq!(removed, json!({ "me": { "webhook": null }, "userErrors": [] }));
    assert_eq!(set("ftp://example.com").await["userErrors"][0]["code"], "INVALID_URL");
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_given_up() {
    let server = HttpServer::start([StatusCode::GONE]).await;
    let stage = Stage::configured(Values::new().with("MOIM_WEBHOOKS_PRIVATE", "true")).await;
    let id = person(&stage, json!({})).await;
    let input = json!({ "url": server.url });
    stage.caller.mutate(&viewer(id), "setWebhook", "secret", input).await;
    test(&stage, id, "WEBHOOK").await;
    failed(&stage, "DELIVERY_REFUSED").await;
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_followed() {
    let found = tokio::net::lookup_host(("localhost", 0)).await.unwrap();
    assert!(found.count() > 0, "the name leads somewhere");
    let resolved = PublicOnly.resolve("localhost".parse().unwrap()).await;
    let error = resolved.err().expect("nowhere that is public").to_string();
    assert_eq!(error, "the name leads to no public address");
}

#[tokio::test]
async fn an_address_inside_is_refused_when_it_is_named_and_when_it_is_used() {
    let server = HttpServer::start([]).await;
    let stage = Stage::new().await;
    let id = person(&stage, json!({})).await;
    let url = server.url.replace("http://", "https://");
    let input = json!({ "url": url });
    let named = stage.caller.mutate(&viewer(id), "setWebhook", "secret", input).await;
    assert_eq!(named["userErrors"][0]["code"], "INVALID_URL");
    // As if it had been named while that was allowed.
    sqlx::query("INSERT INTO webhook (user_id, url, secret) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(&url)
        .bind(notification::channel::webhook::new_secret())
        .execute(&stage.kernel.pool)
        .await
        .unwrap();
    test(&stage, id, "WEBHOOK").await;
    failed(&stage, "DELIVERY_REFUSED").await;
}

#[test]
fn only_public_addresses_are_reached() {
    for public in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"]
    {
        assert!(address::is_public(public.parse().unwrap()), "{public}");
    }
    let private = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "3fff::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ];
    for private in private {
        assert!(!address::is_public(private.parse().unwrap()), "{private}");
    }
}

#[test]
fn urls_are_looked_at() {
    let good = ["https://example.com/hooks?a=b", "https://1.1.1.1:8443/"];
    let bad = [
        "example.com",
        "http://example.com/",
        "ftp://example.com/",
        "https://user@example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost/",
        "https://a.localhost./",
        "https://169.254.169.254/latest/meta-data",
    ];
    for url in good {
        assert!(address::check(url, false).is_ok(), "{url}");
    }
    for url in bad {
        assert!(address::check(url, false).is_err(), "{url}");
    }
    assert!(address::check(&format!("https://example.com/{}", "a".repeat(2_000)), false).is_err());
    assert!(address::check("http://127.0.0.1:8080/", true).is_ok());
}
