# SPDX-License-Identifier: BSD-2-Clause
"""Read what the monitor's `trace` has printed from a console log: as a table, a summary, and a timeline in SVG."""

import math
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from .common import ToolError

# A line may have something in front: a prompt, or escape sequences of the line editor.
LINE = re.compile(r"trace: CPU (\d+) tsc (\d+) +(\S+) +rip +(\S+) +(\S.*?)\s*$")
RATE = re.compile(r"TSC (\d+(?:\.\d+)?) MHz")

WIDTH, LEFT, RIGHT, LANE, TOP = 1200, 70, 20, 44, 40
BAR = 20  # height of what runs on a CPU, at the bottom of its lane
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#bbcc33",
           "#eedd88", "#77aadd", "#994455", "#997700", "#225555", "#663333", "#888888")


@dataclass(frozen=True)
class Event:
    """One line of a trace; `who` is VM/vCPU, or the VM alone."""

    cpu: int
    tsc: int
    who: str
    rip: str
    reason: str
    details: str

    @property
    def words(self):
        """Reason and details as the monitor prints them."""
        return f"{self.reason}: {self.details}" if self.details else self.reason


def parse(text, name):
    """The events of a log in the order of time, each once; and the TSC's rate in MHz, None when it is not said."""
    found = {}
    rate = None
    for line in text.splitlines():
        match = LINE.search(line)
        if match:
            cpu, tsc, who, rip, words = match.groups()
            reason, _, details = words.partition(": ")
            event = Event(int(cpu), int(tsc), who, rip, reason, details)
            found[(event.cpu, event.tsc, words)] = event
        elif said := RATE.search(line):
            rate = float(said.group(1))
    if not found:
        raise ToolError(f"{name}: no line with 'trace: ', expected a log of 'trace show'")
    return sorted(found.values(), key=lambda event: (event.tsc, event.cpu)), rate


class Clock:
    """Times of events since the first: microseconds where the TSC's rate is known, else ticks."""

    def __init__(self, events, rate):
        self._first = events[0].tsc
        self._rate = rate or 1.0
        self.unit = "us" if rate else "ticks"

    def span(self, ticks):
        """So many ticks, in our unit."""
        return ticks / self._rate

    def at(self, event):
        """When it was."""
        return self.span(event.tsc - self._first)


def table(events, clock):
    """A line per event: when, how long after the one before, where, who, what."""
    lines = [f"{clock.unit:>12} {'+':>10}  CPU  {'VM/vCPU':<14} {'RIP':<16} what"]
    before = events[0]
    for event in events:
        lines.append(f"{clock.at(event):12.2f} {clock.span(event.tsc - before.tsc):10.2f}  {event.cpu:3}  "
                     f"{event.who:<14} {event.rip:<16} {event.words}")
        before = event
    return lines


def summary(events, clock):
    """By VM and reason: how many, what part of the VM's, and how far apart on average."""
    groups, totals = defaultdict(list), defaultdict(int)
    for event in events:
        vm = event.who.partition("/")[0]
        groups[(vm, event.reason)].append(event.tsc)
        totals[vm] += 1
    lines = [f"{'VM':<14} {'count':>6} {'share':>7} {'every ' + clock.unit:>12}  reason"]
    for (vm, reason), times in sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1])):
        every = f"{clock.span(times[-1] - times[0]) / (len(times) - 1):.2f}" if len(times) > 1 else "-"
        lines.append(f"{vm:<14} {len(times):6} {100 * len(times) / totals[vm]:6.1f}% {every:>12}  {reason}")
    return lines


# --- the timeline ---

def colours(names):
    """A colour for each name, the same in every picture unless two names of one picture would share it."""
    taken, free = {}, list(COLOURS)
    for name in sorted(names):
        wanted = COLOURS[zlib.crc32(name.encode()) % len(COLOURS)]
        if wanted not in free:
            wanted = free[0] if free else wanted
        if wanted in free:
            free.remove(wanted)
        taken[name] = wanted
    return taken


