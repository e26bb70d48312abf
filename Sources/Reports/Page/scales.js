"use strict";

// About `count` round numbers between low and high.
function ticksBetween(low, high, count, isWhole) {
    const raw = (high - low) / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(raw));
    let step = [1, 2, 5, 10].map(factor => factor * power).find(size => size >= raw * 0.999) || 10 * power;
    if (isWhole) step = Math.max(1, Math.round(step));
    const ticks = [];
    for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) {
        ticks.push(Number((index * step).toPrecision(12)));
        if (ticks.length > 100) break;
    }
    return ticks;
}

// Round numbers for a logarithmic axis: powers of ten, and more between them where there is room.
function logarithmicTicks(low, high, count) {
    for (const factors of [[1, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]]) {
        const ticks = [];
        for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
            for (const factor of factors) {
                const tick = Number((factor * 10 ** power).toPrecision(3));
                if (tick >= low && tick <= high) ticks.push(tick);
            }
        }
        if (ticks.length <= count + 1 || factors.length === 1) {
            const stride = Math.ceil(ticks.length / (count + 1));
            return ticks.filter((_, index) => index % stride === 0);
        }
    }
    return [];
}

function superscript(exponent) {
    return String(exponent).replace(/./g, digit => digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
}

function grouped(text) {
    const [whole, fraction] = text.split(".");
    const spaced = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

// A number as it is read: four digits that count, thousands apart, powers of ten where it is very small or large.
function readable(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e7 || size < 1e-3) {
        const [mantissa, exponent] = value.toExponential(digits - 2).split("e");
        return `${mantissa}×10${superscript(Number(exponent))}`;
    }
    if (size >= 10 ** digits) return grouped(value.toFixed(0));
    return grouped(String(Number(value.toPrecision(digits))));
}

// The texts of an axis' ticks, and the power of ten that they are to be multiplied with.
function tickTexts(ticks, isLogarithmic) {
    const largest = Math.max(...ticks.map(Math.abs), 0);
    if (isLogarithmic || largest === 0) return { texts: ticks.map(tick => readable(tick, 3)), factor: "" };
    const isPlain = largest >= 1e-2 && largest < 1e6;
    const exponent = isPlain ? 0 : Math.floor(Math.log10(largest));
    const scaled = ticks.map(tick => tick / 10 ** exponent);
    const step = scaled.length > 1 ? Math.abs(scaled[1] - scaled[0]) : Math.abs(scaled[0]) || 1;
    const decimals = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
    const exact = scaled.every(tick => Math.abs(tick - Number(tick.toFixed(decimals))) < step * 1e-6);
    const texts = scaled.map(tick => grouped(tick.toFixed(exact ? decimals : decimals + 1)));
    return { texts, factor: exponent === 0 ? "" : `×10${superscript(exponent)}` };
}

// The least and the greatest of what is known.
function extent(lists) {
    let low = Infinity, high = -Infinity;
    for (const list of lists) {
        for (const value of list) {
            if (value === null || value === undefined) continue;
            if (value < low) low = value;
            if (value > high) high = value;
        }
    }
    return [low, high];
}

// A function from values to pixels, with the values at its ends and its ticks.
function scale(axis, low, high, from, to, count) {
    if (axis.isLogarithmic && low > 0) {
        const margin = (high / low) ** 0.04;
        [low, high] = [low / margin, high * margin];
        const [first, range] = [Math.log(low), Math.log(high / low) || 1];
        const map = value => from + (to - from) * (Math.log(Math.max(value, low)) - first) / range;
        const ticks = logarithmicTicks(low, high, count);
        return { map, low, high, ticks: ticks.length > 1 ? ticks : ticksBetween(low, high, count), isLogarithmic: ticks.length > 1 };
    }
    if (low === high) [low, high] = [low - (Math.abs(low) / 2 || 1), high + (Math.abs(high) / 2 || 1)];
    const map = value => from + (to - from) * (value - low) / (high - low);
    return { map, low, high, ticks: ticksBetween(low, high, count, axis.isWhole), isLogarithmic: false };
}
