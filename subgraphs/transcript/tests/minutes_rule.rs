//! Rules that turn text into minutes: cases in Korean and English, and what holds for any text.

use proptest::prelude::*;
use text::cue::{is_action, is_blocker, is_decision, is_done, is_plan};
use text::sentence::{Sentence, Utterance, sentences, whole_text};
use transcript::domain::minutes::{MAX_LINES, Section, TemplateSection, clock, fill};

fn sentence(text: &str) -> Sentence {
    Sentence { start_ms: 0, end_ms: 1_000, text: text.to_owned(), first: 0, last: 0 }
}

/// Utterances of four seconds, one after the other.
fn said(texts: &[&str]) -> Vec<Utterance> {
    (0..)
        .zip(texts)
        .map(|(place, text)| Utterance {
            start_ms: place * 4_000,
            end_ms: place * 4_000 + 4_000,
            text: (*text).to_owned(),
        })
        .collect()
}

fn template(sections: &[(&str, &str)]) -> Vec<TemplateSection> {
    sections.iter().map(|(key, title)| TemplateSection::new(*key, *title)).collect()
}

fn body<'s>(sections: &'s [Section], key: &str) -> &'s str {
    &sections.iter().find(|section| section.key == key).unwrap().body
}

#[test]
fn titles_are_in_the_language_that_was_spoken() {
    let mut section = TemplateSection::new("overview", "개요");
    section.titles = [("en", "Overview"), ("ko", "개요")].map(|(k, v)| (k.into(), v.into())).into();
    let cases =
        [(Some("en-US"), "Overview"), (Some("ko"), "개요"), (Some("fr"), "개요"), (None, "개요")];
    for (language, title) in cases {
        assert_eq!(fill(&[section.clone()], &[], language)[0].title, title, "{language:?}");
    }
}

#[test]
fn cues_in_both_languages() {
    // (sentence, decision, action)
    let cases = [
        ("We decided to move the launch to May.", true, false),
        ("After a long talk we’ve agreed on the smaller plan.", true, false),
        ("The budget was approved.", true, false),
        ("Let's go with Postgres.", true, false),
        ("We have not decided on a date yet.", false, false),
        ("Have we decided on a date?", false, false),
        ("That still needs to be decided.", false, false),
        ("Alice will send the report by Friday.", false, true),
        ("I'll quickly review the draft.", false, true),
        ("Could you please share the slides?", false, true),
        ("We agreed that Bob will prepare the demo.", true, true),
        ("Carol is responsible for the venue.", false, true),
        ("The weather will be nice.", false, false),
        ("He was willing to wait.", false, false),
        ("배포일을 5월로 미루기로 했습니다.", true, false),
        ("예산안은 승인되었습니다.", true, false),
        ("작은 안으로 합의했습니다.", true, false),
        ("아직 결정하지 못했습니다.", false, false),
        ("날짜는 아직 확정되지 않았습니다.", false, false),
        ("다음 회의에서 결정해야 합니다.", false, false),
        ("발표를 하기로 했나요?", false, false),
        ("민수 씨가 금요일까지 보고서를 작성해 주세요.", false, true),
        ("제가 자료를 공유하겠습니다.", false, true),
        ("디자인은 지현 씨가 담당합니다.", false, true),
        ("회의를 시작하겠습니다.", false, false),
        ("오늘 날씨가 좋습니다.", false, false),
    ];
    for (text, decision, action) in cases {
        assert_eq!(is_decision(&sentence(text)), decision, "decision? {text}");
        assert_eq!(is_action(&sentence(text)), action, "action? {text}");
    }
    assert!(is_blocker(&sentence("I'm blocked by the review.")));
    assert!(is_blocker(&sentence("서버 문제로 막혀 있습니다.")));
    assert!(!is_blocker(&sentence("The tissue box is empty.")));
    assert!(is_done(&sentence("Yesterday I fixed the login.")));
    assert!(is_done(&sentence("어제 로그인을 고쳤습니다.")));
    assert!(is_plan(&sentence("Today I look at the cache.")));
    assert!(is_plan(&sentence("오늘은 캐시를 봅니다.")));
}

#[test]
fn an_english_meeting() {
    let said = said(&[
        "Good morning everybody. The release of the mobile app",
        "is what we talk about today.",
        "The release needs the new payment screen.",
        "We decided to ship the release on May 3.5 weeks from now.",
        "Alice will prepare the payment screen by Friday.",
    ]);
    let sections = fill(&[], &said, Some("en"));
    let titles: Vec<&str> = sections.iter().map(|section| section.title.as_str()).collect();
    assert_eq!(titles, ["Overview", "Discussion", "Decisions", "Action items"]);
    assert_eq!(
        body(&sections, "decisions"),
        "- [00:12] We decided to ship the release on May 3.5 weeks from now."
    );
    assert_eq!(
        body(&sections, "actions"),
        "- [00:16] Alice will prepare the payment screen by Friday."
    );
    assert!(body(&sections, "overview").contains("The release"));
    assert_eq!(
        body(&sections, "discussion").lines().nth(1),
        Some("[00:00] The release of the mobile app is what we talk about today.")
    );
}

