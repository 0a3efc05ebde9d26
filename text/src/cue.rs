//! Words that give away what a sentence is for, in Korean and English.
//!
//! These are plain lists, not understanding: they find what people say outright ("we decided …",
//! "…하기로 했습니다", "I'll send …", "…까지 보내 주세요") and miss what is only meant. English cues
//! are matched on whole words, Korean ones anywhere, because particles and endings stick to words.

use crate::sentence::Sentence;

const DECISION: &[&str] = &[
    "we decided",
    "we have decided",
    "we've decided",
    "was decided",
    "been decided",
    "is decided",
    "decided to",
    "decided that",
    "decided on",
    "we agreed",
    "we have agreed",
    "we've agreed",
    "agreed to",
    "agreed that",
    "agreed on",
    "the decision is",
    "the decision was",
    "final decision",
    "let's go with",
    "we'll go with",
    "we will go with",
    "we're going with",
    "we are going with",
    "settled on",
    "is approved",
    "was approved",
    "we approved",
    "we approve",
    "signed off",
    "unanimously",
    "resolved to",
];
const NO_DECISION: &[&str] = &[
    "not decided",
    "haven't decided",
    "not agreed",
    "undecided",
    "didn't decide",
    "not approved",
    "need to decide",
    "be decided",
    "yet to decide",
    "if we decided",
    "can't agree",
    "haven't agreed",
];
const DECISION_KO: &[&str] = &[
    "결정했",
    "결정하였",
    "결정됐",
    "결정되었",
    "결정합니다",
    "결정하겠",
    "결정 사항",
    "결정사항",
    "합의했",
    "합의하였",
    "합의됐",
    "합의되었",
    "합의합니다",
    "확정했",
    "확정하였",
    "확정됐",
    "확정되었",
    "확정합니다",
    "확정하겠",
    "기로 했",
    "기로 하였",
    "기로 합",
    "기로 하겠",
    "기로 결정",
    "기로 정",
    "기로 확정",
    "승인했",
    "승인됐",
    "승인되었",
    "승인합니다",
    "채택했",
    "채택합니다",
    "의결",
    "로 정했",
];
const NO_DECISION_KO: &[&str] = &[
    "결정하지 못",
    "결정하지 않",
    "결정되지",
    "결정된 것은 없",
    "합의하지 못",
    "합의되지",
    "확정하지",
    "확정되지",
    "아직 결정",
    "아직 확정",
    "결정해야",
];

const ACTION: &[&str] = &[
    "action item",
    "action items",
    "is responsible for",
    "are responsible for",
    "assigned to",
    "take care of",
    "takes care of",
    "the deadline is",
    "is due",
    "are due",
];
/// What turns a verb into somebody's work.
const DUTY: &[&str] = &[
    "will",
    "i'll",
    "we'll",
    "you'll",
    "he'll",
    "she'll",
    "they'll",
    "need to",
    "needs to",
    "has to",
    "have to",
    "must",
    "should",
    "please",
    "can you",
    "could you",
    "would you",
    "going to",
    "let me",
    "make sure to",
];
/// Small words that may stand between a duty and its verb.
const FILLER: &[&str] =
    &["also", "then", "please", "now", "just", "and", "to", "quickly", "all", "both"];
const VERB: &[&str] = &[
    "send",
    "prepare",
    "write",
    "draft",
    "review",
    "check",
    "fix",
    "update",
    "schedule",
    "book",
    "contact",
    "call",
    "email",
    "mail",
    "share",
    "create",
    "set",
    "follow",
    "finish",
    "complete",
    "investigate",
    "look",
    "organise",
    "organize",
    "present",
    "test",
    "deploy",
    "document",
    "report",
    "ask",
    "arrange",
    "order",
    "buy",
    "submit",
    "deliver",
    "collect",
    "publish",
    "add",
    "remove",
    "clean",
    "upload",
    "invite",
    "confirm",
    "measure",
    "ship",
    "release",
    "tell",
    "talk",
];
const ACTION_KO: &[&str] =
    &["담당", "맡아", "맡기로", "맡겠", "맡습", "할 일", "액션 아이템", "부탁드"];
