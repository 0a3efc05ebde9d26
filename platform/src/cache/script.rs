//! Lua scripts: several steps in Redis as one, which nobody can come between.

use std::sync::OnceLock;

use fred::error::Error;
use fred::interfaces::{ClientLike as _, LuaInterface as _};

use super::Cache;
use super::link::{Link, in_time};

/// A Lua script that answers a list of integers.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    /// Its name in the server, once the server has told it.
    hash: OnceLock<String>,
}

impl Script {
    /// A script from its text. Keep it for as long as the program runs: it remembers by which name the
    /// server knows it.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text, hash: OnceLock::new() }
    }
}

impl Cache {
    /// Runs a script on keys, which get the installation's prefix but not the one of cached values. In a
    /// cluster all of them must live on one node: give them a common part in braces.
    ///
    /// `None` when Redis is away or gives no answer in time; whether the script then ran isn't known.
    pub async fn run(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[i64],
    ) -> Option<Vec<i64>> {
        self.link.run(script, keys, arguments).await
    }
}

impl Link {
    async fn run(&self, script: &Script, keys: &[String], arguments: &[i64]) -> Option<Vec<i64>> {
        // A script that waited for the connection would come too late.
        if self.breaker.is_open() || !self.client.is_connected() {
            return None;
        }
        let keys: Vec<String> = keys.iter().map(|key| format!("{}{key}", self.scope)).collect();
        let done = in_time(self.evaluate(script, keys, arguments.to_vec())).await;
        self.noted(done)
    }

    async fn evaluate(
        &self,
        script: &Script,
        keys: Vec<String>,
        arguments: Vec<i64>,
    ) -> Result<Vec<i64>, Error> {
        let Some(hash) = script.hash.get() else {
            if !self.client.is_clustered() {
                let hash = self.client.script_load::<String, _>(script.text).await?;
                let _ = script.hash.set(hash);
            }
            return self.client.eval(script.text, keys, arguments).await;
        };
        match self.client.evalsha(hash.as_str(), keys.clone(), arguments.clone()).await {
            // The server was restarted, or its scripts were flushed.
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                self.client.eval(script.text, keys, arguments).await
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{real, redis};
    use super::*;

    static COUNT: Script = Script::new(
        "local n = redis.call('INCRBY', KEYS[1], ARGV[1])
         redis.call('PEXPIRE', KEYS[1], 60000)
         return {n, tonumber(ARGV[2])}",
    );

    #[tokio::test]
    async fn a_script_runs_on_prefixed_keys() {
        let (cache, other) = (real().await, real().await);
        let key = ["{a}:count".to_owned()];
        assert_eq!(cache.run(&COUNT, &key, &[2, 7]).await, Some(vec![2, 7]));
        assert_eq!(cache.run(&COUNT, &key, &[3, -1]).await, Some(vec![5, -1]));
        // Another installation's keys are others.
        assert_eq!(other.run(&COUNT, &key, &[1, 0]).await, Some(vec![1, 0]));
    }

    #[tokio::test]
    async fn a_script_that_the_server_does_not_know_is_sent_again() {
        let cache = real().await;
        let script = Script::new("return {ARGV[1] * 2}");
        script.hash.set("0".repeat(40)).unwrap();
        assert_eq!(cache.run(&script, &["k".to_owned()], &[4]).await, Some(vec![8]));
    }

    #[tokio::test]
    async fn without_redis_there_is_no_answer_and_no_wait() {
        let cache = Cache::connect(&redis("redis://127.0.0.1:1")).await.unwrap();
        let start = std::time::Instant::now();
        for _ in 0..100 {
            assert_eq!(cache.run(&COUNT, &["k".to_owned()], &[1, 1]).await, None);
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(2));
    }
}
