//! English cues, matched on whole words.

/// How people say outright that something is decided.
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
    "that's settled",
    "it's settled",
    "settled then",
    "stick with",
    "sticking with",
    "is final",
    "that's final",
    "the decision:",
    "we're dropping",
    "we're keeping",
    "we're cutting",
    "we're cancelling",
    "we're postponing",
    "we're moving ahead",
    "we're going ahead",
    "we go with",
    "green light",
    "that's decided",
    "that's agreed",
    "that's the plan",
    "is settled",
    "agreed then",
    "decided then",
    "it's decided",
    "it's agreed",
    "consensus is",
    "everyone agrees",
    "everybody agrees",
    "we all agree",
    "is off",
    "is cancelled",
    "gets the job",
    "final answer",
    "that's what we'll do",
    "let's do that",
    "let's do it",
    "from now on",
];
/// What takes it back: not yet, not any more, or only supposed.
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
    "had agreed",
    "had decided",
    "we'd agreed",
    "we'd decided",
    "off the table",
    "still open",
    "no decision",
    "decided against it",
    "if we",
];
/// How a conclusion begins …
const OPENER: &[&str] = &[
    "okay", "ok", "alright", "right", "good", "fine", "agreed", "then", "so", "decision", "great",
    "yes", "yeah",
];
/// … and goes on; then comes a verb of choice.
const CONCLUSION: &[&str] = &[
    "we'll",
    "we will",
    "we're",
    "we are",
    "let's",
    "let us",
    "we're not",
    "we won't",
    "we'll just",
];
/// Verbs of choice.
const CHOICE: &[&str] = &[
    "adopt",
    "allow",
    "appoint",
    "approve",
    "ban",
    "cancel",
    "cap",
    "close",
    "combine",
    "cut",
    "delay",
    "drop",
    "extend",
    "keep",
    "launch",
    "limit",
    "lower",
    "merge",
    "postpone",
    "raise",
    "reduce",
    "remove",
    "replace",
    "require",
    "scrap",
    "ship",
    "skip",
    "split",
    "stay",
    "stick",
    "swap",
    "switch",
    "use",
    "adopting",
    "cancelling",
    "canceling",
    "cutting",
    "dropping",
    "extending",
    "hiring",
    "keeping",
    "launching",
    "limiting",
    "merging",
    "postponing",
    "raising",
    "removing",
    "replacing",
    "scrapping",
    "sticking",
    "shipping",
    "skipping",
    "splitting",
    "staying",
    "switching",
    "using",
    "go with",
    "going with",
    "go ahead with",
    "going ahead with",
];
/// Those that are a choice only in a conclusion.
const WEAK_CHOICE: &[&str] = &[
    "add",
    "buy",
    "call",
    "change",
    "changing",
    "choose",
    "do",
    "doing",
    "go",
    "going",
    "have",
    "hire",
    "hold",
    "holding",
    "leave",
    "leaving",
    "make",
    "making",
    "move",
    "moving",
    "open",
    "opening",
    "pay",
    "pick",
    "push",
    "pushing",
    "put",
    "run",
    "set",
    "start with",
    "starting with",
    "stop",
    "take",
    "taking",
    "try",
    "trying",
    "wait until",
];
/// What concludes nothing but a part of the meeting itself.
const PROCEDURE: &[&str] = &[
    "start",
    "started",
    "begin",
    "move on",
    "next item",
    "next topic",
    "wrap up",
    "see",
    "talk",
    "break",
    "look at",
    "get going",
    "come back",
    "hear",
    "discuss",
    "wait",
    "think",
    "think about",
    "get into",
    "continue",
    "go around",
    "leave it open",
    "leave that open",
    "leave it there",
    "run out",
    "be late",
    "be fine",
    "need",
    "have to",
    "go through",
    "go over",
    "take a",
    "make sure",
];
/// How people say outright that something is to be done.
const ACTION: &[&str] = &[
    "action item",
    "action items",
    "is responsible for",
    "are responsible for",
    "assigned to",
    "take care of",
    "takes care of",
    "up to you to",
    "on my list",
    "i'll take that",
    "i'll take it",
    "i'll do it",
    "i'll do that",
    "leave it to me",
    "leave it with me",
    "leave that with me",
    "to me i'll",
];
/// How somebody takes something on; then comes a verb.
const PROMISE: &[&str] = &[
    "i'll",
    "i will",
    "i'm going to",
    "i am going to",
    "let me",
    "i have to",
    "i need to",
    "i've got to",
    "i can take",
];
/// Verbs that make it small talk.
const NO_PROMISE: &[&str] = &[
    "be",
    "think",
    "say",
    "see",
    "have",
    "know",
    "guess",
    "hear",
    "start",
    "assume",
    "wait",
    "mention",
    "admit",
    "agree",
    "understand",
    "remember",
    "go",
    "stop",
    "add",
    "come",
    "need",
    "just",
    "share my screen",
    "tell you",
    "repeat",
    "begin",
    "finish my",
    "jump in",
    "play devil's",
    "stay",
];
/// How somebody is asked; then comes a verb.
const REQUEST: &[&str] = &[
    "could you",
    "can you",
    "would you",
    "will you",
    "please",
    "would you mind",
    "do you mind",
    "make sure to",
    "make sure",
    "remember to",
    "don't forget to",
    "if you could",
    "i'd like you to",
    "i need you to",
];
/// Verbs that ask for nothing beyond the meeting.
const NO_REQUEST: &[&str] = &[
    "hear",
    "see",
    "repeat",
    "wait",
    "hold",
    "say",
    "believe",
    "imagine",
    "speak",
    "mute",
    "unmute",
    "share your",
    "tell us",
    "give us",
    "go",
    "start",
    "explain",
    "remind us",
    "stop",
    "be",
    "all",
    "everyone",
    "everybody",
    "no",
    "know",
];
/// What turns a verb of work into somebody's work.
const DUTY: &[&str] = &[
    "will", "we'll", "you'll", "he'll", "she'll", "they'll", "need to", "needs to", "has to",
    "have to", "must", "should", "going to",
];
/// Small words that may stand between.
const FILLER: &[&str] = &[
    "also", "then", "please", "now", "just", "and", "to", "quickly", "all", "both", "not",
    "probably", "simply", "all",
];
/// Verbs of work.
const VERB: &[&str] = &[
    "add",
    "arrange",
    "ask",
    "book",
    "bring",
    "buy",
    "call",
    "change",
    "check",
    "circulate",
    "clean",
    "clear",
    "close",
    "collect",
    "compare",
    "compile",
    "complete",
    "confirm",
    "contact",
    "coordinate",
    "count",
    "create",
    "deliver",
    "deploy",
    "document",
    "draft",
    "drive",
    "email",
    "file",
    "finish",
    "fix",
    "follow",
    "forward",
    "get",
    "handle",
    "hang",
    "investigate",
    "invite",
    "lead",
    "let",
    "look",
    "mail",
    "make",
    "measure",
    "merge",
    "migrate",
    "move",
    "negotiate",
    "open",
    "order",
    "organise",
    "organize",
    "own",
    "pay",
    "pick",
    "prepare",
    "present",
    "print",
    "publish",
    "put",
    "reach",
    "record",
    "register",
    "release",
    "remove",
    "renew",
    "repair",
    "replace",
    "reply",
    "report",
    "rerun",
    "reserve",
    "respond",
    "review",
    "rewrite",
    "run",
    "schedule",
    "send",
    "set",
    "share",
    "ship",
    "sign",
    "speak",
    "submit",
    "take",
    "talk",
    "tell",
    "test",
    "train",
    "transfer",
    "translate",
    "try",
    "update",
    "upload",
    "visit",
    "write",
];
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
/// Words for being together …
const MEET: &[&str] = &[
    "meet",
    "meeting",
    "follow-up",
    "follow up",
    "catch up",
    "sync",
    "get together",
    "regroup",
    "reconvene",
    "sit down",
    "see you",
    "touch base",
    "together",
    "call",
    "talk again",
    "speak again",
    "get back together",
    "same time",
    "pick this up",
    "pick it up",
];
/// … once more.
const AGAIN: &[&str] = &[
    "next",
    "again",
    "follow up",
    "follow-up",
    "let's",
    "reconvene",
    "tomorrow",
    "we'll",
    "we will",
    "see you",
    "regroup",
];
/// Words before a day that make it a limit.
const DUE: &[&str] = &[
    "by",
    "until",
    "due",
    "deadline",
    "before",
    "no later than",
    "closes on",
    "close on",
    "ends on",
    "at the latest",
    "latest",
];
/// What makes it one of the past.
const PAST: &[&str] = &[
    "last year's",
    "last month's",
    "was due",
    "were due",
    "we missed",
    "off until",
    "away until",
    "out until",
    "open until",
    "until last",
];