const VERB_KO: &[&str] = &[
    "준비",
    "작성",
    "공유",
    "제출",
    "정리",
    "검토",
    "확인",
    "보내",
    "보낼",
    "전달",
    "연락",
    "예약",
    "수정",
    "배포",
    "테스트",
    "조사",
    "보고",
    "업데이트",
    "마무리",
    "완료",
    "문의",
    "등록",
    "만들",
    "알아보",
    "챙기",
    "챙겨",
    "끝내",
    "올리",
    "올려",
    "발표",
    "고치",
    "고쳐",
];
const DUTY_KO: &[&str] = &[
    "주세요",
    "주십시오",
    "주시기",
    "주시고",
    "주실",
    "겠습니다",
    "게요",
    "께요",
    "해야",
    "하기로",
    "내기로",
    "들기로",
    "예정",
    "바랍니다",
    "합시다",
    "까지",
];

/// What makes a question a request.
const REQUEST_KO: &[&str] = &["주실", "주시", "주세요", "줄래", "줄 수"];

const BLOCKER: &[&str] = &[
    "blocked",
    "blocker",
    "blockers",
    "stuck",
    "waiting for",
    "waiting on",
    "can't proceed",
    "issue",
    "issues",
    "problem",
    "problems",
    "risk",
    "risks",
    "risky",
    "delay",
    "delayed",
    "concern",
    "concerned",
    "worried",
];
const BLOCKER_KO: &[&str] = &[
    "막혀",
    "막혔",
    "막힌",
    "문제",
    "이슈",
    "리스크",
    "지연",
    "늦어지",
    "어렵",
    "어려움",
    "위험",
    "우려",
    "걱정",
];
const DONE: &[&str] = &[
    "yesterday",
    "last week",
    "i finished",
    "we finished",
    "is finished",
    "i completed",
    "we completed",
    "is done",
    "are done",
    "i worked on",
    "we worked on",
    "i fixed",
    "we fixed",
    "merged",
    "shipped",
    "released",
    "so far",
];
const DONE_KO: &[&str] = &[
    "어제",
    "지난주",
    "지난 주",
    "완료했",
    "끝냈",
    "마쳤",
    "배포했",
    "처리했",
    "마무리했",
    "진행했",
    "고쳤",
];
const PLAN: &[&str] = &[
    "today",
    "tomorrow",
    "next week",
    "this week",
    "next month",
    "plan to",
    "plan is",
    "planning to",
    "going to",
    "next step",
    "next steps",
    "i'll",
    "we'll",
];
const PLAN_KO: &[&str] =
    &["오늘", "내일", "다음 주", "다음주", "이번 주", "이번주", "다음 달", "예정", "계획", "할 것"];
const GOAL: &[&str] = &[
    "goal",
    "goals",
    "objective",
    "objectives",
    "purpose",
    "the aim",
    "our aim",
    "success",
    "mission",
];
const GOAL_KO: &[&str] = &["목표", "목적", "지향", "성공 기준"];
const MEET: &[&str] =
    &["meet", "meeting", "follow-up", "follow up", "catch up", "reconvene", "sync", "get together"];
const MEET_KO: &[&str] = &["회의", "미팅", "만나", "뵙겠", "모이"];
const AGAIN: &[&str] = &[
    "next",
    "again",
    "follow up",
    "follow-up",
    "let's",
    "schedule",
    "reconvene",
    "tomorrow",
    "we'll",
    "we will",
];
const AGAIN_KO: &[&str] = &["다음", "다시", "내일", "모레", "겠습니다", "합시다", "잡", "예정"];
const DUE: &[&str] = &["by", "until", "due", "deadline", "before", "no later than"];
const DUE_KO: &[&str] = &["까지", "마감", "기한"];

