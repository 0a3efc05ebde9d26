//! Around every request to the endpoint: finds out the client's address, takes away headers that only the
//! router may send, and writes what became of the limits into the response.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{ConnectInfo, Request},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use platform::identity::Identity;

use super::{CLIENT_ADDRESS, Limiter, caller, field::Standing, refused};
use crate::gateway::INTERNAL_HEADER_PREFIX;

tokio::task_local! {
    static SLIP: Arc<Slip>;
}

/// What a request has drawn so far.
#[derive(Default)]
pub(super) struct Slip {
    standing: Mutex<Option<Standing>>,
    identity: Mutex<Option<Identity>>,
}

impl Slip {
    /// Notes a draw. Of several in one request the refused one counts, else the last.
    pub(super) fn note(standing: Standing) {
        let _ = SLIP.try_with(|slip| {
            let mut noted = slip.standing.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.as_ref().is_none_or(|noted| noted.admitted) {
                *noted = Some(standing);
            }
        });
    }
}

/// Notes who sends the running request.
pub(crate) fn note_identity(identity: &Identity) {
    let _ = SLIP.try_with(|slip| {
        *slip.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity.clone());
    });
}

/// Does it all.
pub(crate) async fn meter<F: Future<Output = Response>>(
    limiter: &Limiter,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip());
    let address = peer.map(|peer| limiter.addresses.client(peer, request.headers()));
    let headers = request.headers_mut();
    take_internal(headers);
    if let Some(value) = address.and_then(|it| HeaderValue::from_str(&it.to_string()).ok()) {
        headers.insert(CLIENT_ADDRESS, value);
    }
    if !limiter.config.enabled {
        return next(request).await;
    }
    let slip = Arc::<Slip>::default();
    let response = SLIP.scope(Arc::clone(&slip), next(request)).await;
    finish(limiter, &slip, address, response).await
}

/// Clients can't speak as the router.
fn take_internal(headers: &mut HeaderMap) {
    let internal = |name: &&http::HeaderName| name.as_str().starts_with(INTERNAL_HEADER_PREFIX);
    let names: Vec<_> = headers.keys().filter(internal).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// What was no operation is counted too, in the default bucket.
async fn finish(
    limiter: &Limiter,
    slip: &Slip,
    address: Option<IpAddr>,
    mut response: Response,
) -> Response {
    let noted = slip.standing.lock().unwrap_or_else(PoisonError::into_inner).take();
    let standing = match noted {
        Some(standing) => standing,
        None => {
            let identity = slip.identity.lock().unwrap_or_else(PoisonError::into_inner).take();
            let identity = identity.unwrap_or(Identity::Anonymous);
            let standing = limiter.draw(&caller(&identity, address), &[]).await;
            if !standing.admitted {
                let body = crate::error::response(&[refused(&standing)]);
                let json = [(CONTENT_TYPE, "application/json; charset=utf-8")];
                response = (StatusCode::TOO_MANY_REQUESTS, json, body).into_response();
            }
            standing
        }
    };
    standing.write(response.headers_mut());
    response
}
