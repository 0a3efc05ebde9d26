use chrono::NaiveDate;
use futures::executor::block_on;
use proptest::prelude::*;

use super::*;

/// A Thursday.
fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 26).unwrap()
}

fn said(texts: &[&str]) -> Said {
    let pieces = (0..)
        .zip(texts)
        .map(|(place, text)| Piece {
            id: Uuid::from_u128(place),
            speaker: None,
            start_ms: i64::try_from(place).unwrap() * 4_000,
            end_ms: i64::try_from(place).unwrap() * 4_000 + 4_000,
            text: (*text).to_owned(),
        })
        .collect();
    Said {
        language: "en".into(),
        day: day(),
        time_zone: "Asia/Seoul".into(),
        people: Vec::new(),
        pieces,
    }
}

#[test]
fn decisions_and_actions_are_what_was_said_and_where() {
    let said = said(&[
        "Good morning, everybody.",
        "We decided to ship the new editor",
        "on December 3.",
        "I will send the report by tomorrow.",
        "민지님이 다음 주 화요일까지 보고서를 작성해 주세요.",
    ]);
    let summary = block_on(Extractive.summarise(&said)).unwrap().found;
    let decision = &summary.decisions[0];
    assert_eq!(decision.text, "We decided to ship the new editor on December 3.");
    assert_eq!(decision.segment_ids, [Uuid::from_u128(1), Uuid::from_u128(2)]);
    let actions = block_on(Extractive.actions(&said)).unwrap().found;
    let found: Vec<_> = actions.iter().map(|action| (action.text.as_str(), action.due)).collect();
    let on = |month, day| NaiveDate::from_ymd_opt(2026, month, day);
    assert_eq!(
        found,
        [
            ("I will send the report by tomorrow.", on(11, 27)),
            ("민지님이 다음 주 화요일까지 보고서를 작성해 주세요.", on(12, 1)),
        ]
    );
    assert_eq!(actions[1].segment_ids, [Uuid::from_u128(4)]);
}

#[test]
fn a_schedule_has_follow_ups_and_deadlines() {
    let said = said(&[
        "Let's meet again next Monday.",
        "다음 회의는 12월 10일에 하겠습니다.",
        "The draft is due by Friday.",
        "By the way, the coffee is good.",
    ]);
    let schedule = block_on(Extractive.schedule(&said)).unwrap().found;
    let found: Vec<_> = schedule.items.iter().map(|item| (item.kind, item.date)).collect();
    let on = |month, day| NaiveDate::from_ymd_opt(2026, month, day);
    assert_eq!(
        found,
        [
            (DatedKind::FollowUp, on(11, 30)),
            (DatedKind::FollowUp, on(12, 10)),
            (DatedKind::Deadline, on(11, 27)),
        ]
    );
}

#[test]
fn an_analysis_counts_words_and_time() {
    let mut said = said(&["The budget is tight.", "The budget grows.", "Hiring starts."]);
    said.pieces[2].speaker = Some("Ada".into());
    let analysis = block_on(Extractive.analyse(&said)).unwrap().found;
    assert_eq!((analysis.topics[0].word.as_str(), analysis.topics[0].count), ("budget", 2));
    assert_eq!(analysis.topics[0].segment_ids, [Uuid::from_u128(0), Uuid::from_u128(1)]);
    let time = |speaker: Option<&str>, duration_ms, of: &[u128]| TalkTime {
        speaker: speaker.map(str::to_owned),
        duration_ms,
        segment_ids: of.iter().map(|id| Uuid::from_u128(*id)).collect(),
    };
    let counted = [time(None, 8_000, &[0, 1]), time(Some("Ada"), 4_000, &[2])];
    assert_eq!(analysis.talk_time, counted);
}

proptest! {
    #[test]
    fn whatever_is_said_everything_found_cites_what_was_said(
        texts in prop::collection::vec("[ a-z가-힣.?!0-9월일까지]{0,60}", 0..12)
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let said = said(&texts);
        let known: HashSet<Uuid> = said.pieces.iter().map(|piece| piece.id).collect();
        let summary = block_on(Extractive.summarise(&said)).unwrap().found;
        let schedule = block_on(Extractive.schedule(&said)).unwrap().found;
        let actions = block_on(Extractive.actions(&said)).unwrap().found;
        let cited = summary.overview.iter().chain(&summary.decisions).map(|c| &c.segment_ids)
            .chain(summary.keywords.iter().map(|k| &k.segment_ids))
            .chain(schedule.items.iter().map(|i| &i.segment_ids))
            .chain(actions.iter().map(|a| &a.segment_ids));
        for ids in cited {
            prop_assert!(!ids.is_empty() && ids.iter().all(|id| known.contains(id)));
        }
    }
}
