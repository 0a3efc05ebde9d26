//! A router on a real socket with two real subgraphs, and tokens for it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, ID, Interface, Object, Result, Schema, SimpleObject,
};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use platform::{identity::Identity, signature::Keys, subgraph::Endpoint};
use router::{
    Config, Router,
    config::{Issuer, Jwks, Trust},
};
use serde_json::{Value, json};

use super::stand::{SUPERGRAPH, Stand};

/// Who takes part in room r1.
pub(crate) const MEMBER: &str = "0190b5a0-0000-7000-8000-000000000001";
/// A room with a name that can be a group's: MEMBER and FRIEND take part in it.
pub(crate) const GROUP: &str = "0190b5a0-0000-7000-8000-0000000000aa";
/// Who takes part there.
pub(crate) const FRIEND: &str = "0190b5a0-0000-7000-8000-000000000003";
/// Who doesn't.
pub(crate) const OUTSIDER: &str = "0190b5a0-0000-7000-8000-000000000002";

const ISSUER: &str = "https://id.example.org";
const KEY: [u8; 32] = [7; 32];

/// The state behind the subgraphs.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) title: Mutex<String>,
    pub(crate) progress: Mutex<i32>,
    pub(crate) completed_at: Mutex<Option<String>>,
    /// The member is one no more.
    pub(crate) removed: AtomicBool,
    /// In whose name rooms were looked for as entities.
    pub(crate) askers: Mutex<Vec<Identity>>,
    /// Whoever holds it lets no room be found as an entity.
    pub(crate) finds: Turns,
    /// Whoever holds it lets no mutation through.
    pub(crate) turns: Turns,
    /// Mutations that wait for a turn, or have had it.
    pub(crate) waiting: AtomicUsize,
}

/// One at a time.
pub(crate) struct Turns(tokio::sync::Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(1))
    }
}

impl std::ops::Deref for Turns {
    type Target = tokio::sync::Semaphore;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[derive(SimpleObject)]
struct Room {
    id: ID,
    title: String,
    status: String,
}

fn room(ctx: &Context<'_>, id: &ID) -> Result<Option<Room>> {
    let state = ctx.data::<Arc<State>>()?;
    let title = state.title.lock().expect("no panic").clone();
    let status = "OPEN".to_owned();
    let own = match Identity::from_ctx(ctx) {
        Identity::Group { id: group } => group.to_string() == id.as_str(),
        identity => match identity.viewer()?.id.to_string().as_str() {
            MEMBER => {
                ["r1", GROUP].contains(&id.as_str()) && !state.removed.load(Ordering::Relaxed)
            }
            FRIEND => id.as_str() == GROUP,
            _ => false,
        },
    };
    Ok(own.then(|| Room { id: id.clone(), title, status }))
}

struct RoomQuery;

#[Object(name = "Query")]
impl RoomQuery {
    async fn room(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Room>> {
        room(ctx, &id)
    }

    #[graphql(entity)]
    async fn find_room(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Room>> {
        let state = ctx.data::<Arc<State>>()?;
        state.askers.lock().expect("no panic").push(Identity::from_ctx(ctx).clone());
        let _turn = state.finds.acquire().await?;
        room(ctx, &id)
    }
}

struct RoomMutation;

#[Object(name = "Mutation")]
impl RoomMutation {
    async fn rename(&self, ctx: &Context<'_>, id: ID, title: String) -> Result<Option<Room>> {
        let state = ctx.data::<Arc<State>>()?;
        state.waiting.fetch_add(1, Ordering::SeqCst);
        let _turn = state.turns.acquire().await?;
        *state.title.lock().expect("no panic") = title;
        room(ctx, &id)
    }
}

#[derive(SimpleObject, Clone)]
struct BuildJob {
    id: ID,
    status: String,
    progress: i32,
    completed_at: Option<String>,
}

#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "&ID"),
    field(name = "status", ty = "&String"),
    field(name = "progress", ty = "&i32"),
    field(name = "completed_at", ty = "&Option<String>")
)]
enum Job {
    BuildJob(BuildJob),
}

#[derive(SimpleObject)]
struct Line {
    id: ID,
    text: String,
}

fn job(ctx: &Context<'_>, id: &str) -> Result<Option<BuildJob>> {
    let state = ctx.data::<Arc<State>>()?;
    let own = match Identity::from_ctx(ctx) {
        Identity::Group { .. } => true,
        identity => [MEMBER, FRIEND].contains(&identity.viewer()?.id.to_string().as_str()),
    };
    Ok(own.then(|| BuildJob {
        id: id.into(),
        status: "RUNNING".to_owned(),
        progress: *state.progress.lock().expect("no panic"),
        completed_at: state.completed_at.lock().expect("no panic").clone(),
    }))
}

struct JobQuery;

#[Object(name = "Query")]
impl JobQuery {
    async fn build_job(&self, ctx: &Context<'_>, id: ID) -> Result<Option<BuildJob>> {
        job(ctx, &id)
    }

