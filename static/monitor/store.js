// Calls and campaigns as they are now. Whatever brings them, and in whatever order, the highest version stays.

/**
 * `schedule` calls a function before the next paint: changes that come meanwhile are told together.
 * Listeners get { calls, runs: Sets of call_ids, events: [...] }.
 */
export function createStore({ schedule = requestAnimationFrame } = {}) {
    const calls = new Map();
    const runs = new Map();
    const listeners = new Set();
    let seen = new Set();
    let news = null;

    function note() {
        if (news) return news;
        news = { calls: new Set(), runs: new Set(), events: [] };
        schedule(() => {
            const told = news;
            news = null;
            for (const listener of listeners) listener(told);
        });
        return news;
    }

    function put(rows, row, changed) {
        const known = rows.get(row.call_id);
        if (known && known.version >= row.version) return false;
        rows.set(row.call_id, known ? { ...known, ...row } : row);
        note()[changed].add(row.call_id);
        return true;
    }

    return {
        calls,
        runs,
        putCall: (call) => put(calls, call, "calls"),
        putRun: (run) => put(runs, run, "runs"),

        /** Something that happened; told once, however often it comes. */
        putEvent(event) {
            if (seen.has(event.id)) return false;
            seen.add(event.id);
            note().events.push(event);
            return true;
        },

        /** Forget calls that nobody shows. */
        drop(ids) {
            for (const id of ids) calls.delete(id);
        },

        clear() {
            calls.clear();
            runs.clear();
            seen = new Set();
        },

        listen(listener) {
            listeners.add(listener);
        },
    };
}
