use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::config::Values;
use crate::health::{Need, Registry};

const TOKEN: &str = "a-token-for-operators";

fn operations() -> Operations {
    let health = Registry::default();
    health.add("database", Need::Required, || async { Err("10.0.0.7 is away".into()) });
    let info = Info { role: "test", service: Some("thing"), version: "1.2.3", commit: None };
    Operations::new(info, health)
}

async fn ask(access: &Access, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let mut request = http::Request::get(path);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = operations().routes(access.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn settings(values: &Values) -> Settings {
    Settings::from(values).unwrap()
}

#[tokio::test]
async fn with_a_token_only_its_owner_sees_more_than_probes() {
    let access = settings(&Values::new().with("MOIM_OPERATIONS_TOKEN", TOKEN))
        .main_access(SocketAddr::from(([127, 0, 0, 1], 1)), false);
    for path in ["/metrics", "/info"] {
        assert_eq!(ask(&access, path, None).await.0, StatusCode::UNAUTHORIZED);
        let wrong = Some("a-token-for-operatorz");
        assert_eq!(ask(&access, path, wrong).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(&access, path, Some(TOKEN)).await.0, StatusCode::OK);
    }
    let (status, body) = ask(&access, "/health", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"DOWN"}"#));
    let (_, body) = ask(&access, "/health", Some(TOKEN)).await;
    assert!(body.contains("10.0.0.7 is away") && body.contains("latencyMs"), "{body}");
    let (_, body) = ask(&access, "/info", Some(TOKEN)).await;
    let info: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&info["role"], &info["version"]), (&"test".into(), &"1.2.3".into()));
    assert!(DateTime::parse_from_rfc3339(info["startedAt"].as_str().unwrap()).is_ok());
    assert_eq!(ask(&access, "/health/live", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn without_settings_only_this_machine_sees_more_and_not_in_production() {
    let settings = settings(&Values::new());
    let (near, far) = (([127, 0, 0, 1], 1), ([0, 0, 0, 0], 1));
    let status = async |address: ([u8; 4], u16), production| {
        let access = settings.main_access(SocketAddr::from(address), production);
        ask(&access, "/metrics", None).await.0
    };
    assert_eq!(status(near, false).await, StatusCode::OK);
    assert_eq!(status(near, true).await, StatusCode::FORBIDDEN);
    assert_eq!(status(far, false).await, StatusCode::FORBIDDEN);
}

#[test]
fn settings_are_checked() {
    let refused = |name: &str, value: &str| {
        let error = Settings::from(&Values::new().with(name, value)).unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains("s3cret"), "{error}");
    };
    refused("MOIM_OPERATIONS_LISTEN", "nowhere");
    refused("MOIM_OPERATIONS_TOKEN", "s3cret");
    let settings = settings(&Values::new().with("MOIM_OPERATIONS_LISTEN", "127.0.0.1:9090"));
    let main = settings.main_access(SocketAddr::from(([127, 0, 0, 1], 1)), false);
    assert!(matches!((main, settings.own_access()), (Access::Closed, Access::Open)));
}
