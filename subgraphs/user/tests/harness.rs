//! A running user service of one's own, and how to ask it.

use std::sync::Arc;

use axum::http::HeaderMap;
use platform::{
    cache::Cache,
    config::Values,
    identity::{ClientAddress, Identity, Viewer},
    kernel::Kernel,
    subgraph::Endpoint,
    testing::Scope,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use user::{Config, NAME, Service};
use uuid::Uuid;

/// A good password.
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct Case {
    pub(crate) scope: Scope,
    pub(crate) kernel: Kernel,
    pub(crate) service: Service,
    endpoint: Arc<Endpoint>,
    _folder: TempDir,
}

impl Case {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, true).await
    }

    /// With a changed configuration; with or without Redis.
    pub(crate) async fn with(change: impl FnOnce(&mut Config), redis: bool) -> Self {
        let scope = Scope::new().await;
        let mut kernel = scope.kernel(NAME, user::migrator()).await;
        if !redis {
            let url = "redis://127.0.0.1:1".to_owned().into();
            let nowhere = platform::config::Redis { url, prefix: String::new() };
            kernel.cache = Cache::connect(&nowhere).await.expect("it is tried later");
        }
        let folder = tempfile::tempdir().expect("folder");
        let key = folder.path().join("key.pem");
        let source =
            Values::new().with("MOIM_USER_SIGNING_KEY_FILE", key.to_str().expect("plain path"));
        let mut config = Config::from(&source).expect("configuration");
        change(&mut config);
        let service = Service::new(kernel.clone(), config).await.expect("service");
        let endpoint = service.endpoint();
        Self { scope, kernel, service, endpoint, _folder: folder }
    }

    /// The whole answer to a request made for `identity`.
    pub(crate) async fn answer(&self, who: &Identity, query: &str, variables: Value) -> Value {
        self.answer_from(None, who, query, variables).await
    }

    /// The same for a client at an address.
    pub(crate) async fn answer_from(
        &self,
        client: Option<ClientAddress>,
        who: &Identity,
        query: &str,
        variables: Value,
    ) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut headers = HeaderMap::new();
        self.kernel.keys.sign_for(NAME, who, client, body.as_bytes(), &mut headers);
        let response = self.endpoint.handle(&headers, body.as_bytes()).await;
        serde_json::from_slice(response.body()).expect("JSON")
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, who: &Identity, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(who, query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].take()
    }

    /// The code of the first error of an answer.
    pub(crate) async fn code(&self, who: &Identity, query: &str, variables: Value) -> String {
        let answer = self.answer(who, query, variables).await;
        let code = &answer["errors"][0]["extensions"]["code"];
        code.as_str().unwrap_or_else(|| panic!("no code: {answer}")).to_owned()
    }

    pub(crate) async fn register(&self, email: &str, password: &str, name: &str) -> Value {
        let input = json!({ "email": email, "password": password, "name": name });
        self.session("register", "RegisterInput", input).await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Value {
        let input = json!({ "email": email, "password": password });
        self.session("login", "LoginInput", input).await
    }

    pub(crate) async fn refresh(&self, token: &Value) -> Value {
        self.session("refresh", "RefreshInput", json!({ "refreshToken": token })).await
    }

    pub(crate) async fn session(&self, mutation: &str, input_type: &str, input: Value) -> Value {
        let query = format!(
            "mutation($input: {input_type}!) {{ {mutation}(input: $input) {{
                accessToken refreshToken expiresIn
                user {{ id email name locale timeZone createdAt }}
                userErrors {{ code field message }} }} }}"
        );
        let mut data = self.data(&Identity::Anonymous, &query, json!({ "input": input })).await;
        data[mutation].take()
    }

    /// Registers somebody; gives their id and identity.
    pub(crate) async fn person(&self, email: &str, name: &str) -> (Uuid, Identity) {
        let session = self.register(email, PASSWORD, name).await;
        let id = session["user"]["id"].as_str().expect("registered").parse().expect("a UUID");
        (id, viewer(id))
    }
}

/// The identity of a person who logged in.
pub(crate) fn viewer(id: Uuid) -> Identity {
    let (scopes, roles) = (Vec::new(), Vec::new());
    Identity::Viewer(Viewer { id, scopes, roles, expires_at: i64::MAX })
}

/// The identity of another service.
pub(crate) fn service() -> Identity {
    Identity::Service { name: "meeting".to_owned() }
}

/// The code and field of a payload's only user error.
pub(crate) fn refusal(payload: &Value) -> (&str, Option<&str>) {
    let errors = payload["userErrors"].as_array().expect("userErrors");
    assert_eq!(errors.len(), 1, "{payload}");
    assert!(errors[0]["message"].as_str().is_some_and(|text| !text.is_empty()));
    (errors[0]["code"].as_str().expect("code"), errors[0]["field"].as_str())
}