def runs(events):
    """(CPU, who, first, last) for each time that a vCPU had a CPU; what is cut off ends where the trace does."""
    found, now = [], {}
    begin, end = events[0].tsc, events[-1].tsc
    for event in events:
        if event.reason == "schedule in":
            now[event.cpu] = (event.who, event.tsc)
        elif event.reason == "schedule out":
            who, since = now.pop(event.cpu, (event.who, begin))
            found.append((event.cpu, who, since, event.tsc))
        elif "/" in event.who and event.cpu not in now:
            now[event.cpu] = (event.who, begin)
    found += [(cpu, who, since, end) for cpu, (who, since) in now.items()]
    return found


def step(length):
    """A round distance between marks on an axis of this length: at most ten of them."""
    size = 10.0 ** math.floor(math.log10(length / 10))
    return next(size * factor for factor in (1, 2, 5, 10) if length / (size * factor) <= 10)


class Picture:
    """An SVG being made: one lane per CPU, below it what ran, above it each event."""

    def __init__(self, events, clock):
        self._events, self._clock = events, clock
        self._cpus = sorted({event.cpu for event in events})
        self._length = max(clock.at(events[-1]), 1e-9)
        self._parts = []

    def _x(self, when):
        return LEFT + (WIDTH - LEFT - RIGHT) * when / self._length

    def _y(self, cpu):
        return TOP + LANE * self._cpus.index(cpu)

    def _add(self, text):
        self._parts.append(text)

    def _text(self, x, y, words, anchor="start"):
        self._add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>')

    def _axis(self, bottom):
        size = step(self._length)
        for i in range(int(self._length / size) + 1):
            x = self._x(i * size)
            self._add(f'<line x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
            self._text(x, TOP - 10, f"{i * size:g}", "middle")
        self._text(4, TOP - 10, self._clock.unit)

    def _lanes(self):
        shades = colours({who for _, who, _, _ in runs(self._events)})
        first = self._events[0].tsc
        for cpu in self._cpus:
            self._text(4, self._y(cpu) + LANE - BAR / 2, f"CPU {cpu}")
        for cpu, who, since, until in runs(self._events):
            left, right = (self._x(self._clock.span(tsc - first)) for tsc in (since, until))
            took = self._clock.span(until - since)
            self._add(f'<rect x="{left:.2f}" y="{self._y(cpu) + LANE - BAR}" width="{max(right - left, 0.3):.2f}" '
                      f'height="{BAR - 4}" fill="{shades[who]}" fill-opacity="0.35">'
                      f'<title>{escape(who)} runs for {took:.2f} {self._clock.unit}</title></rect>')
            if right - left > 8 * len(who):
                self._text(left + 3, self._y(cpu) + LANE - 8, who)

    def _marks(self, shades):
        for event in self._events:
            x, y = self._x(self._clock.at(event)), self._y(event.cpu)
            title = f"{self._clock.at(event):.2f} {self._clock.unit}, CPU {event.cpu}, {event.who}, rip {event.rip}: " \
                    f"{event.words}"
            self._add(f'<rect x="{x - 0.75:.2f}" y="{y + 2}" width="1.5" height="{LANE - BAR - 4}" '
                      f'fill="{shades[event.reason]}"><title>{escape(title)}</title></rect>')

    def _legend(self, shades, top):
        column = 250
        for i, (reason, colour) in enumerate(sorted(shades.items())):
            x = LEFT + column * (i % ((WIDTH - LEFT) // column))
            y = top + 20 * (i // ((WIDTH - LEFT) // column))
            self._add(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
            self._text(x + 18, y, reason)
        return top + 20 * ((len(shades) + (WIDTH - LEFT) // column - 1) // ((WIDTH - LEFT) // column))

    def draw(self):
        """The whole of it."""
        bottom = TOP + LANE * len(self._cpus)
        shades = colours({event.reason for event in self._events})
        self._axis(bottom)
        self._lanes()
        self._marks(shades)
        height = self._legend(shades, bottom + 30)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" ' \
               f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
        return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *self._parts, "</svg>", ""])


def run(options):
    """The `trace` command."""
    try:
        text = Path(options.log).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ToolError(f"{options.log}: cannot read it: {error.strerror}") from error
    events, rate = parse(text, options.log)
    clock = Clock(events, rate)
    print("\n".join([*table(events, clock), "", *summary(events, clock)]))
    if options.output:
        try:
            Path(options.output).write_text(Picture(events, clock).draw(), encoding="utf-8")
        except OSError as error:
            raise ToolError(f"{options.output}: cannot write it: {error.strerror}") from error
    return 0