/// What makes it a wish, a worry or somebody's work.
const NO_CONCLUSION: &[&str] = &[
    "need",
    "have to",
    "should",
    "could",
    "would",
    "might",
    "maybe",
    "perhaps",
    "usually",
    "always",
    "used to",
    "so far",
    "at the moment",
    "if we",
    "if i",
    "unless",
    "i think",
    "can we",
    "do we",
    "i'll",
];
/// What makes a duty none.
const NO_DUTY: &[&str] =
    &["don't think", "doubt", "not sure", "should we", "should i", "why should", "if we"];
/// How many words open a sentence.
const OPENING_WORDS: usize = 3;

/// Whether the sentence tells a decision.
pub(super) fn is_decision(words: &str) -> bool {
    if has(words, NO_DECISION) || is_follow_up(words) {
        return false;
    }
    has(words, DECISION) || words.ends_with(" it is ") || is_conclusion(words)
}

/// "We'll keep …", "let's drop …"; and, where something follows from what was said, "okay, we'll do …".
fn is_conclusion(words: &str) -> bool {
    let opening: Vec<&str> = words.split_whitespace().take(OPENING_WORDS).collect();
    let follows = OPENER.iter().any(|opener| opening.contains(opener))
        || words.ends_with(" then ")
        || has(words, &["after all"]);
    let chosen = |rest: &str| begins(rest, CHOICE) || (follows && begins(rest, WEAK_CHOICE));
    (before_verb(words, CONCLUSION, chosen) || (follows && before_verb(words, &["we"], chosen)))
        && !before_verb(words, CONCLUSION, |rest| begins(rest, PROCEDURE))
        && !has(words, NO_CONCLUSION)
}

