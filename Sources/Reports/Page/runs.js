// In a page of several runs, their names and the places of their steps on other axes, and the form that chooses among them.
const runs = JSON.parse(document.getElementById("runs")?.textContent ?? "[]");
const view = document.getElementById("view");

// Seconds of training at rising `steps` of a run, between those that the page holds.
function secondsAt(run, steps) {
    let index = 0;
    return steps.map(step => {
        while (index < run.steps.length - 1 && run.steps[index] < step) index += 1;
        const from = Math.max(0, index - 1), length = run.steps[index] - run.steps[from];
        const share = length > 0 ? Math.min(1, (step - run.steps[from]) / length) : 1;
        return run.seconds[from] + share * (run.seconds[index] - run.seconds[from]);
    });
}

// The largest unit in which the longest run takes at least two.
function timeUnit() {
    const longest = Math.max(...runs.map(run => run.seconds.at(-1) ?? 0));
    const units = [["days", 86400], ["hours", 3600], ["minutes", 60], ["seconds", 1]];
    const [name, size] = units.find(([_, size]) => longest >= 2 * size) ?? ["milliseconds", 0.001];
    return { name, size };
}

// A chart of the runs that are chosen, on the axis that is chosen; runs without a place on it are left out.
function viewed(chart) {
    if (!view) return chart;
    const isShown = [...view.elements.run].map(box => box.checked), axis = view.elements.axis.value;
    const series = chart.series.filter(series => isShown[series.run]);
    if (chart.x.title !== "step" || axis === "step") return { ...chart, series };
    const unit = timeUnit();
    const isPlaced = run => axis === "images" ? run.imagesPerStep : run.steps.length;
    const places = (run, steps) => axis === "images"
        ? steps.map(step => step * run.imagesPerStep) : secondsAt(run, steps).map(seconds => seconds / unit.size);
    return {
        ...chart, stepsPerPoint: undefined, x: { ...chart.x, title: axis === "images" ? "images seen" : `${unit.name} of training`, isAmount: true },
        series: series.filter(series => isPlaced(runs[series.run])).map(series => ({ ...series, x: places(runs[series.run], series.x) })),
    };
}
