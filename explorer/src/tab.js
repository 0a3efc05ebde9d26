// The main job, one step per tab.

const login = `# Moim: log in first (this is the demo account).
# This page keeps the access token in memory and
# sends it from now on. To be somebody else, put a
# line into the Headers pane:
#   { "Authorization": "Bearer <accessToken>" }
mutation Login {
  login(
    input: { email: "demo@moim.local", password: "moim-demo-2026" }
  ) {
    accessToken
    refreshToken
    expiresIn
    user { id }
    userErrors { code field message }
  }
}
`;

const meetings = `# Your meetings: take the id of one for other tabs.
query Meetings {
  me { id name }
  meetings(first: 20) {
    nodes { id title status }
  }
}
`;

const prepare = `# One after the other: the button offers each.
mutation Create {
  createMeeting(input: { title: "Weekly", agenda: "What is done, what is next" }) {
    meeting { id status }
    userErrors { code field message }
  }
}

mutation Start($meetingId: ID!) {
  startMeeting(input: { meetingId: $meetingId }) {
    meeting { id status }
    userErrors { code field message }
  }
}

# Then send the file, with the answer's headers:
#   curl -T sample.wav -H "<name>: <value>" "<url>"
mutation Upload($meetingId: ID!) {
  requestRecordingUpload(
    input: { meetingId: $meetingId, contentType: "audio/wav", sizeBytes: 1000000 }
  ) {
    recording { id }
    upload { url method headers { name value } expiresAt }
    userErrors { code field message }
  }
}

mutation End($meetingId: ID!, $recordingId: ID) {
  endMeeting(input: { meetingId: $meetingId, recordingId: $recordingId }) {
    meeting { id status }
    userErrors { code field message }
  }
}
`;

const watch = `# Live: the state now, then all that happens. To go
# on after a break, give the last cursor as "after".
# It ends when its tab is left: do the other steps
# in a window beside this one (log in there too).
subscription Watch($meetingId: ID!) {
  meetingUpdated(meetingId: $meetingId) {
    cursor
    type
    occurredAt
    meeting { id status }
    task { id kind status progress }
  }
}
`;

const segments = `# Live: the text as it is recognised.
subscription Segments($meetingId: ID!) {
  transcriptSegments(meetingId: $meetingId) {
    cursor
    segment { id speaker { label } startMs endMs text }
  }
}
`;

const minutes = `# Afterwards: the text, timed, and the minutes.
query Minutes($meetingId: ID!) {
  meeting(id: $meetingId) {
    title
    status
    host { name }
    transcript {
      text
      segments(first: 100) {
        nodes { startMs endMs speaker { label } text }
      }
    }
    minutes {
      status
      sections { title body }
    }
  }
}
`;

const insights = `# What it came to, and where each was said.
query Insights($meetingId: ID!) {
  meeting(id: $meetingId) {
    summary { overview decisions { text segments { startMs text } } }
    schedule { items { kind text date at } }
    todos(first: 20) { nodes { id title status assignee { name } dueAt } }
  }
}

# And several meetings together (the demo has one).
query Analyses {
  meetingAnalyses(first: 5) {
    nodes {
      meetings { title }
      topics { word count citations { meeting { title } segments { text } } }
      talkTime { speaker durationMs }
      decisions { text meeting { title } }
      openTodos { todo { title status } meeting { title } }
    }
  }
}
`;

const json = (value) => JSON.stringify(value, null, 2);
const meeting = json({ meetingId: "" });

/** The tabs that a first visit opens with. */
export const tabs = [
  { query: login },
  { query: meetings },
  { query: prepare, variables: json({ meetingId: "", recordingId: "" }) },
  { query: watch, variables: meeting },
  { query: segments, variables: meeting },
  { query: minutes, variables: meeting },
  { query: insights, variables: meeting },
];
