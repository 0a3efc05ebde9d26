//! The explorer: GraphiQL's files, embedded when they have been built.

use axum::{
    Router,
    extract::Path,
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$OUT_DIR/explorer");

/// Everything comes from this router; GraphiQL's editor needs workers and inline styles.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; \
                      style-src 'self' 'unsafe-inline'; script-src 'self'; font-src 'self' data:; \
                      worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'";

const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Explorer</title><body><h1>The explorer is not in this build</h1>\
    <p>Build it and then the program again:</p>\
    <pre>cd explorer &amp;&amp; npm ci &amp;&amp; npm run build</pre>\
    <p>The API itself is at <code>/graphql</code>.</p>";

/// `/graphiql` and the files below it.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/graphiql", get(page))
        .route("/graphiql/", get(|| async { Redirect::permanent("/graphiql") }))
        .route("/graphiql/{*path}", get(file))
}

async fn page() -> Response {
    match FILES.get_file("index.html") {
        Some(file) => {
            let mut response = Html(file.contents()).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
        None => (StatusCode::NOT_FOUND, Html(MISSING)).into_response(),
    }
}

async fn file(Path(path): Path<String>) -> Response {
    // The names are those of the embedded folder: nothing outside can be named.
    let Some(file) = FILES.get_file(&path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = file.contents().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(&path)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        Some("ttf") => "font/ttf",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
