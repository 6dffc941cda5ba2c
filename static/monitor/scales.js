// From figures to lengths: pure functions that charts draw by.

/** A round number that is at least `highest`, and `steps` of it that are whole: {top, ticks}. */
export function axis(highest, steps = 3) {
    const rough = Math.max(1, highest) / steps;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough && Number.isInteger(each)) ?? 10 * power);
    const top = step * Math.max(1, Math.ceil(Math.max(1, highest) / step));
    return { top, ticks: Array.from({ length: top / step + 1 }, (_, place) => place * step) };
}

/** Where `total` columns stand in `width` pixels: {x, width} of the one at `place`. */
export function column(place, total, width, gap = 0.25) {
    const whole = width / total;
    const space = Math.min(6, whole * gap);
    return { x: place * whole + space / 2, width: Math.max(1, whole - space) };
}

/** Which of `total` columns get a label, when one is `label` pixels wide. */
export function labelled(total, width, label) {
    const every = Math.ceil((label * total) / width);
    return (place) => place % every === 0;
}

/** Parts of a column, from below: [{name, from, to}], leaving out what is nothing. */
export function stack(values, names) {
    let from = 0;
    return names.filter((name) => values[name]).map((name) => ({ name, from, to: (from += values[name]) }));
}
