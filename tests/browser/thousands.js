// 5,000 calls change within half a second: how many rows are drawn, and how long the longest frame took.
async () => {
    const { createStore } = await import("/static/monitor/store.js");
    const { CallList } = await import("/static/monitor/calls.js");
    const call = (place) => ({
        id: 20_000 - place, version: 50_000 + place, call_id: `call_${place}`, status: "done", outcome: "answered",
        direction: "outbound", subscriber_phone: "+15550100123", duration_sec: 60, summary: "", transcript: [],
        created_at: "2026-05-04T10:00:00Z", parent_call_id: null, reason: null,
    });
    const root = document.getElementById("calls").cloneNode(true);
    document.querySelector("main").replaceChildren(root);
    root.querySelector("[data-part=body]").replaceChildren();
    const store = createStore();
    const list = new CallList({ store, root, open() {}, start() {} });
    store.listen((news) => list.changed(news.calls));

    const frames = [];
    let going = true;
    let last = performance.now();
    requestAnimationFrame(function frame(now) {
        frames.push(now - last);
        last = now;
        if (going) requestAnimationFrame(frame);
    });
    for (let batch = 0; batch < 10; batch += 1) {
        for (let place = 0; place < 500; place += 1) store.putCall(call(batch * 500 + place));
        await new Promise((done) => setTimeout(done, 50));
    }
    going = false;
    return {
        rows: root.querySelectorAll(".call").length,
        height: root.querySelector(".call-rows").offsetHeight,
        longest: Math.max(...frames),
    };
};
