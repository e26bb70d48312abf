#!/usr/bin/env python3
"""Opens a page in a headless browser and prints the results as one JSON object.

    browse.py PAGE.html [--width 390] [--height 844] [--dark] [--shot FILE.png] [--pdf FILE.pdf] [--run JAVASCRIPT]

`errors`: exceptions, console warnings and console errors; `requests`: resources that the page requested besides itself;
`result`: the value of JAVASCRIPT; `seconds`: time from the start of the navigation until all charts were drawn.
Uses the first of BROWSERS found in PATH; without one, the exit code is 77.
"""
import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

BROWSERS = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'headless_shell']


class Browser:
    """A browser controlled with the DevTools protocol over two pipes."""

    def __init__(self, program, profile):
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()
        script = f'exec 3<&{to_read} 4>&{from_write}; exec "$@"'
        self.process = subprocess.Popen(
            ['bash', '-c', script, 'browse', program, '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars',
             '--disable-dev-shm-usage', f'--user-data-dir={profile}', '--remote-debugging-pipe', 'about:blank'],
            pass_fds=[to_read, from_write], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.buffer, self.number, self.events, self.session = b'', 0, [], None

    def send(self, method, **parameters):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': parameters}
        if self.session:
            message['sessionId'] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b'\0')
        while True:
            answer = self.receive()
            if answer.get('id') == self.number:
                if 'error' in answer:
                    sys.exit(f'{method}: {answer["error"]["message"]}')
                return answer['result']
            self.events.append(answer)

    def receive(self):
        while b'\0' not in self.buffer:
            piece = os.read(self.from_read, 1 << 16)
            if not piece:
                sys.exit('the browser exited')
            self.buffer += piece
        message, self.buffer = self.buffer.split(b'\0', 1)
        return json.loads(message)

    def wait(self, method):
        while not any(event.get('method') == method for event in self.events):
            self.events.append(self.receive())

    def value(self, expression):
        answer = self.send('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in answer:
            sys.exit(f'{expression}: {answer["exceptionDetails"]}')
        return answer['result'].get('value')


def problems(events, page):
    errors, requests = [], []
    for event in events:
        method, details = event.get('method'), event.get('params', {})
        if method == 'Runtime.exceptionThrown':
            errors.append(details['exceptionDetails'].get('exception', {}).get('description', 'exception'))
        elif method == 'Runtime.consoleAPICalled' and details['type'] in ('error', 'warning', 'assert'):
            errors.append(' '.join(str(argument.get('value')) for argument in details['args']))
        elif method == 'Log.entryAdded' and details['entry']['level'] in ('error', 'warning'):
            errors.append(details['entry']['text'])
        elif method == 'Network.requestWillBeSent':
            url = details['request']['url']
            if url != page and not url.startswith('data:'):
                requests.append(url)
    return errors, requests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('page', type=Path)
    parser.add_argument('--width', type=int, default=1280)
    parser.add_argument('--height', type=int, default=900)
    parser.add_argument('--dark', action='store_true')
    parser.add_argument('--shot', type=Path)
    parser.add_argument('--pdf', type=Path)
    parser.add_argument('--run')
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f'none of {", ".join(BROWSERS)} is in PATH', file=sys.stderr)
        return 77
    page = options.page.resolve().as_uri()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        # A browser that hangs is treated like one that crashed.
        timer = threading.Timer(100, browser.process.kill)
        timer.start()
        try:
            target = browser.send('Target.createTarget', url='about:blank')['targetId']
            browser.session = browser.send('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
            for domain in ('Page', 'Runtime', 'Log', 'Network'):
                browser.send(f'{domain}.enable')
            browser.send('Emulation.setDeviceMetricsOverride', width=options.width, height=options.height,
                         deviceScaleFactor=1, mobile=options.width < 500)
            browser.send('Emulation.setEmulatedMedia', features=[
                {'name': 'prefers-color-scheme', 'value': 'dark' if options.dark else 'light'}])
            browser.send('Page.navigate', url=page)
            browser.wait('Page.loadEventFired')
            # The script draws while the page loads, so everything is drawn one frame later.
            seconds = browser.value('new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000))))')
            result = browser.value(options.run) if options.run else None
            if options.shot:
                height = browser.value('Math.ceil(document.documentElement.getBoundingClientRect().height)')
                shot = browser.send('Page.captureScreenshot', captureBeyondViewport=True, clip={
                    'x': 0, 'y': 0, 'width': options.width, 'height': height, 'scale': 1})
                options.shot.write_bytes(base64.b64decode(shot['data']))
            if options.pdf:
                pdf = browser.send('Page.printToPDF', paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=False)
                options.pdf.write_bytes(base64.b64decode(pdf['data']))
            errors, requests = problems(browser.events, page)
        finally:
            timer.cancel()
            browser.process.terminate()
            browser.process.wait()
    print(json.dumps({'errors': errors, 'requests': requests, 'result': result, 'seconds': seconds}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
