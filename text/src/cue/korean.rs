//! Korean cues, matched anywhere, because particles and endings stick to words.

/// How people say outright that something is decided.
const DECISION: &[&str] = &[
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
    "결정하죠",
    "결정하시죠",
    "결정할게요",
    "정하죠",
    "정하시죠",
    "정합시다",
    "걸로 하",
    "것으로 하",
    "걸로 합",
    "것으로 합",
    "걸로 가",
    "걸로 정",
    "걸로 결정",
    "걸로 확정",
    "로 확정",
    "로 통일",
    "로 갑시다",
    "로 가시죠",
    "로 가죠",
    "로 하시죠",
    "로 합시다",
    "로 하죠",
    "로 할게요",
    "로 진행하겠",
    "로 진행합시다",
    "로 진행하시죠",
];
/// What takes it back: not yet, not any more, or only supposed.
const NO_DECISION: &[&str] = &[
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
    "기로 했었",
    "기로 했는데",
    "기로 했지만",
    "못 정했",
    "결정하기 어렵",
    "취소됐",
    "할까",
    "어떨까",
    "없던 일",
    "로 하면",
    "보류",
];
/// How people conclude: "그럼 …하시죠".
const COHORTATIVE: &[&str] = &[
    "합시다",
    "하시죠",
    "하죠",
    "하자",
    "가시죠",
    "갑시다",
    "가죠",
    "두죠",
    "두시죠",
    "둡시다",
    "뺍시다",
    "씁시다",
    "쓰죠",
    "쓰시죠",
    "빼죠",
    "빼시죠",
    "걸로요",
    "것으로요",
    "기로요",
    "겠습니다",
];
/// What a conclusion begins with.
const THEREFORE: &[&str] =
    &["그럼", "그러면", "그렇게", "그럼요", "좋아요", "좋습니다", "결론", "최종"];
/// What concludes nothing but a part of the meeting itself.
const PROCEDURE: &[&str] = &[
    "시작",
    "넘어가",
    "넘어갑",
    "마치",
    "마무리",
    "쉬었",
    "쉽시다",
    "쉬고",
    "보시죠",
    "봅시다",
    "얘기",
    "이야기",
    "논의",
    "모여",
    "모이",
    "만나",
    "만납",
    "뵙",
    "회의",
    "미팅",
    "말씀",
    "생각",
    "제가",
    "저는",
    "들어 보",
    "정리하겠",
];
/// How people say outright that something is to be done.
const ACTION: &[&str] = &[
    "맡아",
    "맡기로",
    "맡겠",
    "맡습",
    "할 일",
    "액션 아이템",
    "담당이",
    "담당합",
    "담당할",
    "담당하기",
    "담당해",
    "담당은",
    "담당으로",
    "담당해",
];
/// What takes it back.
const NO_ACTION: &[&str] =
    &["못 정했", "안 정했", "누가", "기로 했었", "취소됐", "아직 담당", "담당이 없", "담당이 누"];
