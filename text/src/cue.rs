//! Words that give away what a sentence is for, in Korean and English.
//!
//! These are plain lists, not understanding: they find what people say outright ("we decided …",
//! "…하기로 했습니다", "I'll send …", "…까지 보내 주세요") and miss what is only meant. How much they
//! find is measured: docs/ai.md.

mod english;
mod korean;

use crate::sentence::Sentence;

/// Whether the sentence tells a decision. A question doesn't.
#[must_use]
pub fn is_decision(sentence: &Sentence) -> bool {
    !sentence.is_question()
        && (english::is_decision(&english::words(&sentence.text))
            || korean::is_decision(&sentence.text))
}

/// Whether the sentence gives somebody something to do.
#[must_use]
pub fn is_action(sentence: &Sentence) -> bool {
    english::is_action(&english::words(&sentence.text))
        || korean::is_action(&sentence.text, sentence.is_question())
}

/// Whether the sentence tells of something in the way.
#[must_use]
pub fn is_blocker(sentence: &Sentence) -> bool {
    english::is_blocker(&english::words(&sentence.text)) || korean::is_blocker(&sentence.text)
}

/// Whether the sentence tells of work that is done.
#[must_use]
pub fn is_done(sentence: &Sentence) -> bool {
    !sentence.is_question()
        && (english::is_done(&english::words(&sentence.text)) || korean::is_done(&sentence.text))
}

/// Whether the sentence tells what comes next.
#[must_use]
pub fn is_plan(sentence: &Sentence) -> bool {
    !sentence.is_question()
        && (english::is_plan(&english::words(&sentence.text)) || korean::is_plan(&sentence.text))
}

/// Whether the sentence tells a goal.
#[must_use]
pub fn is_goal(sentence: &Sentence) -> bool {
    english::is_goal(&english::words(&sentence.text)) || korean::is_goal(&sentence.text)
}

/// Whether the sentence says that people will meet again. A question only wonders.
#[must_use]
pub fn is_follow_up(sentence: &Sentence) -> bool {
    !sentence.is_question()
        && (english::is_follow_up(&english::words(&sentence.text))
            || korean::is_follow_up(&sentence.text))
}

/// Whether the sentence says by when something is to be done. Of questions only a request does.
#[must_use]
pub fn is_deadline(sentence: &Sentence) -> bool {
    let korean = korean::is_deadline(&sentence.text)
        && (!sentence.is_question() || korean::is_request(&sentence.text));
    let english = english::words(&sentence.text);
    let asked = !sentence.is_question() || english::is_action(&english);
    korean || (english::is_deadline(&english) && asked)
}
