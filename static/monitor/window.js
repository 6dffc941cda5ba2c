// Which rows of a long list are worth having: pure arithmetic.

/**
 * The rows [first, last) to draw of `total`, each `height` pixels high, when the list's top is `top` pixels below the
 * viewport's top (negative: scrolled past) and the viewport is `view` pixels high; `spare` more on each side.
 */
export function visible({ top, view, height, total, spare = 8 }) {
    const first = Math.floor(-top / height) - spare;
    const last = Math.ceil((view - top) / height) + spare;
    return { first: Math.min(Math.max(0, first), total), last: Math.max(0, Math.min(total, last)) };
}

/** Put `row` into `rows`, which go down by `id`; where it is in already, its place stays. Returns the place. */
export function insert(rows, row) {
    let [low, high] = [0, rows.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (rows[middle].id > row.id) low = middle + 1;
        else high = middle;
    }
    if (rows[low]?.id !== row.id) rows.splice(low, 0, row);
    return low;
}