/// Who speaks of himself …
const FIRST: &[&str] = &["제가", "저는", "저도", "제 쪽", "저희가", "저희 쪽", "내가", "저희는"];
/// … and promises.
const PROMISE: &[&str] = &["게요", "께요", "겠습니다", "겠어요", "예정입니다", "볼게", "할게"];
/// Promises of nothing.
const SMALL_TALK: &[&str] = &[
    "시작하겠",
    "시작할게",
    "설명드리겠",
    "말씀드리겠",
    "공유드리겠",
    "화면",
    "넘어가겠",
    "마치겠",
    "먼저 갈게",
    "들어가 보",
    "나가 볼게",
    "기다릴게",
    "나중에 들",
    "소개",
    "알겠습니다",
    "그럴게요",
    "그러겠습니다",
    "생각하겠",
    "감사하겠",
];
/// How somebody is asked.
const REQUEST: &[&str] = &[
    "주세요",
    "주십시오",
    "주시기",
    "주시고",
    "주실",
    "주시겠",
    "주시면",
    "줘요",
    "줘라",
    "줄래",
    "줄 수",
    "바랍니다",
    "부탁",
    "보세요",
    "하세요",
    "해 줘",
];
/// Requests for nothing beyond the meeting.
const NO_REQUEST: &[&str] = &[
    "기다려",
    "잠시만",
    "잠깐만",
    "들어 주",
    "말씀해 주",
    "봐 주세요",
    "보여 주",
    "알려 주세요?",
    "들어 보세요",
    "생각해 보세요",
    "해 보세요?",
    "어서",
    "앉으",
];
/// Verbs of work.
const VERB: &[&str] = &[
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
    "갱신",
    "반영",
    "전화",
    "신청",
    "구매",
    "주문",
    "설치",
    "교체",
    "번역",
    "점검",
    "요청",
    "계약",
    "결제",
    "입금",
    "발송",
    "배송",
    "인쇄",
    "섭외",
    "수리",
    "돌려",
    "물어보",
    "적어",
    "붙이",
    "옮기",
    "바꾸",
    "찾아",
];
/// What makes it somebody's work.
const OBLIGATION: &[&str] = &[
    "야 합니다",
    "야 해",
    "야 돼",
    "야 됩니다",
    "야 하고",
    "야 하니",
    "야겠",
    "야 되",
    "기로 했습니다",
    "기로 했어",
    "기로 했고",
    "기로 하",
];
const BLOCKER: &[&str] = &[
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
const PLAN: &[&str] =
    &["오늘", "내일", "다음 주", "다음주", "이번 주", "이번주", "다음 달", "예정", "계획", "할 것"];
const GOAL: &[&str] = &["목표", "목적", "지향", "성공 기준"];
/// Words for being together …
const MEET: &[&str] = &[
    "회의",
    "미팅",
    "만나",
    "만납",
    "뵙",
    "뵐",
    "모이",
    "모여",
    "모입",
    "모일",
    "모임",
    "다시 보자",
    "다시 봅시다",
    "봬요",
    "뵈어",
];
/// … once more.
const AGAIN: &[&str] = &[
    "다음",
    "다시",
    "내일",
    "모레",
    "겠습니다",
    "합시다",
    "하시죠",
    "하죠",
    "하자",
    "보자",
    "잡",
    "예정",
    "뒤에",
    "후에",
    "봬요",
    "뵐게요",
];
/// What makes it one of the past, or unsettled.
const NO_MEETING: &[&str] = &["지난", "했습니다", "했어요", "였", "었", "어제", "언제", "끝나고"];
/// Words after a day that make it a limit.
const DUE: &[&str] = &["까지", "마감", "기한", "안으로", "안에", "이내", "내로"];
/// What makes it past, or only heard of.
const NO_DUE: &[&str] = &[
    "이미",
    "넘겼",
    "지났",
    "지나갔",
    "던데",
    "대요",
    "래요",
    "다던",
    "라던",
    "었어요",
    "았어요",
    "했어요",
    "었습니다",
    "았습니다",
    "했습니다",
    "까지는 괜찮",
    "휴가",
    "였",
];
const GREETING: &str = "안녕하세요";
/// Fewer words than this, and a request says nothing of what is to be done.
const REQUEST_WORDS_MIN: usize = 3;

/// Whether the sentence tells a decision.
pub(super) fn is_decision(text: &str) -> bool {
    if has(text, NO_DECISION) {
        return false;
    }
    let decided = has(text, DECISION) && !is_follow_up(text);
    let concluded = has(text, THEREFORE)
        && COHORTATIVE.iter().any(|ending| ends(text, ending))
        && !has(text, PROCEDURE);
    (decided && !has(text, FIRST)) || concluded
}

/// Whether the sentence gives somebody something to do.
pub(super) fn is_action(text: &str, question: bool) -> bool {
    // It looks like a request ("…하세요").
    let text = &text.replace(GREETING, "");
    if has(text, NO_ACTION) {
        return false;
    }
    let long = text.split_whitespace().count() >= REQUEST_WORDS_MIN;
    let asked = long && has(text, REQUEST) && !has(text, NO_REQUEST);
    if question {
        return asked;
    }
    let promised = has(text, PROMISE) && !has(text, SMALL_TALK);
    asked
        || has(text, ACTION)
        || (promised && long && (has(text, FIRST) || has(text, VERB)) && !is_follow_up(text))
        || (has(text, OBLIGATION) && is_obliged(text))
}

/// Whether an obligation stands right after a verb of work: "정리해야 합니다".
fn is_obliged(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.iter().any(|word| {
        VERB.iter().any(|verb| word.contains(verb))
            && (word.contains('야') || word.ends_with("기로"))
    })
}

/// Whether people want to meet again.
pub(super) fn is_follow_up(text: &str) -> bool {
    has(text, MEET) && has(text, AGAIN) && !has(text, NO_MEETING)
}

/// Whether something is limited by a day.
pub(super) fn is_deadline(text: &str) -> bool {
    has(text, DUE) && !has(text, NO_DUE)
}

/// Whether a question is a request.
pub(super) fn is_request(text: &str) -> bool {
    has(text, REQUEST)
}

pub(super) fn is_blocker(text: &str) -> bool {
    has(text, BLOCKER)
}

pub(super) fn is_done(text: &str) -> bool {
    has(text, DONE)
}

pub(super) fn is_plan(text: &str) -> bool {
    has(text, PLAN)
}

pub(super) fn is_goal(text: &str) -> bool {
    has(text, GOAL)
}

fn has(text: &str, cues: &[&str]) -> bool {
    cues.iter().any(|cue| text.contains(cue))
}

/// Whether one of the clauses ends so.
fn ends(text: &str, ending: &str) -> bool {
    text.split(['.', ',', '!', '?']).any(|clause| clause.trim().ends_with(ending))
}
