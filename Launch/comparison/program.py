"""Runs crate: under the launcher if there is one, with its output in a log, and stopped when this program is."""
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

from store import Refused

ROOT = Path(__file__).resolve().parents[2]
STOPPED = 75
# Commands that all ranks take part in; they compute the same on any number of ranks.
SHARED = {'pretrain', 'finetune', 'evaluate', 'probe', 'analyze', 'bench'}
TRAINING = {'pretrain', 'finetune'}


class Stopped(Exception):
    """This program was asked to stop, and the command that ran has ended."""


class CommandFailed(Refused):
    """A command ended with an error."""


class Program:

    def __init__(self, crate, launcher, threads, precision, logs, lock_file=None):
        self.crate, self.launcher = str(crate), shlex.split(launcher or '')
        self.speed = ['--threads', str(threads), '--precision', precision]
        self.logs, self.lock_file = Path(logs), lock_file
        self.child, self.is_training, self.requests = None, False, 0
        # As in Launch/environment: Open MPI rejects root without these, and containers often run as root.
        self.environment = os.environ | {
            name: '1'
            for name in ('OMPI_ALLOW_RUN_AS_ROOT', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM',
                         'OMPI_MCA_rmaps_base_oversubscribe')
        }

    def obey_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.request_stop)

    def request_stop(self, *_):
        self.requests += 1
        if self.child:
            self.pass_on()

    def pass_on(self):
        """mpirun forwards SIGUSR1 to the ranks, which save; on SIGTERM it would kill them soon after."""
        insists = self.requests > 1
        number = signal.SIGUSR1 if self.launcher and self.is_training and not insists else signal.SIGTERM
        try:
            self.child.send_signal(number)
        except ProcessLookupError:
            pass

    def words(self, command, *options):
        launcher = self.launcher if command in SHARED else []
        speed = [] if command in ('shard', 'synthesize', 'inspect') else self.speed
        return [str(word) for word in (*launcher, self.crate, command, *options, *speed)]

    def run(self, log, command, *options):
        """The standard output of a command. Throws `CommandFailed` with its last line of errors, or `Stopped`."""
        if self.requests:
            raise Stopped
        output, errors = (self.logs / f'{log}.{kind}' for kind in ('out', 'err'))
        output.parent.mkdir(parents=True, exist_ok=True)
        words = self.words(command, *options)
        with open(output, 'wb') as out, open(errors, 'wb') as err:
            # A session of its own: Ctrl-C in the terminal reaches this program only, which passes it on once.
            child = subprocess.Popen(words,
                                     stdin=subprocess.DEVNULL,
                                     stdout=out,
                                     stderr=err,
                                     env=self.environment,
                                     start_new_session=True,
                                     pass_fds=[] if self.lock_file is None else [self.lock_file])
        self.is_training, self.child = command in TRAINING, child
        if self.requests:  # one that came since could not be passed on
            self.pass_on()
        code = self.wait(child)
        self.child = None
        if self.requests or code == STOPPED:
            raise Stopped
        if code:
            lines = [line for line in errors.read_text(errors='replace').splitlines() if line.strip()]
            reason = next((line for line in lines if re.match(r'(crate: )?error: ', line, re.I)),
                          lines[-1] if lines else f'exit code {code}')
            raise CommandFailed(f'crate {command} failed ({errors}): {reason}')
        return output.read_text()

    def wait(self, child):
        asked = None
        while True:
            try:
                return child.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                if not self.requests:
                    continue
            asked = asked or time.monotonic()
            if not self.is_training and time.monotonic() - asked > 10:
                # Nothing to save, and it does not end.
                os.killpg(child.pid, signal.SIGKILL)
            elif self.launcher and self.is_training:
                # mpirun drops a signal while it has no ranks yet.
                self.pass_on()

    def version(self):
        """The version of the program, the first lines of `crate --version`; and the commit of this clone."""
        lines = subprocess.run([self.crate, '--version'], capture_output=True, text=True, env=self.environment).stdout
        commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, cwd=ROOT)
        return f'{"; ".join(lines.strip().splitlines())}; Launch/claims of commit {commit.stdout.strip() or "unknown"}'
