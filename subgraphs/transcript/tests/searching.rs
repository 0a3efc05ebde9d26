//! Full-text search in Korean and English over what one may read.

use platform::identity::Identity;
use platform::task::TaskStatus;
use platform::testing::{belongs, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{DEADLINE, Ended, Stage, Step, segment, viewer};

const SEARCH: &str = "query($q: String!, $first: Int, $after: String) {
    searchTranscripts(query: $q, first: $first, after: $after) {
        nodes { meetingId segment { id text } excerpt { text isHit } } pageInfo { hasNextPage endCursor } } }";

fn spoken() -> Vec<Step> {
    vec![
        segment(0, 1_000, "다음 주 회의는 화요일에 합니다."),
        segment(1_000, 2_000, "The release notes are ready, said Alice."),
        segment(2_000, 3_000, "예산은 100% 확정되었고 회의록은 제가 씁니다."),
        segment(3_000, 4_000, "We ship the Release in May."),
    ]
}

async fn finished(stage: &Stage) -> Ended {
    let ended = stage.ended_meeting(Uuid::now_v7()).await;
    stage.task_when(ended.meeting, |task| task.status == TaskStatus::Completed).await;
    ended
}

/// The texts of the hits, the latest first.
async fn hits(stage: &Stage, who: Uuid, query: &str) -> Vec<String> {
    let found = stage.data(&viewer(who), SEARCH, json!({ "q": query })).await;
    let nodes = found["searchTranscripts"]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["segment"]["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn words_are_found_in_both_languages() {
    let stage = Stage::new([spoken()]).await;
    let ended = finished(&stage).await;
    let host = ended.host;
    let of = |at: usize| match spoken().remove(at) {
        Step::Segment(_, _, text) => text,
        _ => unreachable!(),
    };
    // Two syllables, within words too; the latest first
    assert_eq!(hits(&stage, host, "회의").await, [of(2), of(0)]);
    assert_eq!(hits(&stage, host, "회의록").await, [of(2)]);
    // typed in parts
    assert_eq!(hits(&stage, host, "\u{1112}\u{116c}의록").await, [of(2)]);
    // whatever the case, and all of the words in whatever order
    assert_eq!(hits(&stage, host, "RELEASE").await, [of(3), of(1)]);
    assert_eq!(hits(&stage, host, "notes release").await, [of(1)]);
    assert_eq!(hits(&stage, host, "release 회의").await, Vec::<String>::new());
    // signs of patterns are signs
    assert_eq!(hits(&stage, host, "100%").await, [of(2)]);
    assert!(hits(&stage, host, "r_l%ase").await.is_empty());
    // a syllable isn't its beginning
    assert!(hits(&stage, host, "화요이").await.is_empty());
    // and what is found is marked
    let found = stage.data(&viewer(host), SEARCH, json!({ "q": "may" })).await;
    let node = &found["searchTranscripts"]["nodes"][0];
    assert_eq!(node["meetingId"], json!(ended.meeting));
    let excerpt = json!([
        { "text": "We ship the Release in ", "isHit": false },
        { "text": "May", "isHit": true },
        { "text": ".", "isHit": false },
    ]);
    assert_eq!(node["excerpt"], excerpt);
    // What was edited is found as it is now
    let ids = stage.segment_ids(ended.meeting).await;
    let input = json!({ "segmentId": ids[3], "revision": 0, "text": "We wait." });
    stage.mutate(host, "editSegment", "segment { id }", input).await;
    assert!(hits(&stage, host, "may").await.is_empty());
    assert_eq!(hits(&stage, host, "wait").await, ["We wait."]);
}

#[tokio::test]
async fn hits_come_in_pages() {
    let script =
        (0..5).map(|at| segment(at * 1_000, at * 1_000 + 900, &format!("Number {at}."))).collect();
    let stage = Stage::new([script]).await;
    let ended = finished(&stage).await;
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let asked = json!({ "q": "number", "first": 2, "after": after });
        let found = stage.data(&viewer(ended.host), SEARCH, asked).await;
        let page = &found["searchTranscripts"];
        for node in page["nodes"].as_array().unwrap() {
            seen.push(node["segment"]["text"].as_str().unwrap().to_owned());
        }
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, ["Number 4.", "Number 3.", "Number 2.", "Number 1.", "Number 0."]);
}

