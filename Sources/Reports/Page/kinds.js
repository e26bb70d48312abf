// The path of a line through points, broken where a value is missing.
function linePath(xs, ys, frame) {
    let path = "", isOpen = false;
    xs.forEach((x, index) => {
        const value = ys[index];
        if (value === null) { isOpen = false; return; }
        path += `${isOpen ? "L" : "M"}${frame.x.map(x).toFixed(1)} ${frame.y.map(value).toFixed(1)}`;
        isOpen = true;
    });
    return path;
}

// The paths of the area between two lines, one for each stretch without a missing value.
function areaPath(xs, lows, highs, frame) {
    let path = "", stretch = [];
    const close = () => {
        if (stretch.length) {
            const point = (index, values) => `${frame.x.map(xs[index]).toFixed(1)} ${frame.y.map(values[index]).toFixed(1)}`;
            // A lone point is as wide as a line.
            const upper = stretch.map(index => point(index, highs)), lower = stretch.map(index => point(index, lows)).reverse();
            path += `M${upper.join("L")}L${lower.join("L")}Z`;
        }
        stretch = [];
    };
    xs.forEach((_, index) => {
        if (lows[index] === null || highs[index] === null) close(); else stretch.push(index);
    });
    close();
    return path;
}

function drawLines(chart, frame) {
    const { svg, x, y, plot } = frame;
    for (const rule of chart.rules) {
        const at = y.map(rule.value);
        draw("path", { class: "rule", d: `M${plot.left} ${at.toFixed(1)}H${plot.right}` }, svg);
    }
    for (const series of chart.series) {
        const paint = colour(series);
        if (series.low.length && !series.hasBars) {
            draw("path", { class: "band", d: areaPath(series.x, series.low, series.high, frame), style: `fill:${paint}` }, svg);
        }
        if (series.hasBars) {
            // Bars of series that share their places stand side by side.
            const shift = 3 * (chart.series.indexOf(series) - (chart.series.length - 1) / 2);
            const bars = series.x.map((at, index) => series.y[index] === null ? ""
                : `M${(x.map(at) + shift).toFixed(1)} ${y.map(series.low[index]).toFixed(1)}V${y.map(series.high[index]).toFixed(1)}`);
            draw("path", { d: bars.join(""), style: `stroke:${paint};opacity:.45`, fill: "none" }, svg);
        }
        draw("path", {
            class: series.isDashed ? "curve dashed" : "curve", d: linePath(series.x, series.y, frame), style: `stroke:${paint}`,
        }, svg);
        const isLone = index => series.y[index - 1] == null && series.y[index + 1] == null;
        series.x.forEach((at, index) => {
            if (series.y[index] === null || !(series.hasPoints || isLone(index))) return;
            draw("circle", { cx: x.map(at).toFixed(1), cy: y.map(series.y[index]).toFixed(1), r: 2.4, style: `fill:${paint}` }, svg);
        });
    }
    // Above the curves, so that they can be read.
    for (const rule of chart.rules) {
        draw("text", { x: plot.right, y: (y.map(rule.value) - 4).toFixed(1), "text-anchor": "end", class: "halo" }, svg, rule.name);
    }
    for (const mark of chart.marks) {
        draw("path", { class: "mark", d: `M${x.map(mark.x).toFixed(1)} ${plot.bottom - 7}l4 7h-8z` }, svg);
    }
    labelEnds(chart, frame);
}

// Writes the names of few lines at their ends, moved apart where they would touch.
function labelEnds(chart, frame) {
    if (!frame.labels.length) return;
    const ends = chart.series.map(series => {
        const last = series.y.findLastIndex(value => value !== null);
        return { series, at: last < 0 ? frame.plot.bottom : frame.y.map(series.y[last]) };
    }).sort((one, other) => one.at - other.at);
    const gap = 14;
    ends.forEach((end, index) => { end.at = Math.max(end.at, index ? ends[index - 1].at + gap : frame.plot.top); });
    let limit = frame.plot.bottom;
    for (const end of ends.toReversed()) {
        end.at = Math.min(end.at, limit);
        limit = end.at - gap;
    }
    for (const { series, at } of ends) {
        draw("text", { x: frame.plot.right + 6, y: (at + 4).toFixed(1), style: `fill:${colour(series)}` }, frame.svg, series.name);
    }
}

// For each series of a stack, the sums up to and including it.
function stackTops(chart) {
    let below = chart.series[0].x.map(() => 0);
    return chart.series.map(series => {
        below = below.map((sum, index) => sum === null || series.y[index] == null ? null : sum + series.y[index]);
        return below;
    });
}

function drawStack(chart, frame) {
    const tops = stackTops(chart);
    chart.series.forEach((series, index) => {
        const below = index ? tops[index - 1] : series.x.map(() => 0);
        draw("path", {
            class: "area", d: areaPath(series.x, below, tops[index], frame), style: `fill:${colour(series)};stroke:${colour(series)};stroke-width:.6`,
        }, frame.svg);
    });
}

// The value that has the full colour of a heat map.
function mostOf(chart) {
    return extent(chart.series.map(series => series.y))[1] || 1;
}

function drawHeat(chart, frame) {
    const { svg, x, plot } = frame;
    const rowHeight = (plot.bottom - plot.top) / chart.series.length;
    const half = (chart.stepsPerPoint || 1) / 2, most = mostOf(chart);
    const labelStride = Math.ceil(14 / rowHeight);
    chart.series.forEach((series, row) => {
        const top = plot.bottom - (row + 1) * rowHeight;
        if (row % labelStride === 0) {
            draw("text", { x: plot.left - 6, y: (top + rowHeight / 2 + 4).toFixed(1), "text-anchor": "end" }, svg, series.name);
        }
        series.x.forEach((at, index) => {
            const left = x.map(at - half), right = x.map(at + half);
            draw("rect", {
                x: left.toFixed(1), y: top.toFixed(1), width: Math.max(0.5, right - left - 0.5).toFixed(1),
                height: Math.max(0.5, rowHeight - 1).toFixed(1),
                style: `fill:color-mix(in oklab, var(--c0) ${(100 * series.y[index] / most).toFixed(0)}%, var(--grid))`,
            }, svg);
        });
    });
}
