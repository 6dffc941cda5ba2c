// What the list of calls is narrowed down to: as a question to the server, and as the same question asked of one call.

export const CHOICES = [
    { name: "all", label: "All" },
    { name: "live", label: "On the line", status: ["queued", "dialing", "ringing", "in_progress"] },
    { name: "answered", label: "Answered", outcome: ["answered"] },
    { name: "voicemail", label: "Voicemail", outcome: ["voicemail"] },
    { name: "unanswered", label: "No answer", outcome: ["no_answer"] },
    { name: "busy", label: "Busy", outcome: ["busy"] },
    { name: "failed", label: "Failed", outcome: ["rejected", "invalid_number", "congestion", "error"] },
    { name: "cancelled", label: "Cancelled", outcome: ["cancelled"] },
];

export const NONE = Object.freeze({ choice: "all", q: "", run: "" });

/** Whether anything is filtered at all. */
export const isNarrow = (filter) => filter.choice !== "all" || Boolean(filter.q || filter.run);

/** The filter as parameters of GET /telephony/journal. */
export function asQuery(filter) {
    const { status, outcome } = choiceOf(filter);
    const query = {};
    if (status) query.status = status.join();
    if (outcome) query.outcome = outcome.join();
    if (filter.q) query.q = filter.q;
    if (filter.run) query.parent_call_id = filter.run;
    return query;
}

/** Whether the server, asked with this filter, would list this call. */
export function matches(call, filter) {
    const { status, outcome } = choiceOf(filter);
    if (status && !status.includes(call.status)) return false;
    if (outcome && !outcome.includes(call.outcome)) return false;
    if (filter.run && call.parent_call_id !== filter.run) return false;
    return !filter.q || mentions(call, filter.q);
}

function mentions(call, q) {
    if (call.subscriber_phone.includes(q) || call.call_id === q || call.conversation_id === q) return true;
    const wanted = q.toLowerCase();
    return call.summary.toLowerCase().includes(wanted)
        || call.transcript.some((turn) => turn.message.toLowerCase().includes(wanted));
}

const choiceOf = (filter) => CHOICES.find((each) => each.name === filter.choice) ?? CHOICES[0];