#[tokio::test]
async fn everybody_finds_what_they_may_read() {
    let stage = Stage::new([spoken()]).await;
    let (mine, theirs) = (finished(&stage).await, finished(&stage).await);
    // Given two meetings with the same words, then each host finds their own
    for ended in [mine, theirs] {
        let found = stage.data(&viewer(ended.host), SEARCH, json!({ "q": "release" })).await;
        let nodes = found["searchTranscripts"]["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 2);
        assert!(nodes.iter().all(|node| node["meetingId"] == json!(ended.meeting)));
    }
    assert!(hits(&stage, Uuid::now_v7(), "release").await.is_empty());
    // somebody finds what is shared with them, until that is taken back
    let reader = Uuid::now_v7();
    stage.named(reader, "Somebody");
    let input = json!({ "meetingId": mine.meeting, "userIds": [reader] });
    stage.mutate(mine.host, "shareTranscript", "meetingId", input).await;
    assert_eq!(hits(&stage, reader, "release").await.len(), 2);
    let input = json!({ "meetingId": mine.meeting, "userId": reader });
    stage.mutate(mine.host, "unshareTranscript", "meetingId", input).await;
    assert!(hits(&stage, reader, "release").await.is_empty());
    // and who takes part, until they are removed
    let who = json!({ "userId": reader });
    stage.tell("moim.participant.added.v1", mine.meeting, who.clone()).await;
    eventually(DEADLINE, || belongs(&stage.kernel.pool, mine.meeting, reader)).await;
    assert_eq!(hits(&stage, reader, "release").await.len(), 2);
    stage.tell("moim.participant.removed.v1", mine.meeting, who).await;
    eventually(DEADLINE, || async { hits(&stage, reader, "release").await.is_empty() }).await;
    // Nobody in particular is asked to log in
    for identity in [Identity::Anonymous, Identity::Group { id: mine.meeting }] {
        let answer = stage.ask(&identity, SEARCH, json!({ "q": "release" })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn queries_have_bounds() {
    let stage = Stage::idle([]).await;
    for query in ["", "a", "가", "one two three four five six", &"a".repeat(101)] {
        let answer = stage.ask(&viewer(Uuid::now_v7()), SEARCH, json!({ "q": query })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query:?}");
    }
}

#[tokio::test]
async fn the_index_is_used() {
    // Given 40,000 segments in 200 meetings of somebody, and as many of others
    let stage = Stage::idle([]).await;
    let pool = &stage.kernel.pool;
    let who = Uuid::now_v7();
    for statement in [
        "INSERT INTO tasks (id, kind, typename, queue, job_kind, job_id, ordering_key)
         SELECT gen_random_uuid(), 'TRANSCRIPTION', 'TranscriptTask', 'transcript', 'transcription',
                gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 400)",
        "INSERT INTO transcript (id, meeting_id, task_id, recording_id)
         SELECT gen_random_uuid(), ordering_key, id, id FROM tasks",
        "INSERT INTO segment (id, transcript_id, ordinal, start_ms, end_ms, text)
         SELECT gen_random_uuid(), t.id, n, n, n,
                '오늘은 ' || n || '번 안건과 예산을 논의하고 ' || md5(t.id::text || n) || ' 다음으로 넘어갑니다'
         FROM transcript t, generate_series(1, 200) n",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let joined = sqlx::query(
        "INSERT INTO membership (group_id, member_id) SELECT meeting_id, $1 FROM transcript LIMIT 200",
    );
    joined.bind(who).execute(pool).await.unwrap();
    let needle = sqlx::query(
        "UPDATE segment SET text = text || ' 회의' WHERE id IN (
            SELECT s.id FROM segment s JOIN transcript t ON t.id = s.transcript_id
            JOIN membership m ON m.group_id = t.meeting_id LIMIT 3)",
    );
    needle.execute(pool).await.unwrap();
    sqlx::query("VACUUM ANALYZE").execute(pool).await.unwrap();

    // When a word of two syllables is looked for, then the plan goes through the index
    let sql = include_str!("../src/store/search.sql")
        .replace("\"speaker_label?\"", "l")
        .replace("\"speaker_user?\"", "u");
    let plan = format!("EXPLAIN {sql}");
    for generic in ["force_custom_plan", "force_generic_plan"] {
        let mut connection = pool.acquire().await.unwrap();
        let mode = format!("SET plan_cache_mode = {generic}");
        sqlx::query(sqlx::AssertSqlSafe(mode)).execute(&mut *connection).await.unwrap();
        let mut asked = sqlx::query_scalar(sqlx::AssertSqlSafe(plan.clone())).bind(who);
        for _ in 0..5 {
            asked = asked.bind("%회의%");
        }
        let lines: Vec<String> =
            asked.bind(None::<Uuid>).bind(21_i64).fetch_all(&mut *connection).await.unwrap();
        let lines = lines.join("\n");
        assert!(lines.contains("Bitmap Index Scan on segment_search"), "{generic}:\n{lines}");
        assert!(!lines.contains("Seq Scan on segment"), "{generic}:\n{lines}");
        sqlx::query("RESET plan_cache_mode").execute(&mut *connection).await.unwrap();
    }
    // and finds what is there
    assert_eq!(hits(&stage, who, "회의").await.len(), 3);
    assert!(hits(&stage, Uuid::now_v7(), "회의").await.is_empty());
}
