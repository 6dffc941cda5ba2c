// How things are said: labels and tones (given by the server, as the admin has them), numbers, lengths and times.

export const page = JSON.parse(document.getElementById("page")?.textContent ?? "{}");

const UNKNOWN = { label: "Unknown", tone: "idle" };
const LIVE = new Set(["queued", "dialing", "ringing", "in_progress"]);

/** Whether a call has not ended. */
export const isLive = (call) => LIVE.has(call.status);

/** Whether something may still happen in a campaign. */
export const isUnfinished = (run) => run.finished_at === null;

/** How the call ended, or, while it lasts, how far it has come. */
export function stateOf(call, words = page) {
    return (call.outcome ? words.outcome[call.outcome] : words.call_status[call.status]) ?? UNKNOWN;
}

/** The campaign's status. */
export const statusOf = (run, words = page) => words.run_status[run.status] ?? UNKNOWN;

/** Why the campaign does not dial: {title, text}; null where it does. */
export function waitOf(run, words = page) {
    if (!run.wait_reason || !["running", "pausing", "paused"].includes(run.status)) return null;
    return words.waits[run.wait_reason] ?? { title: plain(run.wait_reason), text: "" };
}

/** A code as words: no_answer → "No answer". */
export function plain(code) {
    const words = String(code).replace(/[_.]/g, " ").trim();
    return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The other side's number, or what stands for it. */
export const numberOf = (call) => call.subscriber_phone || (call.direction === "web" ? "Web call" : "Unknown number");

/** A campaign's name, or what stands for it. */
export const nameOf = (run) => run.name || run.call_id;

export const count = (number) => Number(number).toLocaleString("en-US");

/** "1 call", "1,200 calls". */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** Seconds as a clock: 0:07, 2:41, 1:02:05. */
export function clock(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = (number) => String(number).padStart(2, "0");
    return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Seconds in short words: 45 s, 12 min, 3 h 5 min. */
export function span(seconds) {
    const minutes = Math.round(seconds / 60);
    if (seconds < 60) return `${Math.round(seconds)} s`;
    if (minutes < 60) return `${minutes} min`;
    const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
    return hours >= 10 || !rest ? `${count(hours)} h` : `${hours} h ${rest} min`;
}

/** A part as percent; "—" where there is nothing to be a part of. */
export const percent = (part, whole) => (whole ? `${Math.round((part / whole) * 100)}%` : "—");

/** How long a call has lasted by now: the clock runs while it is up. */
export function lasted(call, now) {
    if (call.status === "in_progress" && call.answered_at) return (now - Date.parse(call.answered_at)) / 1000;
    return call.duration_sec;
}

/** The time of day, with the day where it is not today's. */
export function when(iso, now = Date.now()) {
    if (!iso) return "";
    const at = new Date(iso);
    const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    if (at.toDateString() === new Date(now).toDateString()) return time;
    return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time}`;
}

/** Date and time to the second. */
export const exactly = (iso) => (iso ? new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) : "");

/** When it is tried again, in words; empty where no time is set. */
export function nextAttempt(run, now = Date.now()) {
    if (!run.next_attempt_at || run.status !== "running") return "";
    const left = (Date.parse(run.next_attempt_at) - now) / 1000;
    return left > 0 ? `next attempt in ${span(left)}` : "trying again now";
}
