// Numbers as people paste them: one below the other, or with commas between, with spaces, dashes and brackets inside.

/** {numbers: as to be sent, lines: where each came from (from 1), duplicates: how many came again} */
export function parseNumbers(text) {
    const found = { numbers: [], lines: [], duplicates: 0 };
    const seen = new Set();
    text.split("\n").forEach((line, place) => {
        for (const piece of line.split(/[,;\t]/)) {
            const number = piece.replace(/[\s\u00a0().\-/]/g, "");
            if (!number) continue;
            if (seen.has(number)) {
                found.duplicates += 1;
                continue;
            }
            seen.add(number);
            found.numbers.push(number);
            found.lines.push(place + 1);
        }
    });
    return found;
}

/** The server's errors as sentences: where a number is to blame, by the line it stands in. */
export function sentences(errors, { numbers, lines }) {
    return Object.entries(errors).flatMap(([field, said]) => {
        const place = /^numbers\.(\d+)/.exec(field)?.[1];
        const where = place === undefined ? "" : `Line ${lines[place]} (${numbers[place]}): `;
        return said.map((sentence) => where + sentence);
    });
}