    async fn latest_job(&self, ctx: &Context<'_>, room_id: ID) -> Result<Option<Job>> {
        let _ = room_id;
        Ok(job(ctx, "j1")?.map(Job::BuildJob))
    }

    #[graphql(entity)]
    async fn find_job(&self, ctx: &Context<'_>, id: ID) -> Result<Option<BuildJob>> {
        job(ctx, &id)
    }

    #[graphql(entity)]
    async fn find_line(&self, id: ID) -> Option<Line> {
        let text = format!("text of {}", id.as_str());
        Some(Line { id, text })
    }
}

/// A running router.
pub(crate) struct House {
    pub(crate) stand: Arc<Stand>,
    pub(crate) state: Arc<State>,
    pub(crate) address: SocketAddr,
    pub(crate) router: Router,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(router::push::Config::default()).await
    }

    pub(crate) async fn with(push: router::push::Config) -> Self {
        let state = Arc::new(State::default());
        "first".clone_into(&mut state.title.lock().expect("no panic"));
        Self::on(Arc::new(Stand::new().await), state, push).await
    }

    /// Another router with the same subgraphs' state on the same stream.
    pub(crate) async fn beside(&self) -> Self {
        let push = router::push::Config::default();
        Self::on(Arc::clone(&self.stand), Arc::clone(&self.state), push).await
    }

    async fn on(stand: Arc<Stand>, state: Arc<State>, push: router::push::Config) -> Self {
        let keys = Keys::random();
        let rooms = Schema::build(RoomQuery, RoomMutation, EmptySubscription)
            .data(state.clone())
            .enable_federation()
            .finish();
        let jobs = Schema::build(JobQuery, EmptyMutation, EmptySubscription)
            .data(state.clone())
            .register_output_type::<Job>()
            .enable_federation()
            .finish();
        let mut config = Config { push, ..Config::default() };
        config.headers.propagate.push("x-tenant".to_owned());
        config.authentication.issuers.push(Issuer {
            issuer: ISSUER.to_owned(),
            audience: None,
            trust: Trust::Own,
            scopes: Vec::new(),
            roles: Vec::new(),
            jwks: Jwks::Inline(jwks().to_string()),
        });
        let router = Router::builder(SUPERGRAPH, config)
            .transport("rooms", Endpoint::new("rooms", keys.clone(), rooms, |r| r))
            .transport("jobs", Endpoint::new("jobs", keys.clone(), jobs, |r| r))
            .keys(keys)
            .events(stand.context.clone(), stand.prefix.clone())
            .build()
            .await
            .expect("a router");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = router.routes();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { stand, state, address, router }
    }

    pub(crate) fn subscriptions(&self) -> usize {
        let gateway = self.router.gateway();
        gateway.live.plane().expect("a plane").subscriptions()
    }
}

fn jwks() -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let public = SigningKey::from_bytes(&KEY).verifying_key();
    let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1", "x": x}]})
}

/// A token for `sub` that ends in so many seconds (or has ended, when negative).
pub(crate) fn token(sub: &str, seconds: i64) -> String {
    let der = SigningKey::from_bytes(&KEY).to_pkcs8_der().expect("a key");
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("k1".to_owned());
    let now = chrono::Utc::now().timestamp();
    let claims = json!({"iss": ISSUER, "sub": sub, "iat": now, "exp": now + seconds});
    let key = EncodingKey::from_ed_der(der.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &key).expect("a token");
    format!("Bearer {token}")
}
