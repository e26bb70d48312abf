// The place in a rising list whose value is nearest to `wanted`.
function nearest(list, wanted) {
    let low = 0, high = list.length - 1;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (list[middle] < wanted) low = middle + 1; else high = middle;
    }
    return low > 0 && wanted - list[low - 1] < list[low] - wanted ? low - 1 : low;
}

// All places along a chart's horizontal axis that have a value.
function places(chart) {
    const all = new Set();
    for (const series of chart.series) series.x.forEach((x, index) => { if (series.y[index] !== null) all.add(x); });
    return [...all].sort((one, other) => one - other);
}

function spread(series, index) {
    const [low, high] = [series.low[index], series.high[index]];
    if (low == null || low === high) return "";
    return series.hasBars ? ` ± ${readable((high - low) / 2, 2)}` : ` (${readable(low)} to ${readable(high)})`;
}

function placeText(chart, x) {
    if (chart.x.isAmount) return `${readable(x)} ${chart.x.title}`;
    const steps = readable(Math.round(x), 9);
    if (chart.x.title !== "step") return `${chart.x.title} ${steps}`;
    const epoch = chart.epochsPerStep ? `, epoch ${readable(x * chart.epochsPerStep, 3)}` : "";
    return `${chart.stepsPerPoint ? "around step" : "step"} ${steps}${epoch}`;
}

// The series' values near `x`, as rows of name and text.
function valuesNear(chart, x, reach) {
    const rows = [];
    for (const series of chart.series) {
        const index = nearest(series.x, x);
        const distance = Math.abs(series.x[index] - x);
        if (series.x.length === 0 || series.y[index] === null || distance > reach) continue;
        // The points of several runs are at different places.
        const isElsewhere = !runs.length && distance > (chart.stepsPerPoint || 0);
        const name = isElsewhere ? `${series.name}, ${readable(Math.round(series.x[index]), 9)}` : series.name;
        rows.push({ series, name, value: series.y[index], text: readable(series.y[index]) + spread(series, index) });
    }
    if (chart.kind === "heat") return rows.filter(row => row.value > 0).sort((one, other) => other.value - one.value).slice(0, 6)
        .map(row => ({ ...row, name: `rank ${row.name}`, text: `${row.text} %` }));
    if (chart.kind === "stack") {
        rows.reverse();
        rows.push({ name: "together", text: readable(rows.reduce((sum, row) => sum + row.value, 0)) });
    }
    return rows;
}

// Shows the values at the pointer, or at the place that the arrow keys choose.
function addReadout(chart, frame, host) {
    const xs = places(chart);
    if (!xs.length) return;
    const guide = draw("path", { class: "guide", visibility: "hidden" }, frame.svg);
    const box = create("div", "readout", undefined, host);
    box.hidden = true;
    let current = xs.length - 1;
    const hide = () => { box.hidden = true; guide.setAttribute("visibility", "hidden"); };
    const show = index => {
        current = Math.max(0, Math.min(xs.length - 1, index));
        const x = xs[current], at = frame.x.map(x);
        guide.setAttribute("d", `M${at.toFixed(1)} ${frame.plot.top}V${frame.plot.bottom}`);
        guide.setAttribute("visibility", "visible");
        box.replaceChildren();
        create("div", "", placeText(chart, x), box);
        const rows = valuesNear(chart, x, Math.max((frame.x.high - frame.x.low) * 0.02, (chart.stepsPerPoint || 1)));
        const list = create("div", rows.length > 8 ? "many" : "", undefined, box);
        for (const row of rows) {
            const line = create("div", "row", undefined, list);
            if (row.series && chart.kind !== "heat") addKey(chart, row.series, line);
            create("span", "", row.name, line);
            create("b", "", row.text, line);
        }
        const reach = 6 * (frame.x.high - frame.x.low) / (frame.plot.right - frame.plot.left);
        for (const mark of chart.marks.filter(mark => Math.abs(mark.x - x) <= reach).slice(0, 4)) create("div", "event", mark.text, box);
        box.hidden = false;
        const ratio = frame.svg.getBoundingClientRect().width / frame.width;
        const room = host.clientWidth - box.offsetWidth;
        const side = at * ratio > host.clientWidth / 2 ? at * ratio - box.offsetWidth - 12 : at * ratio + 12;
        box.style.left = `${Math.max(0, Math.min(room, side))}px`;
        box.style.top = `${frame.plot.top + 4}px`;
    };
    const follow = event => {
        const bounds = frame.svg.getBoundingClientRect();
        const share = ((event.clientX - bounds.left) * frame.width / bounds.width - frame.plot.left) / (frame.plot.right - frame.plot.left);
        show(nearest(xs, frame.x.low + share * (frame.x.high - frame.x.low)));
    };
    frame.svg.addEventListener("pointermove", follow);
    frame.svg.addEventListener("pointerdown", follow);
    frame.svg.addEventListener("pointerleave", hide);
    frame.svg.addEventListener("blur", hide);
    frame.svg.addEventListener("keydown", event => {
        const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -xs.length, End: xs.length }[event.key];
        if (event.key === "Escape") hide();
        if (move === undefined) return;
        event.preventDefault();
        show(box.hidden ? current : current + move);
    });
}
