use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::testing::Scope;

static NONE: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;

struct Stage {
    _scope: Scope,
    pool: PgPool,
    asked: Arc<AtomicUsize>,
}

async fn stage() -> Stage {
    let scope = Scope::new().await;
    let pool = scope.postgres("membership", &NONE).await;
    Stage { _scope: scope, pool, asked: Arc::default() }
}

impl Stage {
    fn membership(&self, answer: fn() -> Result<bool, Cause>) -> Membership {
        let asked = Arc::clone(&self.asked);
        Membership::new(self.pool.clone(), move |_, _| {
            asked.fetch_add(1, Ordering::SeqCst);
            async move { answer() }
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn pair() -> (Uuid, Uuid) {
    (Uuid::now_v7(), Uuid::now_v7())
}

#[tokio::test]
async fn a_local_yes_is_trusted_and_ends_with_its_removal() {
    let stage = stage().await;
    let membership = stage.membership(|| Ok(false));
    let (group, member) = pair();
    let mut tx = stage.pool.begin().await.unwrap();
    for _ in 0..2 {
        Membership::add(&mut tx, group, member).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert!(membership.contains(group, member).await.unwrap());
    assert_eq!(stage.asked(), 0);
    // Another member, or another group, is another matter.
    assert!(!membership.contains(group, Uuid::now_v7()).await.unwrap());
    assert!(!membership.contains(Uuid::now_v7(), member).await.unwrap());

    let mut tx = stage.pool.begin().await.unwrap();
    let revoking = Revoking::new(Outbox::new(), "here");
    revoking.remove(&mut tx, group, member).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!membership.contains(group, member).await.unwrap());
    // In the same commit, so that who hears it and asks again is answered no.
    let told = sqlx::query_scalar!("SELECT subject FROM outbox").fetch_all(&stage.pool).await;
    assert_eq!(told.unwrap(), [format!("moim.live.{group}.access.{member}.revoked")]);
}

#[tokio::test]
async fn somebody_who_is_gone_is_in_no_group_any_more() {
    let stage = stage().await;
    let membership = stage.membership(|| Ok(false));
    let (one, member) = pair();
    let (other, stays) = pair();
    let mut tx = stage.pool.begin().await.unwrap();
    for (group, who) in [(one, member), (other, member), (one, stays)] {
        Membership::add(&mut tx, group, who).await.unwrap();
    }
    Revoking::new(Outbox::new(), "here").forget(&mut tx, member).await.unwrap();
    tx.commit().await.unwrap();
    let asked = [(one, member), (other, member), (one, stays)]
        .map(|(group, member)| Belongs { group, member });
    let answers = membership.which(&asked).await.unwrap();
    assert_eq!(asked.map(|one| answers[&one]), [false, false, true]);
    assert_eq!(stage.asked(), 2, "only what isn't known is asked");
}

#[tokio::test]
async fn a_local_no_is_confirmed_each_time() {
    let stage = stage().await;
    let membership = stage.membership(|| Ok(false));
    let (group, member) = pair();
    for _ in 0..2 {
        assert!(!membership.contains(group, member).await.unwrap());
    }
    assert_eq!(stage.asked(), 2);
}

#[tokio::test]
async fn a_confirmed_yes_is_believed_for_a_moment_and_never_written() {
    let stage = stage().await;
    let membership = stage.membership(|| Ok(true));
    let (group, member) = pair();
    assert!(membership.contains(group, member).await.unwrap());
    assert!(membership.contains(group, member).await.unwrap());
    assert!((1..=2).contains(&stage.asked()));
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM membership"#);
    assert_eq!(rows.fetch_one(&stage.pool).await.unwrap(), 0);
    // When the moment is over, it is asked again.
    let long_ago = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    membership.confirmed.insert((group, member), long_ago);
    let before = stage.asked();
    assert!(membership.contains(group, member).await.unwrap());
    assert_eq!(stage.asked(), before + 1);
}

#[tokio::test]
async fn when_nobody_can_be_asked_the_answer_is_no() {
    let stage = stage().await;
    let membership = stage.membership(|| Err("away".into()));
    let (group, member) = pair();
    assert!(!membership.contains(group, member).await.unwrap());
}
