"""The working directory of a comparison: its lock, its settings, and one small file for each result."""
import fcntl
import json
import os
import shutil
from pathlib import Path


class Refused(Exception):
    """A mistake of the user or of the machine, in one line, with a hint."""


def write_atomically(path, data):
    """Writes bytes or text: the file is complete or not there, whatever happens meanwhile."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with open(partial, 'wb') as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def read_json(path):
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise Refused(f'{path} is damaged; remove it, and what it held is computed again')


class Store:

    def __init__(self, work):
        self.work = Path(work)
        self.results = self.work / 'results'
        self.lock_file = None
        self.cache = {}

    def lock(self):
        """Commands inherit the lock, so that it is held even if this program dies before them."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.lock_file = os.open(self.work / 'lock', os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f'another comparison uses {self.work}; wait for it, or use another --work')

    def path(self, name):
        return self.results / f'{name}.json'

    def get(self, name):
        """What `put` stored: {'value': ..., 'seconds': ..., 'expected': ..., 'program': ...}, or None."""
        if name not in self.cache:
            found = read_json(self.path(name))
            if found is None:
                return None
            self.cache[name] = found
        return self.cache[name]

    def value(self, name):
        found = self.get(name)
        return found and found['value']

    def put(self, name, value, **more):
        found = {'value': value, **more}
        write_atomically(self.path(name), json.dumps(found, indent=1, sort_keys=True) + '\n')
        self.cache[name] = found

    def names(self):
        """Of all results."""
        return sorted(str(path.relative_to(self.results))[:-5] for path in self.results.rglob('*.json'))

    @property
    def plan(self):
        return read_json(self.work / 'plan.json')

    def save_plan(self, plan):
        write_atomically(self.work / 'plan.json', json.dumps(plan, indent=1, sort_keys=True) + '\n')

    def require_settings(self, settings, later):
        """Refuses other settings than those of the results that are there. Measurements of speed alone are made again
        instead, unless only settings of `later`, which they do not depend on, have changed."""
        path = self.work / 'settings.json'
        stored = read_json(path) or {}
        changed = sorted(key for key in settings.keys() | stored.keys() if settings.get(key) != stored.get(key))
        if not changed:
            return
        if any(not name.startswith('bench/') for name in self.names()):
            key = changed[0]
            raise Refused(
                f'--{key} is {shown(settings.get(key))}, but {self.work} holds results with {shown(stored.get(key))}; '
                'use the same, or another --work')
        # Without results, runs that were interrupted would be continued with other settings.
        parts = ['runs'] if set(changed) <= set(later) else ['runs', 'results', 'data']
        for part in parts:
            shutil.rmtree(self.work / part, ignore_errors=True)
        (self.work / 'plan.json').unlink(missing_ok=True)
        write_atomically(path, json.dumps(settings, indent=1, sort_keys=True) + '\n')


def shown(value):
    return ' '.join(map(str, value)) if isinstance(value, list) else 'not given' if value is None else str(value)