/// Whether the sentence tells a decision. A question doesn't.
#[must_use]
pub fn is_decision(sentence: &Sentence) -> bool {
    if sentence.is_question() {
        return false;
    }
    let words = words(&sentence.text);
    let denied = has(&words, NO_DECISION) || has_ko(&sentence.text, NO_DECISION_KO);
    !denied && (has(&words, DECISION) || has_ko(&sentence.text, DECISION_KO))
}

/// Whether the sentence gives somebody something to do.
#[must_use]
pub fn is_action(sentence: &Sentence) -> bool {
    let words = words(&sentence.text);
    let korean = has_ko(&sentence.text, ACTION_KO)
        || (has_ko(&sentence.text, VERB_KO) && has_ko(&sentence.text, DUTY_KO));
    let asked = sentence.is_question() && !has_ko(&sentence.text, REQUEST_KO);
    (korean && !asked) || has(&words, ACTION) || has_duty(&words)
}

/// Whether the sentence tells of something in the way.
#[must_use]
pub fn is_blocker(sentence: &Sentence) -> bool {
    has(&words(&sentence.text), BLOCKER) || has_ko(&sentence.text, BLOCKER_KO)
}

/// Whether the sentence tells of work that is done.
#[must_use]
pub fn is_done(sentence: &Sentence) -> bool {
    !sentence.is_question()
        && (has(&words(&sentence.text), DONE) || has_ko(&sentence.text, DONE_KO))
}

/// Whether the sentence tells what comes next.
#[must_use]
pub fn is_plan(sentence: &Sentence) -> bool {
    !sentence.is_question()
        && (has(&words(&sentence.text), PLAN) || has_ko(&sentence.text, PLAN_KO))
}

/// Whether the sentence tells a goal.
#[must_use]
pub fn is_goal(sentence: &Sentence) -> bool {
    has(&words(&sentence.text), GOAL) || has_ko(&sentence.text, GOAL_KO)
}

/// Whether the sentence says that people want to meet again.
#[must_use]
pub fn is_follow_up(sentence: &Sentence) -> bool {
    let words = words(&sentence.text);
    (has(&words, MEET) && has(&words, AGAIN))
        || (has_ko(&sentence.text, MEET_KO) && has_ko(&sentence.text, AGAIN_KO))
}

/// Whether the sentence says by when something is to be done.
#[must_use]
pub fn is_deadline(sentence: &Sentence) -> bool {
    !sentence.is_question() && (has(&words(&sentence.text), DUE) || has_ko(&sentence.text, DUE_KO))
}

/// Lower-case words with one space around each, so that " word " finds whole words.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    for c in text.chars().flat_map(char::to_lowercase) {
        let c = match c {
            '’' => '\'',
            c if c.is_alphanumeric() || c == '\'' => c,
            _ => ' ',
        };
        if c != ' ' || !out.ends_with(' ') {
            out.push(c);
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

fn has(words: &str, cues: &[&str]) -> bool {
    cues.iter().any(|cue| find_phrase(words, cue).is_some())
}

fn has_ko(text: &str, cues: &[&str]) -> bool {
    cues.iter().any(|cue| text.contains(cue))
}

/// What follows `phrase` in `words`, when it is there as whole words.
fn find_phrase<'w>(words: &'w str, phrase: &str) -> Option<&'w str> {
    words.match_indices(phrase).find_map(|(at, _)| {
        let (before, rest) = (&words[..at], &words[at + phrase.len()..]);
        (before.ends_with(' ') && rest.starts_with(' ')).then_some(rest)
    })
}

/// Whether a duty stands right before a verb of work (fillers between them don't count).
fn has_duty(words: &str) -> bool {
    DUTY.iter().any(|duty| {
        words.match_indices(duty).any(|(at, _)| {
            let (before, rest) = (&words[..at], &words[at + duty.len()..]);
            before.ends_with(' ')
                && rest.starts_with(' ')
                && rest
                    .split_whitespace()
                    .find(|word| !FILLER.contains(word))
                    .is_some_and(|word| VERB.contains(&word))
        })
    })
}
