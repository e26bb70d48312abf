// A new element of the page, with texts that are never taken for markup.
function create(name, className, text, parent) {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined && text !== "") node.textContent = text;
    if (parent) parent.append(node);
    return node;
}

// A new element of a drawing.
function draw(name, attributes, parent, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
}

const textWidth = text => text.length * 6.3;

function colour(series) {
    if (series.ramp === undefined) return `var(--c${series.colour })`;
    return `color-mix(in oklab, var(--to) ${(100 * series.ramp).toFixed(1)}%, var(--from))`;
}

// The range of a chart's vertical axis.
function verticalExtent(chart) {
    let [low, high] = chart.kind === "stack"
        ? [0, Math.max(...stackTops(chart).map(tops => extent([tops])[1]))]
        : extent(chart.series.flatMap(series => [series.y, series.low, series.high]).concat([chart.rules.map(rule => rule.value)]));
    if (chart.y.isLogarithmic) return [low, high];
    const margin = (high - low) * 0.05;
    if (chart.y.beginsAtZero && low >= 0) return [0, high * 1.05 || 1];
    // Zero is a fine end for an axis; a value just above it would leave a gap that says nothing.
    if (low >= 0 && low < (high - low) * 0.15) return [0, high + margin];
    return [low - margin, high + margin];
}

// Axes, grid and titles of a chart of `width` pixels; the result knows where things go.
function frame(chart, width, host) {
    const isHeat = chart.kind === "heat";
    const height = isHeat ? 60 + chart.series.length * Math.min(30, 190 / chart.series.length) : chart.isWide && width > 600 ? 320 : 250;
    const labels = directLabels(chart, width);
    const plot = { top: 22, bottom: height - 34, right: width - (labels.length ? 14 + Math.max(...labels.map(textWidth)) : 10) };
    const y = isHeat ? null : scale(chart.y, ...verticalExtent(chart), plot.bottom, plot.top, Math.floor((plot.bottom - plot.top) / 34));
    const yTexts = isHeat
        ? { texts: chart.series.map(series => series.name), factor: "" } : tickTexts(y.ticks, y.isLogarithmic);
    plot.left = 10 + Math.max(8, ...yTexts.texts.map(textWidth));
    let [first, last] = extent(chart.series.map(series => series.x));
    if (chart.x.isWhole || isHeat) {
        const half = isHeat ? (chart.stepsPerPoint || 1) / 2 : 0.4;
        [first, last] = [first - half, last + half];
    }
    const x = scale(chart.x, first, last, plot.left, plot.right, Math.max(2, Math.floor((plot.right - plot.left) / (chart.x.isWhole ? 28 : 75))));
    const xTexts = tickTexts(x.ticks, false);

    const svg = draw("svg", {
        width, height, viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0",
        "aria-label": `${chart.title}: ${chart.y.title} over ${chart.x.title}. Arrow keys read values; the table below holds them.`,
    }, host);
    if (!isHeat) {
        y.ticks.forEach((tick, index) => {
            const at = y.map(tick).toFixed(1);
            draw("path", { class: "grid", d: `M${plot.left} ${at}H${plot.right}` }, svg);
            draw("text", { x: plot.left - 6, y: Number(at) + 4, "text-anchor": "end" }, svg, yTexts.texts[index]);
        });
    }
    x.ticks.forEach((tick, index) => {
        const at = x.map(tick), text = xTexts.texts[index];
        draw("path", { class: "axis", d: `M${at.toFixed(1)} ${plot.bottom}v4` }, svg);
        const centre = Math.min(at, width - textWidth(text) / 2 - 1);
        draw("text", { x: centre.toFixed(1), y: plot.bottom + 16, "text-anchor": "middle" }, svg, text);
    });
    draw("path", { class: "axis", d: `M${plot.left} ${plot.bottom}H${plot.right}` }, svg);
    const title = [chart.y.title, yTexts.factor, y && y.isLogarithmic ? "(logarithmic)" : ""].filter(Boolean).join(" ");
    draw("text", { x: 2, y: 11, class: "label" }, svg, title);
    draw("text", { x: plot.right, y: height - 3, "text-anchor": "end", class: "label" }, svg, [chart.x.title, xTexts.factor].filter(Boolean).join(" "));
    return { svg, x, y, plot, labels, width, height };
}

// The names that stand at the ends of few lines, where there is room for them.
function directLabels(chart, width) {
    const isFew = chart.kind === "lines" && chart.series.length > (runs.length ? 0 : 1) && chart.series.length <= 4;
    const names = chart.series.map(series => series.name);
    const hasRoom = width >= 420 && Math.max(...names.map(textWidth)) < width / 4;
    return isFew && hasRoom && chart.series.every(series => series.ramp === undefined) ? names : [];
}