/// Whether the sentence gives somebody something to do.
pub(super) fn is_action(words: &str) -> bool {
    if has(words, PAST) {
        return false;
    }
    has(words, ACTION)
        || (has(words, &["leave"]) && has(words, &["to me", "with me"]))
        || before_verb(words, PROMISE, |rest| !begins(rest, NO_PROMISE))
        || before_verb(words, REQUEST, |rest| !begins(rest, NO_REQUEST))
        || (!is_conclusion(words)
            && !has(words, NO_DUTY)
            && before_verb(words, DUTY, |rest| begins(rest, VERB)))
}

/// Whether people want to meet again.
pub(super) fn is_follow_up(words: &str) -> bool {
    has(words, MEET) && has(words, AGAIN) && !before_verb(words, &["i'll", "i will"], |_| true)
}

/// Whether something is limited by a day.
pub(super) fn is_deadline(words: &str) -> bool {
    has(words, DUE) && !has(words, PAST)
}

pub(super) fn is_blocker(words: &str) -> bool {
    has(words, BLOCKER)
}

pub(super) fn is_done(words: &str) -> bool {
    has(words, DONE)
}

pub(super) fn is_plan(words: &str) -> bool {
    has(words, PLAN)
}

pub(super) fn is_goal(words: &str) -> bool {
    has(words, GOAL)
}

/// Lower-case words with one space around each, so that " word " finds whole words.
pub(super) fn words(text: &str) -> String {
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

/// What follows `phrase` in `words`, when it is there as whole words.
fn find_phrase<'w>(words: &'w str, phrase: &str) -> Option<&'w str> {
    after_each(words, phrase).next()
}

fn after_each<'w>(words: &'w str, phrase: &str) -> impl Iterator<Item = &'w str> {
    words.match_indices(phrase).filter_map(|(at, found)| {
        let (before, rest) = (&words[..at], &words[at + found.len()..]);
        (before.ends_with(' ') && rest.starts_with(' ')).then_some(rest)
    })
}

/// Whether `rest`, which begins with a space, begins with one of these.
fn begins(rest: &str, cues: &[&str]) -> bool {
    cues.iter()
        .any(|cue| rest.trim_start().strip_prefix(cue).is_some_and(|after| after.starts_with(' ')))
}

/// Whether one of `cues` stands right before something that `fits` (fillers between don't count).
fn before_verb(words: &str, cues: &[&str], fits: impl Fn(&str) -> bool) -> bool {
    cues.iter().flat_map(|cue| after_each(words, cue)).any(|rest| {
        let mut rest = rest;
        while let Some(shorter) = FILLER.iter().find_map(|filler| {
            rest.trim_start().strip_prefix(filler).filter(|rest| rest.starts_with(' '))
        }) {
            rest = shorter;
        }
        !rest.trim().is_empty() && fits(rest)
    })
}
