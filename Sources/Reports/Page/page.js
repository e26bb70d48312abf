function addKey(chart, series, host) {
    const key = create("i", series.isDashed ? "key dashed" : chart.kind === "stack" ? "key area" : "key", undefined, host);
    key.style[chart.kind === "stack" ? "background" : "borderColor"] = colour(series);
}

function addRamp(legend, first, last) {
    const item = create("span", "", undefined, legend);
    create("span", "", first, item);
    const ramp = create("i", "key ramp", undefined, item);
    create("span", "", last, item);
    return ramp;
}

// What the colours mean, where no line has its name at its end.
function addLegend(chart, frame, host) {
    if (frame.labels.length || (chart.series.length < 2 && chart.kind !== "heat" && !runs.length)) return;
    const legend = create("div", "legend", undefined, host);
    if (chart.kind === "heat") {
        addRamp(legend, "0 %", `${readable(mostOf(chart), 2)} % of the steps`).style.background = "linear-gradient(in oklab to right, var(--grid), var(--c0))";
    } else if (chart.series[0].ramp !== undefined) {
        addRamp(legend, chart.series[0].name, chart.series[chart.series.length - 1].name);
    } else {
        for (const series of chart.series) {
            const item = create("span", "", undefined, legend);
            addKey(chart, series, item);
            create("span", "", series.name, item);
        }
    }
}

function drawChart(chart, host, width) {
    host.replaceChildren();
    if (!chart.series.length) {
        create("p", "", "None of the chosen runs has a place here.", host);
        return;
    }
    const plot = frame(chart, width, host);
    ({ lines: drawLines, stack: drawStack, heat: drawHeat })[chart.kind](chart, plot);
    addReadout(chart, plot, host);
    addLegend(chart, plot, host);
}

// The numbers behind a chart: a row a place, a column a series.
function fillTable(chart, host) {
    const table = create("table", "", undefined, host);
    const heads = create("tr", "", undefined, create("thead", "", undefined, table));
    create("th", "", chart.x.title, heads);
    for (const series of chart.series) {
        const name = chart.kind === "heat" ? `rank ${series.name} in %` : chart.series.length > 1 ? series.name : chart.y.title;
        create("th", "", name, heads);
        if (series.low.length && !series.hasBars) {
            create("th", "", "least", heads);
            create("th", "", "greatest", heads);
        }
    }
    const rows = chart.series.map(series => new Map(series.x.map((x, index) => [x, index])));
    const body = create("tbody", "", undefined, table);
    for (const x of places(chart)) {
        const row = create("tr", "", undefined, body);
        create("th", "", readable(Math.round(x), 9), row);
        chart.series.forEach((series, position) => {
            const index = rows[position].get(x);
            const isKnown = index !== undefined && series.y[index] !== null;
            create("td", "", isKnown ? readable(series.y[index], 5) + (series.hasBars ? spread(series, index) : "") : "", row);
            if (series.low.length && !series.hasBars) {
                create("td", "", isKnown ? readable(series.low[index], 5) : "", row);
                create("td", "", isKnown ? readable(series.high[index], 5) : "", row);
            }
        });
    }
}

for (const chart of JSON.parse(document.getElementById("charts").textContent)) {
    const figure = document.querySelector(`[data-chart="${CSS.escape(chart.id)}"]`);
    const host = figure.querySelector(".plot");
    let drawn = 0;
    const fit = width => {
        if (width < 40 || Math.abs(width - drawn) < 1) return;
        drawn = width;
        drawChart(viewed(chart), host, width);
    };
    fit(host.clientWidth);
    new ResizeObserver(() => fit(host.clientWidth)).observe(host);
    // On paper a chart has the width of half a page, or of a whole one, and text that can be read there.
    addEventListener("beforeprint", () => fit(chart.isWide ? 640 : 312));
    addEventListener("afterprint", () => fit(host.clientWidth));
    view?.addEventListener("change", () => drawChart(viewed(chart), host, drawn));
    const details = figure.querySelector("details");
    details.addEventListener("toggle", () => {
        const table = details.querySelector(".scroll");
        if (details.open && !table.firstChild) fillTable(chart, table);
    });
}
