use ::http::{Method, StatusCode};

use super::http::Route;
use super::*;

/// The series of a family, without their values.
fn series(family: &str) -> Vec<String> {
    let text = text();
    let lines = text.lines().filter(|line| line.starts_with(family) && !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

#[test]
fn what_is_counted_stands_in_the_text() {
    counter("test_things_total", "Things.").inc_by(3);
    let text = text();
    assert!(text.contains("# TYPE test_things_total counter\ntest_things_total 3\n"), "{text}");
}

#[test]
fn methods_and_statuses_of_requests_are_a_few_whatever_comes() {
    static ROUTE: Route = Route::new("/test");
    for status in 100..1_000_u16 {
        let method = Method::from_bytes(format!("M{status}").as_bytes()).unwrap();
        ROUTE.end(&ROUTE.begin(&method), StatusCode::from_u16(status).unwrap());
        ROUTE.end(&ROUTE.begin(&Method::GET), StatusCode::from_u16(status).unwrap());
    }
    let counts = series("http_server_request_duration_seconds_count");
    let counts: Vec<_> = counts.iter().filter(|one| one.contains("/test")).collect();
    assert!(counts.len() <= 2 * 22, "{counts:?}");
    assert!(counts.iter().any(|one| one.contains("method=\"_OTHER\"")), "{counts:?}");
    assert!(text().contains("http_server_active_requests 0"), "none is left");
}

#[test]
fn the_process_is_described() {
    process::started("test", "1.2.3");
    process::update();
    let text = text();
    assert!(
        text.contains("target_info{service_name=\"test\",service_version=\"1.2.3\"} 1"),
        "{text}"
    );
    for name in ["process_uptime_seconds", "process_resident_memory_bytes", "process_open_fds"] {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        let value: f64 = line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap();
        assert!(value > 0.0, "{name}");
    }
}