#[test]
fn a_korean_meeting_in_its_template() {
    let said = said(&[
        "안녕하세요, 주간 회의를 시작하겠습니다.",
        "어제 결제 화면을 완료했습니다",
        "출시를 오월로 미루기로 했습니다.",
        "지현 씨가 금요일까지 테스트를 준비해 주세요.",
        "서버 비용이 문제입니다.",
    ]);
    let template = template(&[
        ("yesterday", "어제 한 일"),
        ("decisions", "결정 사항"),
        ("actions", "할 일"),
        ("blockers", "걸림돌"),
        ("cost", "비용"),
        ("roles", "역할"),
    ]);
    let sections = fill(&template, &said, Some("ko"));
    assert_eq!(body(&sections, "yesterday"), "- [00:04] 어제 결제 화면을 완료했습니다");
    assert_eq!(body(&sections, "decisions"), "- [00:08] 출시를 오월로 미루기로 했습니다.");
    assert_eq!(
        body(&sections, "actions"),
        "- [00:12] 지현 씨가 금요일까지 테스트를 준비해 주세요."
    );
    assert_eq!(body(&sections, "blockers"), "- [00:16] 서버 비용이 문제입니다.");
    // A section of its own kind: what shares a word with its title, particles aside.
    assert_eq!(body(&sections, "cost"), "- [00:16] 서버 비용이 문제입니다.");
    assert_eq!(body(&sections, "roles"), "", "nothing was said about it");
    let defaults = fill(&[], &said, Some("ko-KR"));
    assert_eq!(defaults[2].title, "결정 사항");
}

#[test]
fn sentences_end_where_people_end_them() {
    let cut = |texts: &[&str]| -> Vec<String> {
        sentences(&said(texts)).into_iter().map(|sentence| sentence.text).collect()
    };
    assert_eq!(
        cut(&["It was version 3.5 of", "Dr. Kim. \"Really?\" Yes!"]),
        ["It was version 3.5 of Dr. Kim.", "\"Really?\"", "Yes!"]
    );
    assert_eq!(cut(&["그렇게 하겠습니다", "네 좋습니다"]), ["그렇게 하겠습니다", "네 좋습니다"]);
    let pause = [
        Utterance { start_ms: 0, end_ms: 1_000, text: "and so".into() },
        Utterance { start_ms: 9_000, end_ms: 9_500, text: "next topic".into() },
    ];
    assert_eq!(sentences(&pause).len(), 2, "a long silence ends a sentence");
}

#[test]
fn a_long_discussion_is_told_by_its_most_telling_sentences() {
    let texts: Vec<String> = (0..60).map(|n| format!("Point {n} is about the budget.")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let sections = fill(&template(&[("discussion", "Discussion")]), &said(&texts), None);
    // 60 sentences of 4 s are four stretches of a minute, two sentences each.
    assert_eq!(sections[0].body.lines().count(), 8);
    assert_eq!(clock(3_723_000), "1:02:03");
}

prop_compose! {
    fn utterances()(
        parts in prop::collection::vec(
            ("[ a-zA-Z가-힣.?!,'\"\n]{0,60}|\\PC{0,40}|(we decided|제가 공유하겠습니다|기로 했습니다|I will send)[ .]?", 0i64..8_000, 0i64..3_000),
            0..40,
        )
    ) -> Vec<Utterance> {
        let mut at = 0;
        parts.into_iter().map(|(text, length, pause)| {
            let start_ms = at + pause;
            at = start_ms + length;
            Utterance { start_ms, end_ms: at, text }
        }).collect()
    }
}

fn any_template() -> impl Strategy<Value = Vec<TemplateSection>> {
    const KEYS: &[&str] = &[
        "overview",
        "discussion",
        "decisions",
        "actions",
        "blockers",
        "yesterday",
        "today",
        "goals",
        "questions",
        "cost",
    ];
    prop::collection::vec((prop::sample::select(KEYS), "\\PC{0,12}"), 0..8).prop_map(|list| {
        list.into_iter().map(|(key, title)| TemplateSection::new(key, title)).collect()
    })
}

proptest! {
    // Texts are long and debug builds slow.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn sentences_keep_every_word(said in utterances()) {
        let joined: Vec<String> = sentences(&said).into_iter().map(|s| s.text).collect();
        prop_assert_eq!(joined.join(" "), whole_text(&said));
    }

    #[test]
    fn sentences_stay_in_order(said in utterances()) {
        let sentences = sentences(&said);
        prop_assert!(sentences.iter().all(|s| s.start_ms <= s.end_ms && !s.text.is_empty()));
        prop_assert!(sentences.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms));
    }

    /// Nothing is made up: a line is a bullet, a time, and words as they were said.
    #[test]
    fn every_line_comes_from_the_text(said in utterances(), template in any_template()) {
        let text = whole_text(&said);
        let sections = fill(&template, &said, None);
        prop_assert_eq!(sections.len(), if template.is_empty() { 4 } else { template.len() });
        for section in sections {
            prop_assert!(section.body.lines().count() <= MAX_LINES);
            for line in section.body.split('\n').filter(|line| !line.is_empty()) {
                let words = line.strip_prefix("- ").filter(|rest| rest.starts_with('[')).unwrap_or(line);
                let told = words.split_once("] ").filter(|(time, _)| {
                    time.strip_prefix('[').is_some_and(|t| t.chars().all(|c| c.is_ascii_digit() || c == ':'))
                }).map_or(words, |(_, told)| told);
                prop_assert!(text.contains(told), "{:?} was never said", line);
            }
        }
    }

    #[test]
    fn the_same_text_gives_the_same_minutes(said in utterances(), template in any_template()) {
        prop_assert_eq!(fill(&template, &said, None), fill(&template, &said, None));
    }
}
